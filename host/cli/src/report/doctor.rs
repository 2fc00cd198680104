//! The JSON forms of `doctor`, and their text for people.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use crate::again::Again;
use hydra_base::names::ModelName;
use hydra_base::text::printable;
use hydra_lifecycle::doctor::Finding;

/// `doctor`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DoctorReport {
    /// `hydra-registry/doctor/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// The repairs.
    pub fixed: Vec<FindingReport>,
    /// The problems that are left.
    pub findings: Vec<FindingReport>,
}

/// One finding with its remedy.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FindingReport {
    /// The kind of the finding.
    pub code: &'static str,
    /// A description of the problem.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl From<&Finding> for FindingReport {
    fn from(finding: &Finding) -> Self {
        Self { code: finding.code(), what: finding.to_string(), remedy: finding.remedy().into_owned() }
    }
}

/// Findings of one of several models: the commands in their remedies name the model.
pub fn findings_on(model: &ModelName, findings: &[Finding]) -> Vec<FindingReport> {
    let again = Again::on_model(model.as_str());
    let named = |report: FindingReport| FindingReport { remedy: again.complete(&report.remedy), ..report };
    findings.iter().map(FindingReport::from).map(named).collect()
}

impl DoctorReport {
    /// The findings on one of several models.
    #[must_use]
    pub fn of_several(model: &ModelName, fixed: &[Finding], found: &[Finding]) -> Self {
        Self { findings: findings_on(model, found), ..Self::new(model, fixed, found) }
    }

    /// The findings on a model.
    #[must_use]
    pub fn new(model: &ModelName, fixed: &[Finding], found: &[Finding]) -> Self {
        Self {
            schema: "hydra-registry/doctor/1",
            model: model.to_string(),
            fixed: fixed.iter().map(FindingReport::from).collect(),
            findings: found.iter().map(FindingReport::from).collect(),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.fixed {
            let _ = writeln!(text, "repaired: {}", printable(&finding.what));
        }
        for finding in &self.findings {
            let (what, remedy) = (printable(&finding.what), printable(&finding.remedy));
            let _ = writeln!(text, "{}: {what}\n  remedy: {remedy}", finding.code);
        }
        if self.findings.is_empty() {
            let _ = writeln!(text, "{}: no problems found", self.model);
        }
        text
    }
}

/// `doctor --models`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DoctorsReport {
    /// `hydra-registry/doctor-models/1`.
    pub schema: &'static str,
    /// The models in the order of their names.
    pub models: Vec<DoctorReport>,
}

impl DoctorsReport {
    /// The findings on several models.
    #[must_use]
    pub fn new(models: Vec<DoctorReport>) -> Self {
        Self { schema: "hydra-registry/doctor-models/1", models }
    }

    /// For people: a heading for each model with findings or repairs.
    #[must_use]
    pub fn text(&self) -> String {
        let section = |report: &DoctorReport| {
            let quiet = report.findings.is_empty() && report.fixed.is_empty();
            if quiet { report.text() } else { format!("{}:\n{}", report.model, report.text()) }
        };
        self.models.iter().map(section).collect()
    }
}
