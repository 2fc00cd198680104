//! What the ledger says of one version: approvals, and the entries about it.

use schemars::JsonSchema;
use serde::Serialize;

use super::compare::{FigureReport, bounds, direction};
use super::ledger::{fate_text, past};
use super::time;
use crate::printer::View;
use hydra_base::Sha256;
use hydra_base::names::Version;
use hydra_base::text::printable;
use hydra_base::time::now;
use hydra_evaluation::{Evaluation, VersionId};
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::history::Fate;
use hydra_lifecycle::ledger::standing::Approval;
use hydra_policy::VerdictKind;

/// An approval of a version that was not used yet.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ApprovalReport {
    /// Who approved.
    pub actor: String,
    /// The user that the server said was authenticated.
    pub user: Option<String>,
    /// When.
    pub at: String,
    /// When it ends; none if only its use ends it.
    pub expires: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Whether the approver also logged the version.
    pub own: bool,
    /// Whether a decision would count it now: it has not expired, and the model file has the bytes that were approved.
    pub counts: bool,
}

/// An entry of the ledger about a version.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DecisionReport {
    /// Its number in the ledger.
    pub sequence: u64,
    /// The time at which the store created it.
    pub at: String,
    /// The operation, such as `promote`.
    pub operation: String,
    /// The verdict; none for an entry that is not a decision.
    pub verdict: Option<VerdictKind>,
    /// `done`, `aborted` or `pending`.
    pub fate: &'static str,
    /// Who asked.
    pub actor: String,
    /// Why.
    pub explanation: String,
}

impl ApprovalReport {
    /// An approval; `sha256` is that of the model file as it is now.
    pub(crate) fn new(approval: &Approval, sha256: Option<Sha256>) -> Self {
        let is_over = approval.expires.is_some_and(|expires| expires <= now());
        Self {
            actor: approval.by.clone(),
            user: approval.user.clone(),
            at: time(approval.at),
            expires: approval.expires.map(time),
            reason: approval.reason.clone(),
            own: approval.own,
            counts: !is_over && sha256 == Some(approval.sha256),
        }
    }

    pub(crate) fn text(&self, view: &View) -> String {
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!(", because: {reason}"));
        let own = if self.own { ", who also logged it" } else { "" };
        let until = self.expires.as_ref().map_or_else(String::new, |expires| format!(", until {expires}"));
        let counts = if self.counts { "" } else { " (does not count any more)" };
        printable(&format!("by {}{own} {}{until}{reason}{counts}", self.actor, view.time(&self.at)))
    }
}

impl DecisionReport {
    /// An entry in brief.
    pub(crate) fn new(record: &Record, fate: Fate) -> Self {
        let entry = &record.entry;
        Self {
            sequence: record.number,
            at: time(record.created_at),
            operation: entry.operation.to_string(),
            verdict: entry.decided.as_ref().map(|decided| decided.verdict),
            fate: fate_text(fate),
            actor: entry.actor.clone(),
            explanation: entry.explanation.clone(),
        }
    }

    pub(crate) fn text(&self, view: &View) -> String {
        let verdict = self.verdict.map_or_else(String::new, |verdict| format!(" {}", past(verdict)));
        let fate = if self.fate == "done" { String::new() } else { format!(" ({})", self.fate) };
        printable(&format!(
            "entry {}  {}  {}{verdict}{fate} by {}: {}",
            self.sequence,
            view.time(&self.at),
            self.operation,
            self.actor,
            self.explanation
        ))
    }
}

/// What an evaluation measured of a version on all its rows.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VersionFigureReport {
    /// The name of the dataset.
    pub dataset: String,
    /// The number of rows.
    pub rows: u64,
    /// When the measurement ended.
    pub measured_at: String,
    /// The name of the metric.
    pub metric: String,
    /// `higher` or `lower`: which way the metric is better.
    pub direction: &'static str,
    /// The figure of the version.
    pub figure: FigureReport,
    /// The version with which it was compared on the same rows: a number, or `file:` and a path.
    pub baseline: Option<String>,
    /// Its figure minus the baseline's, with the paired interval.
    pub difference: Option<FigureReport>,
}

impl VersionFigureReport {
    /// The figures of `version` in an evaluation.
    pub(crate) fn all(document: &Evaluation, version: Version) -> Vec<Self> {
        let is_version = |id: &VersionId| *id == VersionId::Registered(version);
        let all_rows = document.measurements.iter();
        let all_rows = all_rows.filter(|one| one.segment.is_none() && is_version(&one.version));
        let report = all_rows.map(|one| {
            let compared = document.comparisons.iter().find(|known| {
                known.segment.is_none() && known.metric == one.metric && is_version(&known.challenger)
            });
            Self {
                dataset: document.dataset.name.to_string(),
                rows: document.dataset.rows,
                measured_at: time(document.measured_at),
                metric: one.metric.clone(),
                direction: direction(one.direction),
                figure: FigureReport::new(one.value, bounds(one.interval.as_ref())),
                baseline: compared.map(|known| known.baseline.to_string()),
                difference: compared
                    .map(|known| FigureReport::new(known.difference, bounds(known.interval.as_ref()))),
            }
        });
        report.collect()
    }

    pub(crate) fn text(&self, view: &View) -> String {
        let compared =
            self.difference.zip(self.baseline.as_ref()).map_or_else(String::new, |(figure, baseline)| {
                format!(", {} compared with version {baseline}", figure.difference_text(self.direction))
            });
        printable(&format!(
            "{} on {} ({} rows, {}): {}{compared}",
            self.metric,
            self.dataset,
            self.rows,
            view.time(&self.measured_at),
            self.figure.text()
        ))
    }
}
