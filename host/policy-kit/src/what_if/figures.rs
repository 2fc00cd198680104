//! Changes of figures: what a run reports itself, and what an evaluation measured.

mod evaluation;
mod rows;

use std::collections::BTreeSet;

use super::change::{Change, ChangeKind, Range, subjects, with_version};
use super::scale::Scale;
use hydra_policy::Input;

pub(super) use evaluation::{about_all_rows, about_segments};

/// Words in the names of metrics that lie between 0 and 1.
const SHARES: [&str; 9] = ["accuracy", "auc", "brier", "ece", "f1", "map", "ndcg", "precision", "recall"];

/// Words in the names of metrics that are not negative.
const LOSSES: [&str; 12] =
    ["deviance", "error", "l1", "l2", "logloss", "loss", "mae", "mape", "mse", "pinball", "psi", "rmse"];

/// The metrics of the runs of the versions. One that only the other version has is tried as well.
pub(super) fn metrics(input: &Input) -> Vec<Change> {
    let subjects = subjects(input);
    let runs = || subjects.iter().filter_map(|version| Some((version.version, version.run.as_ref()?)));
    let names: BTreeSet<&String> = runs().flat_map(|(_, run)| run.metrics.keys()).collect();
    let changes = runs().flat_map(|(version, run)| names.iter().map(move |name| (version, run, *name)));
    changes
        .map(|(version, run, name)| {
            let value = run.metrics.get(name).copied();
            let (low, high) = extent(name, value);
            let others = runs().filter(|(other, _)| *other != version);
            let key = name.clone();
            let range = Range {
                scale: Scale::Number,
                base: value,
                low,
                high,
                landmarks: others.filter_map(|(_, run)| run.metrics.get(name).copied()).collect(),
                apply: Box::new(move |input, value| {
                    with_version(input, version, |version| {
                        version.run.get_or_insert_default().metrics.insert(key.clone(), value);
                    });
                    Vec::new()
                }),
            };
            Change::range(
                ChangeKind::Metric,
                format!("{name} of version {version}, which its run reports"),
                range,
            )
        })
        .collect()
}

/// The least and the greatest value of a metric, by the words of its name; `value` contradicts what the name says.
fn extent(name: &str, value: Option<f64>) -> (f64, f64) {
    let name = name.to_lowercase();
    let is =
        |known: &[&str]| name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| known.contains(&word));
    let extent = if is(&SHARES) {
        (0.0, 1.0)
    } else if is(&LOSSES) {
        (0.0, f64::INFINITY)
    } else {
        return (f64::NEG_INFINITY, f64::INFINITY);
    };
    let fits = value.is_none_or(|value| value.is_nan() || (extent.0..=extent.1).contains(&value));
    if fits { extent } else { (f64::NEG_INFINITY, f64::INFINITY) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_values_a_metric_has() {
        assert_eq!(extent("val_auc", Some(0.9)), (0.0, 1.0));
        assert_eq!(extent("AUC", None), (0.0, 1.0));
        assert_eq!(extent("ndcg@10", Some(f64::NAN)), (0.0, 1.0));
        assert_eq!(extent("log_loss", Some(0.3)), (0.0, f64::INFINITY));
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        assert_eq!(extent("auc", Some(91.0)), any, "in per cent");
        assert_eq!(extent("profit", Some(3.0)), any);
    }
}
