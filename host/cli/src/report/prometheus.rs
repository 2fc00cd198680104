//! `doctor --prometheus`: the findings as metrics for the textfile collector of Prometheus' node exporter.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::DoctorReport;
use hydra_base::Timestamp;
use hydra_base::text::printable;

/// The metrics of some models, in Prometheus' text format. `at` is when they were examined.
pub(crate) fn metrics(reports: &[&DoctorReport], at: Timestamp) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, samples: Vec<(String, String)>| {
        // Writing to a string cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    };
    let of_model = |value: fn(&DoctorReport) -> usize| {
        reports.iter().map(|report| (model(report), value(report).to_string())).collect::<Vec<_>>()
    };
    family(
        "hydra_doctor_problems",
        "The problems of a model that `hydra-registry doctor` found and that are left.",
        of_model(|report| report.findings.len()),
    );
    family(
        "hydra_doctor_repaired",
        "The problems of a model that this run of `hydra-registry doctor --fix` repaired.",
        of_model(|report| report.fixed.len()),
    );
    let by_code = reports.iter().flat_map(|report| {
        let mut codes = BTreeMap::<&str, usize>::new();
        for finding in &report.findings {
            *codes.entry(finding.code).or_default() += 1;
        }
        codes
            .into_iter()
            .map(|(code, count)| (format!("{},code=\"{code}\"", model(report)), count.to_string()))
    });
    family("hydra_doctor_findings", "The problems that are left, by kind.", by_code.collect());
    let seconds = format!("{}.{:03}", at.div_euclid(1_000), at.rem_euclid(1_000));
    let examined = reports.iter().map(|report| (model(report), seconds.clone()));
    family(
        "hydra_doctor_examined_timestamp_seconds",
        "When `hydra-registry doctor` examined the model.",
        examined.collect(),
    );
    text
}

/// The label of a model. Registered models have names of any characters.
fn model(report: &DoctorReport) -> String {
    let name = printable(&report.model).replace('\\', r"\\").replace('"', "\\\"");
    format!("model=\"{name}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::FindingReport;

    #[test]
    fn every_model_has_its_number_of_problems_and_names_cannot_forge_a_line() {
        let finding = |code| FindingReport { code, what: String::new(), remedy: String::new() };
        let report = |model: &str, findings| DoctorReport {
            schema: "hydra-registry/doctor/1",
            model: model.to_owned(),
            fixed: Vec::new(),
            findings,
        };
        let well = report("well", Vec::new());
        let hostile = report(
            "a\"b\\c\nup{x=\"1\"} 1",
            vec![finding("drift"), finding("drift"), finding("deleted-run")],
        );
        let text = metrics(&[&well, &hostile], 1_772_366_405_009);
        let name = "a\\\"b\\\\c\u{fffd}up{x=\\\"1\\\"} 1";
        for line in [
            "hydra_doctor_problems{model=\"well\"} 0".to_owned(),
            format!("hydra_doctor_problems{{model=\"{name}\"}} 3"),
            format!("hydra_doctor_findings{{model=\"{name}\",code=\"drift\"}} 2"),
            format!("hydra_doctor_findings{{model=\"{name}\",code=\"deleted-run\"}} 1"),
            "hydra_doctor_examined_timestamp_seconds{model=\"well\"} 1772366405.009".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is missing in:\n{text}");
        }
        assert!(
            text.lines().all(|line| line.starts_with("# ") || line.starts_with("hydra_doctor_")),
            "{text}"
        );
    }
}
