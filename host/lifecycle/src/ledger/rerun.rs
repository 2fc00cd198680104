//! Runs recorded decisions again and compares.

mod archived;

use async_trait::async_trait;

use crate::ledger::Ledger;
use crate::ledger::chain::Record;
use crate::ledger::decision::DecisionDocument;
use crate::ledger::entry::Decided;
use crate::ledger::errors::is_lost;
use crate::panel::{Answer, put_to};
use crate::recording::evidence_sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{PolicyIdentity, Sha256};
use hydra_policy::{Budget, Context, Decision, Input, Usage};

/// Runs policies again.
#[async_trait]
pub trait Replay: Send + Sync {
    /// Asks the policy with these bytes, whose SHA-256 is `sha256`, under that budget. Returns also what it calls itself.
    async fn replay(
        &self,
        sha256: Sha256,
        component: Vec<u8>,
        budget: &Budget,
        question: Input,
    ) -> Result<(PolicyIdentity, Decision)>;
}

/// What is wrong if the entry names the policy otherwise than its component does.
const OTHER_NAME: &str = "the name or the version of its policy is not that of the archived component";

/// The end of a comparison that did not come to its good end.
enum Stop {
    /// What is wrong with the decision, for people.
    Flaw(String),
    /// It could not be found out.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.kind() {
            _ if is_lost(&error) => Self::Flaw(error.to_string()),
            ErrorKind::LedgerBroken | ErrorKind::LedgerNewer => Self::Flaw(error.to_string()),
            _ => Self::Error(error),
        }
    }
}

impl Ledger {
    /// Runs a decision again, and reports what is wrong with it: nothing if it comes out as it was recorded. An entry that is not a
    /// decision has nothing to repeat.
    pub async fn repeat_decision(&self, replay: &dyn Replay, record: &Record) -> Result<Option<String>> {
        let Some(decided) = &record.entry.decided else { return Ok(None) };
        match self.repeat(replay, record, decided).await {
            Ok(()) => Ok(None),
            Err(Stop::Flaw(what)) => Ok(Some(what)),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    async fn repeat(&self, replay: &dyn Replay, record: &Record, decided: &Decided) -> Result<(), Stop> {
        let document = self.answers(record).await?;
        if document.is_none() && !decided.panel.is_empty() {
            return Err(Stop::Flaw("it has answers of several policies, and names no document".into()));
        }
        let input = self.input(record).await?;
        let input = Input::from_json(&input)
            .map_err(|error| Stop::Flaw(format!("cannot repeat the decision: {error}")))?;
        archived::misstated(&record.entry, decided, &input).map_err(Stop::Flaw)?;
        let context = input.context().clone();
        let answers = document.as_ref().map(|document| document.policies.as_slice()).unwrap_or_default();
        let (evidence, canonical) = (evidence_sha256(&input, answers)?, input.sha256()?);
        match document {
            Some(document) => self.repeat_panel(replay, record, decided, &document, &input).await?,
            None => {
                let component = self.component(decided.policy.sha256).await?;
                let rerun = replay.replay(decided.policy.sha256, component, &decided.budget, input).await;
                compare(record, decided, &context, rerun).map_err(Stop::Flaw)?;
            }
        }
        // The input of an older release may have another canonical form in this one.
        if canonical == decided.input_sha256 && evidence != decided.evidence_sha256 {
            return Err(Stop::Flaw("the digest of its evidence is not that of the archived input".into()));
        }
        Ok(())
    }

    /// Asks each policy of a panel again: the archived input is the question to the leader, from which the others differ in
    /// settings and part.
    async fn repeat_panel(
        &self,
        replay: &dyn Replay,
        record: &Record,
        decided: &Decided,
        document: &DecisionDocument,
        input: &Input,
    ) -> Result<(), Stop> {
        if let Some(flaw) = document.flaw(decided) {
            return Err(Stop::Flaw(flaw.to_owned()));
        }
        let answers = &document.policies;
        if !Answer::deciding(answers).is_some_and(|answer| record.entry.explains(&answer.explanation)) {
            return Err(Stop::Flaw("its explanation is not that of the policy that decided".into()));
        }
        for (index, answer) in answers.iter().enumerate() {
            let question = put_to(input, answer.settings.clone(), answer.mode, answers.len());
            if index == 0 && question != *input {
                return Err(Stop::Flaw("the archived input is not the question to the leader".into()));
            }
            let component = self.component(answer.policy.sha256).await?;
            let rerun = replay.replay(answer.policy.sha256, component, &answer.budget, question).await;
            let own_release = record.is_of_this_release();
            differs(answer, rerun, own_release)
                .map_err(|what| Stop::Flaw(format!("policy `{}`: {what}", answer.name)))?;
        }
        let moves = answers.first().map(|leader| leader.moves.as_slice()).unwrap_or_default();
        archived::carries_out(&record.entry, input.context(), decided.verdict, moves).map_err(Stop::Flaw)
    }
}

/// Compares the repeated decision of a policy that decided alone.
fn compare(
    record: &Record,
    decided: &Decided,
    context: &Context,
    rerun: Result<(PolicyIdentity, Decision)>,
) -> Result<(), String> {
    let (policy, rerun) = rerun.map_err(|error| format!("cannot repeat the decision: {error}"))?;
    if policy != decided.policy {
        return Err(OTHER_NAME.into());
    }
    let verdict = rerun.verdict.kind();
    if verdict != decided.verdict {
        return Err(format!("the repeated decision is {verdict}, not {}", decided.verdict));
    }
    if !record.entry.explains(rerun.verdict.explanation()) {
        return Err("the repeated decision has another explanation".into());
    }
    archived::carries_out(&record.entry, context, verdict, rerun.verdict.moves())?;
    // Another release may embed another version of wasmtime, which may count fuel and memory differently.
    if record.is_of_this_release() { same_cost(rerun.usage, Some(decided.usage)) } else { Ok(()) }
}

/// Compares what a repeated decision cost. Time is not deterministic.
fn same_cost(rerun: Usage, recorded: Option<Usage>) -> Result<(), String> {
    match recorded {
        Some(recorded) if recorded.fuel != rerun.fuel => {
            Err("the repeated decision uses another amount of fuel".into())
        }
        Some(recorded) if recorded.memory != rerun.memory => {
            Err("the repeated decision uses another amount of memory".into())
        }
        Some(_) => Ok(()),
        None => Err("it does not say what the decision cost".into()),
    }
}

/// Compares the repeated decision of a policy of a panel.
fn differs(
    answer: &Answer,
    rerun: Result<(PolicyIdentity, Decision)>,
    own_release: bool,
) -> Result<(), String> {
    let (policy, rerun) = match (&answer.error, rerun) {
        (None, rerun) => rerun.map_err(|error| format!("cannot repeat the decision: {error}"))?,
        // Time is not deterministic, and other limits may be counted differently by another release.
        (Some(kind), _) if !own_release || kind == ErrorKind::PolicyTimeout.as_str() => return Ok(()),
        (Some(kind), Err(error)) if kind == error.kind().as_str() => return Ok(()),
        (Some(kind), Err(error)) => {
            return Err(format!("the repeated decision fails with {}, not {kind}", error.kind()));
        }
        (Some(kind), Ok((_, rerun))) => {
            return Err(format!("the repeated decision is {}, not an error ({kind})", rerun.verdict.kind()));
        }
    };
    if policy != answer.policy {
        return Err(OTHER_NAME.into());
    }
    if Some(rerun.verdict.kind()) != answer.verdict_kind() {
        return Err(format!("the repeated decision is {}, not {}", rerun.verdict.kind(), answer.verdict));
    }
    if rerun.verdict.explanation() != answer.explanation {
        return Err("the repeated decision has another explanation".into());
    }
    if rerun.verdict.moves() != answer.moves {
        return Err("the repeated decision has other moves".into());
    }
    if own_release { same_cost(rerun.usage, answer.usage) } else { Ok(()) }
}
