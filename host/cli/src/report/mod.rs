//! The JSON forms of the commands' output: separate types, each document with a `schema` field.
//!
//! Versions are numbers, times are RFC 3339 in UTC, and metrics that JSON cannot represent (NaN, infinities) are
//! strings.

mod about;
mod activation;
mod audit;
mod backtest;
mod compare;
mod copy;
mod diff;
mod doctor;
mod evaluations;
mod evidence;
mod ledger;
mod listed;
mod message;
mod notify;
mod number;
mod panel;
mod prometheus;
pub(crate) mod schema;
mod show;
mod statement;
mod status;
mod transition;
mod version;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::printer::View;
use crate::table::fitted;
use hydra_base::names::{ModelName, Version};
use hydra_base::text::printable;
use hydra_base::{Sha256, Timestamp};
use hydra_registry::{ChampionInfo, LoggedCandidate, VersionInfo};

pub use about::{ApprovalReport, DecisionReport, VersionFigureReport};
pub use activation::{ActiveMemberReport, ActivePolicyReport, PolicyApprovalReport, PolicyStatementReport};
pub(crate) use audit::{ExportReport, HeadReport, VerifyReport};
pub(crate) use backtest::BacktestReport;
pub use compare::{FigureReport, MeasuredReport, RowReport};
pub(crate) use compare::{Side, bounds};
pub use copy::{CopyReport, OriginReport};
pub(crate) use diff::measured;
pub use diff::{DiffReport, ImportanceReport};
pub(crate) use doctor::DoctorsReport;
pub use doctor::{DoctorReport, FindingReport};
pub use evaluations::{LeftOutReport, UsedReport};
pub use ledger::{AsOfReport, EntryReport};
pub(crate) use listed::ListedReport;
pub use message::{ErrorReport, NoteReport};
pub use notify::{DeliveredReport, NotifyReport};
pub(crate) use number::{figure, number, signed};
pub use panel::AnswerReport;
pub(crate) use panel::{MemberReport, panel_label};
pub(crate) use prometheus::metrics as prometheus_metrics;
pub(crate) use show::EntryDetailsReport;
pub use statement::StatementReport;
pub use status::{ModelStatusReport, StatusReport};
pub use transition::{ChangeReport, TransitionReport};
pub(crate) use version::DownloadReport;
pub use version::{ModelFileReport, ModelVersionReport};

/// `log-candidate`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CandidateReport {
    /// `hydra-registry/candidate/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// The version.
    #[schemars(with = "u64")]
    pub version: Version,
    /// The run.
    pub run_id: String,
    /// The SHA-256 of the model file.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// The version that was the candidate until now.
    #[schemars(with = "Option<u64>")]
    pub replaced: Option<Version>,
    /// The metrics logged.
    #[serde(serialize_with = "metrics")]
    #[schemars(with = "BTreeMap<String, hydra_policy::Float>")]
    pub metrics: BTreeMap<String, f64>,
}

impl CandidateReport {
    /// Reports a logged candidate.
    #[must_use]
    pub fn new(model: &ModelName, logged: &LoggedCandidate, metrics: &BTreeMap<String, f64>) -> Self {
        Self {
            schema: "hydra-registry/candidate/1",
            model: model.to_string(),
            version: logged.version,
            run_id: logged.run_id.to_string(),
            sha256: logged.sha256,
            replaced: logged.replaced,
            metrics: metrics.clone(),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("logged {} version {} as candidate\n", self.model, self.version);
        text += &format!("  run     {}\n  sha256  {}\n", self.run_id, self.sha256);
        text += &metric_lines(&self.metrics);
        if let Some(replaced) = self.replaced {
            text += &format!("version {replaced} is no longer the candidate\n");
        }
        text + &format!("next: hydra-registry promote {}", self.version)
    }
}

/// `champion`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChampionReport {
    /// `hydra-registry/champion/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// The version.
    #[schemars(with = "u64")]
    pub version: Version,
    /// The run that logged it.
    pub run_id: Option<String>,
    /// When the version was created.
    pub created_at: String,
    /// The run's metrics.
    #[serde(serialize_with = "metrics")]
    #[schemars(with = "BTreeMap<String, hydra_policy::Float>")]
    pub metrics: BTreeMap<String, f64>,
    /// The run's tags.
    pub tags: BTreeMap<String, String>,
    /// When it went into quarantine, by whom and why; none if it is not in quarantine.
    pub quarantine: Option<String>,
}

impl ChampionReport {
    /// Describes a champion.
    #[must_use]
    pub fn new(model: &ModelName, info: &ChampionInfo) -> Self {
        Self {
            schema: "hydra-registry/champion/1",
            model: model.to_string(),
            version: info.version,
            run_id: info.run_id.as_ref().map(ToString::to_string),
            created_at: time(info.created_at),
            metrics: info.metrics.clone(),
            tags: info.tags.clone(),
            quarantine: info.quarantine.clone(),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("champion of {}: version {}\n", self.model, self.version);
        text += &format!(
            "  created {}\n  run     {}\n",
            self.created_at,
            self.run_id.as_deref().unwrap_or("none")
        );
        if let Some(quarantine) = &self.quarantine {
            text += &format!("  in quarantine since {}\n", printable(quarantine));
        }
        text += &metric_lines(&self.metrics);
        for (key, value) in self.tags.iter().filter(|(key, _)| !key.starts_with("mlflow.")) {
            text += &format!("  tag     {}\n", printable(&format!("{key} = {value}")));
        }
        text
    }
}

/// One line of `list`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VersionReport {
    /// `hydra-registry/version/1`.
    pub schema: &'static str,
    /// The version.
    #[schemars(with = "u64")]
    pub version: Version,
    /// The run that logged it.
    pub run_id: Option<String>,
    /// The aliases on it.
    pub aliases: Vec<String>,
    /// When it was created.
    pub created_at: String,
    /// When it went into quarantine, by whom and why; none if it is not in quarantine.
    pub quarantine: Option<String>,
}

impl From<VersionInfo> for VersionReport {
    fn from(info: VersionInfo) -> Self {
        Self {
            schema: "hydra-registry/version/1",
            version: info.version,
            run_id: info.run_id.map(Into::into),
            aliases: info.aliases.into_iter().map(Into::into).collect(),
            created_at: time(info.created_at),
            quarantine: info.quarantine,
        }
    }
}

impl VersionReport {
    /// For people: one row.
    #[must_use]
    pub fn text(&self, view: &View) -> String {
        let run = self.run_id.as_deref().unwrap_or("-");
        let row = version_row(
            view,
            &self.version.to_string(),
            &view.time(&self.created_at),
            run,
            &self.aliases.join(", "),
        );
        match &self.quarantine {
            Some(quarantine) => format!("{row}\n         in quarantine since {}", printable(quarantine)),
            None => row,
        }
    }

    /// The heading above the rows.
    #[must_use]
    pub fn heading(view: &View) -> String {
        version_row(view, "version", "created", "run", "aliases")
    }
}

/// A row of `list`. The columns are narrower in a narrow terminal, because rows are printed before the next ones are known.
fn version_row(view: &View, version: &str, created: &str, run: &str, aliases: &str) -> String {
    let (created_width, run_width) = match view.width {
        Some(..80) => (14, 8),
        Some(80..100) => (24, 12),
        _ => (24, 32),
    };
    let row = |created: &str, run: &str| {
        format!("{version:>7}  {created:created_width$}  {run:run_width$}  {aliases}")
    };
    match view.width {
        Some(width) => fitted(&row(&fitted(created, created_width), &fitted(run, run_width)), width),
        None => row(created, run),
    }
}

/// A time for people and machines: RFC 3339, UTC, milliseconds.
pub(crate) fn time(milliseconds: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |time| format!("{time:.3}"))
}

/// Metrics as JSON numbers; those that JSON cannot represent are strings.
pub(crate) fn metrics<S: Serializer>(
    metrics: &BTreeMap<String, f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|(key, value)| (key, json_number(*value))))
}

pub(crate) fn json_number(value: f64) -> serde_json::Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => number.into(),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

/// Keys come from the registry: a line end in one would result in an additional line.
fn metric_lines(metrics: &BTreeMap<String, f64>) -> String {
    metrics.iter().map(|(key, value)| format!("  metric  {} = {value}\n", printable(key))).collect()
}

#[cfg(test)]
mod tests;
