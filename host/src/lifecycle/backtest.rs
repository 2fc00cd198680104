//! Another policy on the recorded evidence: what it would have decided.

use futures_util::stream::{Stream, TryStreamExt as _};

use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::ledger::Ledger;
use crate::lifecycle::ledger::chain::Record;
use crate::lifecycle::ledger::entry::{Aliases, Entry};
use crate::mlflow::entities::Timestamp;
use crate::mlflow::names::{Alias, Version};
use crate::policy::{Decision, Input, Policy, Verdict, VerdictKind};

/// A recorded decision, and what the other policy makes of the same evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The decision's entry.
    pub record: Record,
    /// What was decided then.
    pub recorded: VerdictKind,
    /// What the other policy says.
    pub answer: Answer,
}

/// What another policy says about recorded evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The same, in whatever words.
    Same,
    /// It would approve as well, but move the aliases elsewhere.
    OtherMoves {
        /// Its reason.
        explanation: String,
        /// The ledger's aliases as it would leave them.
        after: Aliases,
    },
    /// Another verdict.
    Other {
        /// The verdict.
        verdict: VerdictKind,
        /// Its reason.
        explanation: String,
    },
    /// It fails on this evidence; why.
    Failed(String),
    /// The evidence is not in the archive any more; why.
    NoEvidence(String),
}

impl Ledger {
    /// Asks `policy` about every recorded decision made since `since`, newest first. `settings` are its own: those in the
    /// evidence belong to the policy that decided.
    pub fn backtest<'a>(
        &'a self,
        policy: &'a Policy,
        settings: &'a std::collections::BTreeMap<String, String>,
        since: Option<Timestamp>,
    ) -> impl Stream<Item = Result<Comparison>> + 'a {
        self.entries(None, since).try_filter_map(move |(record, _)| async move {
            let Some(decided) = &record.entry.decided else { return Ok(None) };
            let recorded = decided.verdict;
            let answer = match self.evidence(&record).await? {
                Err(why) => Answer::NoEvidence(why),
                Ok(mut input) => {
                    input.context_mut().settings.clone_from(settings);
                    match decide(policy, input).await? {
                        Err(error) => Answer::Failed(error.to_string()),
                        Ok(decision) => compare(&record.entry, recorded, &decision.verdict),
                    }
                }
            };
            Ok(Some(Comparison { record, recorded, answer }))
        })
    }

    async fn evidence(&self, record: &Record) -> Result<Result<Input, String>> {
        let found = async { Input::from_json(&self.input(record).await?) };
        match found.await {
            Err(error) if matches!(error.kind(), ErrorKind::ArtifactNotFound | ErrorKind::Integrity) => {
                Ok(Err(error.to_string()))
            }
            other => other.map(Ok),
        }
    }
}

/// A decision on another thread; the inner error is the policy's.
async fn decide(policy: &Policy, input: Input) -> Result<Result<Decision>> {
    let policy = policy.clone();
    tokio::task::spawn_blocking(move || policy.decide(&input))
        .await
        .map_err(|source| Error::new(ErrorKind::Internal, "the decision was interrupted").with_source(source))
}

fn compare(entry: &Entry, recorded: VerdictKind, verdict: &Verdict) -> Answer {
    let kind = verdict.kind();
    let explanation = verdict.explanation().to_owned();
    if kind != recorded {
        return Answer::Other { verdict: kind, explanation };
    }
    let mut after = entry.before.clone();
    for step in verdict.moves() {
        match Alias::new(&step.alias) {
            Ok(alias) if alias == Alias::candidate() => {}
            Ok(alias) => drop(after.insert(alias, step.version.map(Version))),
            Err(error) => return Answer::Failed(error.to_string()),
        }
    }
    let set = |state: &Aliases| -> Vec<(Alias, Version)> {
        state.iter().filter_map(|(alias, version)| Some((alias.clone(), (*version)?))).collect()
    };
    if set(&after) == set(&entry.after) { Answer::Same } else { Answer::OtherMoves { explanation, after } }
}
