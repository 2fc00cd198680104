//! Runs another policy on the recorded evidence, to compare decisions.

use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _};

use crate::ledger::chain::Record;
use crate::ledger::entry::{Entry, EntryKind};
use crate::ledger::errors::is_lost;
use crate::ledger::{Ledger, Standing};
use crate::panel::{Panel, PanelDecision};
use crate::{Plan, guards};
use hydra_base::Timestamp;
use hydra_base::aliases::AliasState;
use hydra_base::error::Result;
use hydra_base::names::{Alias, Version};
use hydra_policy::{Input, Operation, Verdict, VerdictKind};

/// A recorded decision, and the other policy's decision on the same evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The decision's entry.
    pub record: Record,
    /// The recorded verdict.
    pub recorded: VerdictKind,
    /// The other policy's answer.
    pub outcome: BacktestOutcome,
}

/// The result of another policy on recorded evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BacktestOutcome {
    /// The same verdict and moves; the explanation may differ.
    Same,
    /// It also approves, but moves the aliases differently.
    OtherMoves {
        /// Its explanation.
        explanation: String,
        /// The aliases after its moves.
        after: AliasState,
    },
    /// Another verdict.
    Other {
        /// The verdict.
        verdict: VerdictKind,
        /// Its explanation.
        explanation: String,
    },
    /// It fails on this evidence, for this reason.
    Failed(String),
    /// The evidence is not in the archive, for this reason.
    NoEvidence(String),
}

/// A policy, or policies that decide together, to test on recorded decisions.
#[derive(Debug, Clone, Copy)]
pub struct Backtest<'a> {
    /// The policies with their settings; the evidence contains those of the policy that decided.
    pub panel: &'a Panel,
    /// The aliases that a policy may move. The guards check each verdict like a real one, as far as the record allows
    /// it.
    pub managed: &'a [Alias],
}

impl<'a> Backtest<'a> {
    /// Asks the policy about every decision in `ledger` that the store took at `since` or later, newest first.
    #[must_use]
    pub fn run(self, ledger: &'a Ledger, since: Option<Timestamp>) -> BoxStream<'a, Result<Comparison>> {
        let compared = ledger.entries(None, since).try_filter_map(move |(record, _)| async move {
            let Some(decided) = &record.entry.decided else { return Ok(None) };
            let recorded = decided.verdict;
            let outcome = self.ask(ledger, &record, recorded).await?;
            Ok(Some(Comparison { record, recorded, outcome }))
        });
        compared.boxed()
    }

    async fn ask(self, ledger: &Ledger, record: &Record, recorded: VerdictKind) -> Result<BacktestOutcome> {
        let input = async { Input::from_json(&ledger.input(record).await?) };
        let input = match input.await {
            Ok(input) => input,
            Err(error) if is_lost(&error) => return Ok(BacktestOutcome::NoEvidence(error.to_string())),
            Err(error) => return Err(error),
        };
        Ok(match self.panel.decide(&input).await {
            Err(error) => BacktestOutcome::Failed(error.to_string()),
            Ok(decision) => compare(&record.entry, recorded, &decision, self.managed),
        })
    }
}

fn compare(
    entry: &Entry,
    recorded: VerdictKind,
    decision: &PanelDecision,
    managed: &[Alias],
) -> BacktestOutcome {
    let verdict = &decision.verdict;
    // As in a decision, an answer of the leader that breaks a guard is an error, also if another policy says no.
    let leader = review(entry, &decision.leader.verdict, managed);
    let plan = match leader.and_then(|_| review(entry, verdict, managed)) {
        Ok(plan) => plan,
        Err(error) => return BacktestOutcome::Failed(error.to_string()),
    };
    let kind = verdict.kind();
    let explanation = verdict.explanation().to_owned();
    if kind != recorded {
        return BacktestOutcome::Other { verdict: kind, explanation };
    }
    let after = state(&entry.after, entry.side.iter().map(|(alias, side)| (alias, side.to)));
    if plan.after == after {
        BacktestOutcome::Same
    } else {
        BacktestOutcome::OtherMoves { explanation, after: plan.after }
    }
}

/// Applies the guards. The record does not say which other versions existed and which were in quarantine, so every named
/// version counts as existing and free.
fn review(entry: &Entry, verdict: &Verdict, managed: &[Alias]) -> Result<Plan> {
    let operation =
        if entry.operation == EntryKind::Rollback { Operation::Rollback } else { Operation::Promote };
    guards::review(
        verdict,
        &guards::Facts {
            operation,
            target: entry.target,
            aliases: &state(&entry.before, entry.side.iter().map(|(alias, side)| (alias, side.from))),
            managed,
            standing: &Standing::none(&entry.ledger),
            versions: &guards::named_versions(verdict).into_iter().map(|version| (version, true)).collect(),
        },
    )
}

fn state<'a>(
    aliases: &'a AliasState,
    side: impl Iterator<Item = (&'a Alias, Option<Version>)>,
) -> AliasState {
    aliases.iter().chain(side).map(|(alias, version)| (alias.clone(), version)).collect()
}
