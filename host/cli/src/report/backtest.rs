//! The JSON form of `policy backtest`, and its text for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{MemberReport, panel_label, time};
use hydra_base::Sha256;
use hydra_base::names::{ModelName, Version};
use hydra_base::text::printable;
use hydra_lifecycle::backtest::{BacktestOutcome, Comparison};
use hydra_lifecycle::panel::Panel;
use hydra_policy::VerdictKind;

/// One decision of `policy backtest` with a different result.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ComparisonReport {
    /// The entry of the decision.
    pub sequence: u64,
    /// When it was made.
    pub at: String,
    /// `promote` or `rollback`.
    pub operation: String,
    /// The version that it was about.
    #[schemars(with = "Option<u64>")]
    pub target: Option<Version>,
    /// The recorded verdict.
    pub recorded: VerdictKind,
    /// `same`, `other-moves`, `other-verdict`, `failed` or `no-evidence`.
    pub answer: &'static str,
    /// The verdict of the tested policy, if it returned one.
    pub verdict: Option<VerdictKind>,
    /// Its explanation, or the reason why there is none.
    pub explanation: String,
}

impl ComparisonReport {
    /// A comparison.
    pub fn new(comparison: &Comparison) -> Self {
        let recorded = comparison.recorded;
        let (answer, verdict, explanation) = match &comparison.outcome {
            BacktestOutcome::Same => ("same", Some(recorded), String::new()),
            BacktestOutcome::OtherMoves { explanation, .. } => {
                ("other-moves", Some(recorded), explanation.clone())
            }
            BacktestOutcome::Other { verdict, explanation } => {
                ("other-verdict", Some(*verdict), explanation.clone())
            }
            BacktestOutcome::Failed(why) => ("failed", None, why.clone()),
            BacktestOutcome::NoEvidence(why) => ("no-evidence", None, why.clone()),
        };
        let record = &comparison.record;
        Self {
            sequence: record.number,
            at: time(record.created_at),
            operation: record.entry.operation.to_string(),
            target: record.entry.target,
            recorded,
            answer,
            verdict,
            explanation,
        }
    }
}

/// `policy backtest`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BacktestReport {
    /// `hydra-registry/backtest/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// The policy under test.
    pub policy: String,
    /// Its SHA-256; that of the leader, if several policies are tested together.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// The policies, if several are tested together.
    pub panel: Vec<MemberReport>,
    /// The number of repeated decisions.
    pub decisions: u64,
    /// The number of decisions with the same result.
    pub agreements: u64,
    /// The number of decisions for each recorded verdict and new result: `approve` → `reject` → 3.
    pub summary: BTreeMap<String, BTreeMap<String, u64>>,
    /// Each decision with a different result.
    pub changed: Vec<ComparisonReport>,
}

impl BacktestReport {
    /// An empty report.
    pub fn new(model: &ModelName, panel: &Panel) -> Self {
        Self {
            schema: "hydra-registry/backtest/1",
            model: model.to_string(),
            policy: panel_label(panel),
            sha256: panel.leader().policy.sha256(),
            panel: MemberReport::all(panel),
            decisions: 0,
            agreements: 0,
            summary: BTreeMap::new(),
            changed: Vec::new(),
        }
    }

    /// Adds a comparison.
    pub fn add(&mut self, comparison: &Comparison) {
        let report = ComparisonReport::new(comparison);
        self.decisions += 1;
        let now = match report.answer {
            "same" => report.recorded.to_string(),
            "other-verdict" => report.verdict.map_or_else(String::new, |verdict| verdict.to_string()),
            other => other.to_owned(),
        };
        *self.summary.entry(report.recorded.to_string()).or_default().entry(now).or_default() += 1;
        if report.answer == "same" {
            self.agreements += 1;
        } else {
            self.changed.push(report);
        }
    }

    /// For people: the different decisions, then the table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for change in &self.changed {
            let target = change.target.map_or_else(String::new, |version| format!(" of version {version}"));
            let now = change.verdict.map_or_else(|| change.answer.to_owned(), |verdict| verdict.to_string());
            let now =
                if change.answer == "other-moves" { "approve, with other moves".to_owned() } else { now };
            let _ = writeln!(
                text,
                "{:>5}  {}  {}{target}: {} -> {now}\n       {}",
                change.sequence,
                change.at,
                change.operation,
                change.recorded,
                printable(&change.explanation)
            );
        }
        let _ = writeln!(
            text,
            "{} on {} recorded decisions of {}: {} the same, {} different",
            self.policy,
            self.decisions,
            self.model,
            self.agreements,
            self.changed.len()
        );
        let _ = writeln!(text, "  {:10} {:12} {:>6}", "then", "now", "count");
        for (then, row) in &self.summary {
            for (now, count) in row {
                let _ = writeln!(text, "  {then:10} {now:12} {count:>6}");
            }
        }
        text
    }
}
