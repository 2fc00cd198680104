//! Compares the metrics of candidate and champion.

use crate::common::{approve, declare, metric, parsed, setting, take_over};
use crate::contract::{Context, ModelVersion, PolicyError, Setting, SettingKind, Verdict};

/// A metric and its better direction.
struct Gate<'a> {
    metric: &'a str,
    larger_is_better: bool,
}

pub fn settings() -> Vec<Setting> {
    vec![
        declare(
            "metric",
            SettingKind::Text,
            None,
            "the metric to beat, `name` or `name:min` where less is better",
        ),
        declare("margin", SettingKind::Number, Some("0"), "by how much the candidate must be better"),
        declare(
            "guards",
            SettingKind::Text,
            Some(""),
            "metrics that must not get worse, separated by commas",
        ),
        declare("tolerance", SettingKind::Number, Some("0"), "by how much a guard metric may be worse"),
    ]
}

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let gate = Gate::parse(setting(context, "metric")?);
    let margin: f64 = parsed(context, "margin")?;
    let tolerance: f64 = parsed(context, "tolerance")?;

    let Some(value) = gate.of(target) else {
        return Ok(gate.missing(target));
    };
    let Some(champion) = &context.champion else {
        let explanation = format!("there is no champion to beat; {} is {value}", gate.metric);
        return Ok(approve(take_over(target, context), explanation));
    };
    let Some(to_beat) = gate.of(champion) else {
        return Ok(gate.missing(champion));
    };
    let gain = gate.gain(value, to_beat);
    if gain < margin || gain <= 0.0 {
        return Ok(Verdict::Reject(format!(
            "{} is {value}, the champion has {to_beat}: a gain of {gain:.6}, {margin} is required",
            gate.metric
        )));
    }
    for guard in
        setting(context, "guards")?.split(',').map(str::trim).filter(|name| !name.is_empty()).map(Gate::parse)
    {
        let Some(value) = guard.of(target) else {
            return Ok(guard.missing(target));
        };
        // Without a value of the champion there is nothing to compare.
        let Some(before) = guard.of(champion) else { continue };
        let loss = -guard.gain(value, before);
        if loss > tolerance {
            return Ok(Verdict::Reject(format!(
                "{} is {value}, the champion has {before}: a loss of {loss:.6}, {tolerance} is tolerated",
                guard.metric
            )));
        }
    }
    let explanation =
        format!("{} is {value}, better than the champion's {to_beat} by {gain:.6}", gate.metric);
    Ok(approve(take_over(target, context), explanation))
}

impl<'a> Gate<'a> {
    fn parse(text: &'a str) -> Self {
        match text.rsplit_once(':') {
            Some((metric, "min")) => Self { metric, larger_is_better: false },
            Some((metric, "max")) => Self { metric, larger_is_better: true },
            _ => Self { metric: text, larger_is_better: true },
        }
    }

    /// The value if the run has one that is not NaN.
    fn of(&self, version: &ModelVersion) -> Option<f64> {
        metric(version, self.metric).filter(|value| !value.is_nan())
    }

    fn gain(&self, value: f64, than: f64) -> f64 {
        if self.larger_is_better { value - than } else { than - value }
    }

    /// A missing value is not evidence against the candidate, so the policy holds.
    fn missing(&self, version: &ModelVersion) -> Verdict {
        Verdict::Hold(format!(
            "version {} has no usable value of the metric {}",
            version.version, self.metric
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::evidence::{context, version};

    fn decide(
        candidate: &[(&str, f64)],
        champion: Option<&[(&str, f64)]>,
        settings: &[(&str, &str)],
    ) -> Verdict {
        let mut all = vec![("margin", "0"), ("guards", ""), ("tolerance", "0")];
        all.retain(|(key, _)| settings.iter().all(|(given, _)| given != key));
        all.extend(settings);
        let context = context(&all, champion.map(|metrics| version(1, metrics)));
        promotion(&version(2, candidate), &context).unwrap()
    }

    #[test]
    fn better_is_approved_and_equal_is_not() {
        let auc = [("metric", "auc")];
        assert!(matches!(decide(&[("auc", 0.9)], Some(&[("auc", 0.8)]), &auc), Verdict::Approve(_)));
        assert!(matches!(decide(&[("auc", 0.8)], Some(&[("auc", 0.8)]), &auc), Verdict::Reject(_)));
        assert!(matches!(decide(&[("auc", 0.1)], None, &auc), Verdict::Approve(_)));
    }

    #[test]
    fn less_can_be_better() {
        let loss = [("metric", "log_loss:min")];
        assert!(matches!(
            decide(&[("log_loss", 0.2)], Some(&[("log_loss", 0.3)]), &loss),
            Verdict::Approve(_)
        ));
        assert!(matches!(
            decide(&[("log_loss", 0.3)], Some(&[("log_loss", 0.2)]), &loss),
            Verdict::Reject(_)
        ));
    }

    #[test]
    fn the_margin_must_be_reached() {
        let settings = [("metric", "auc"), ("margin", "0.05")];
        assert!(matches!(decide(&[("auc", 0.84)], Some(&[("auc", 0.8)]), &settings), Verdict::Reject(_)));
        assert!(matches!(decide(&[("auc", 0.86)], Some(&[("auc", 0.8)]), &settings), Verdict::Approve(_)));
    }

    #[test]
    fn a_guard_metric_stops_a_better_candidate() {
        let settings = [("metric", "auc"), ("guards", "recall, latency:min"), ("tolerance", "0.01")];
        let champion = [("auc", 0.8), ("recall", 0.7), ("latency", 0.5)];
        let decide = |recall, latency| {
            decide(&[("auc", 0.9), ("recall", recall), ("latency", latency)], Some(&champion), &settings)
        };
        assert!(matches!(decide(0.695, 0.505), Verdict::Approve(_)));
        assert!(matches!(decide(0.6, 0.5), Verdict::Reject(_)));
        assert!(matches!(decide(0.7, 0.6), Verdict::Reject(_)));
    }

    #[test]
    fn what_cannot_be_compared_is_held() {
        let auc = [("metric", "auc")];
        assert!(matches!(decide(&[], Some(&[("auc", 0.8)]), &auc), Verdict::Hold(_)));
        assert!(matches!(decide(&[("auc", f64::NAN)], Some(&[("auc", 0.8)]), &auc), Verdict::Hold(_)));
        assert!(matches!(decide(&[("auc", 0.9)], Some(&[("auc", f64::NAN)]), &auc), Verdict::Hold(_)));
    }
}
