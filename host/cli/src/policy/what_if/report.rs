//! The JSON form of `policy what-if`, and its text for people.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use crate::policy::report::millis;
use crate::report::{MemberReport, panel_label, schema};
use hydra_base::Sha256;
use hydra_base::names::Version;
use hydra_lifecycle::panel::Panel;
use hydra_policy::{Input, Operation, VerdictKind};
use hydra_policy_kit::{Flip, Relation, WhatIf};

/// `policy what-if`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WhatIfReport {
    /// `hydra-registry/policy-what-if/1`.
    schema: &'static str,
    /// The policy's name and version.
    policy: String,
    /// The SHA-256 of the component; that of the leader, if several policies decide together.
    #[schemars(with = "String")]
    sha256: Sha256,
    /// The policies, if several decide together. Monitors are not asked.
    panel: Vec<MemberReport>,
    /// Where the evidence comes from.
    source: String,
    /// `promote` or `rollback`.
    operation: Operation,
    /// The version that the request names.
    #[schemars(with = "Option<u64>")]
    target: Option<Version>,
    /// The verdict on the evidence as it is.
    verdict: VerdictKind,
    /// Its explanation; of several policies, it begins with the name of the one that gave it.
    explanation: String,
    /// The single changes that flip it.
    #[schemars(with = "Vec<schema::FlipOfVerdict>")]
    flips: Vec<Flip>,
    /// The number of changes that were tried.
    tried: usize,
    /// The number of changes that were left out for lack of decisions or time.
    left_out: usize,
    /// The number of flips that were not bisected to the end for lack of decisions or time.
    inexact: usize,
    /// The number of changes on which the policy failed.
    failed: usize,
    /// The first failure.
    failure: Option<String>,
    /// The number of decisions that the policies were asked, each counted.
    decisions: u32,
    /// The time that the search took, in milliseconds.
    elapsed_ms: u64,
}

impl WhatIfReport {
    /// Reports a search in which each question took `each` decisions.
    pub fn new(source: &str, input: &Input, panel: &Panel, each: u32, found: &WhatIf) -> Self {
        Self {
            schema: "hydra-registry/policy-what-if/1",
            policy: panel_label(panel),
            sha256: panel.leader().policy.sha256(),
            panel: MemberReport::all(panel),
            source: source.to_owned(),
            operation: input.operation(),
            target: input.target().map(|target| target.version),
            verdict: found.verdict.kind(),
            explanation: found.verdict.explanation().to_owned(),
            flips: found.flips.clone(),
            tried: found.tried,
            left_out: found.left_out,
            inexact: found.inexact,
            failed: found.failed,
            failure: found.failure.clone(),
            decisions: found.decisions.saturating_mul(each),
            elapsed_ms: millis(found.elapsed),
        }
    }

    /// For people: the verdict, then each flip with what moves along.
    pub fn text(&self) -> String {
        let target = self.target.map_or_else(String::new, |version| format!(" of version {version}"));
        let mut text =
            format!("{}: {} ({}{target}, {})\n", self.policy, self.verdict, self.operation, self.source);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  why     {}", self.explanation);
        if self.flips.is_empty() {
            let all =
                if self.left_out == 0 { "no single change does" } else { "no change that was tried does" };
            let _ = writeln!(text, "{all}");
        }
        for flip in &self.flips {
            let _ = writeln!(text, "{} {}", flip.verdict, values(flip));
            for moved in &flip.moves {
                let _ = writeln!(text, "  moves   {}: {} -> {}", moved.what, moved.from, moved.to);
            }
            let _ = writeln!(text, "  why     {}", flip.explanation);
        }
        let _ = writeln!(
            text,
            "tried {} changes with {} decisions in {} ms",
            self.tried, self.decisions, self.elapsed_ms
        );
        if self.left_out > 0 {
            let left = self.left_out;
            let _ = writeln!(text, "  {left} more changes were not tried; raise --decisions or --time");
        }
        if self.inexact > 0 {
            let _ = writeln!(text, "  {} values are not exact; raise --decisions or --time", self.inexact);
        }
        if let Some(failure) = &self.failure {
            let _ = writeln!(text, "  the policy failed on {} changes: {failure}", self.failed);
        }
        text
    }
}

/// Which values of what flip the verdict: `from auc of version 3 >= 0.912 (now 0.91)`.
fn values(flip: &Flip) -> String {
    let Flip { what, to, .. } = flip;
    let values = match flip.relation {
        Relation::AtLeast => format!("from {what} >= {to}"),
        Relation::AtMost => format!("from {what} <= {to}"),
        Relation::Exactly => format!("with {what}: {to}"),
        Relation::Any => format!("with any {what}, such as {to}"),
    };
    let until = flip.until.as_ref().map_or_else(String::new, |until| format!(", but not at {until}"));
    let now = match (&flip.from, flip.relation) {
        (Some(from), _) => format!(" (now {from})"),
        (None, Relation::Exactly) => String::new(),
        (None, _) => " (now absent)".to_owned(),
    };
    format!("{values}{until}{now}")
}
