//! Between transitions and the ledger: a request as the ledger asks it, a decision as the ledger records it, and recorded
//! decisions run again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::evidence::Evidence;
use crate::ledger::chain::Record;
use crate::ledger::entry::{Decided, Kind};
use crate::ledger::verify::{Replay, Rerun};
use crate::ledger::{Answer, Decide, Proposal, View};
use crate::transition::{Considered, Request, Transition, Transitions, decide};
use hydra_base::Sha256;
use hydra_base::aliases::AliasMove;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_models::candidate::SHA256_TAG;
use hydra_policy::{Budget, Decision, Input, Operation, Policy, PolicyEngine};

/// One request at the ledger: considered again on fresh evidence whenever somebody else was faster.
pub(super) struct Asking<'a> {
    transitions: &'a Transitions<'a>,
    request: &'a Request,
    first: Option<Evidence>,
    /// What was decided, attempt by attempt, with the SHA-256 of the input.
    attempts: Vec<(Option<Sha256>, Transition)>,
}

impl<'a> Asking<'a> {
    /// `evidence` serves the first attempt.
    pub fn new(transitions: &'a Transitions<'a>, request: &'a Request, evidence: Evidence) -> Self {
        Self { transitions, request, first: Some(evidence), attempts: Vec::new() }
    }

    /// The transition that was recorded: the last attempt, unless an earlier one turned out to have made it.
    pub fn recorded(mut self, record: Option<&Record>) -> Option<Transition> {
        let input =
            record.and_then(|record| record.entry.decided.as_ref()).map(|decided| decided.input_sha256);
        let index = self.attempts.iter().rposition(|(of, _)| input.is_some() && *of == input);
        let (_, transition) = match index {
            Some(index) => self.attempts.swap_remove(index),
            None => self.attempts.pop()?,
        };
        Some(transition)
    }
}

#[async_trait]
impl Decide for Asking<'_> {
    async fn decide(&mut self, view: &View) -> Result<Answer> {
        let evidence = match self.first.take() {
            Some(evidence) => evidence,
            None => self.transitions.gather(self.request).await?,
        };
        // A policy must not be asked about a transition half done.
        if !view.agrees(&evidence.registered.aliases) {
            return Ok(Answer::Stale);
        }
        match self.transitions.consider(self.request, &evidence, view.history.clone()).await? {
            Considered::Unchanged(transition) => {
                self.attempts.push((None, *transition));
                Ok(Answer::Nothing)
            }
            Considered::Decided { transition, input, decision, moves } => {
                let proposal =
                    proposal(self.transitions.policy, &transition, &evidence, &input, &decision, &moves)?;
                self.attempts.push((Some(Sha256::of(&proposal.input)), *transition));
                Ok(Answer::Propose(Box::new(proposal)))
            }
        }
    }
}

/// How many policies are held compiled at once.
const MAX_LOADED: usize = 16;

/// Runs recorded decisions again, each component compiled once.
#[derive(Debug)]
pub struct PolicyReplay {
    engine: PolicyEngine,
    loaded: Mutex<HashMap<(Sha256, String), Policy>>,
}

impl PolicyReplay {
    /// Decisions run on `engine`, each under the budget that it had.
    #[must_use]
    pub fn new(engine: PolicyEngine) -> Self {
        Self { engine, loaded: Mutex::default() }
    }

    fn policy(&self, sha256: Sha256, budget: &Budget, component: &[u8]) -> Result<Policy> {
        let key = (sha256, format!("{budget:?}"));
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = loaded.get(&key) {
            return Ok(policy.clone());
        }
        let policy = Policy::load(&self.engine, component, budget)?;
        if loaded.len() >= MAX_LOADED {
            loaded.clear();
        }
        loaded.insert(key, policy.clone());
        Ok(policy)
    }
}

#[async_trait]
impl Replay for PolicyReplay {
    async fn replay(&self, record: &Record, component: Vec<u8>, input: Vec<u8>) -> Result<Rerun> {
        let decided = record.entry.decided.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("{record} is not a decision of a policy"))
        })?;
        let policy = self.policy(decided.policy.sha256, &decided.budget, &component)?;
        let decision = decide(&policy, Input::from_json(&input)?).await?;
        Ok(Rerun {
            verdict: decision.verdict.kind(),
            explanation: decision.verdict.explanation().to_owned(),
            // Another release may hold another wasmtime, which counts fuel in its own way.
            fuel: record.is_of_this_release().then_some(decision.usage.fuel),
        })
    }
}

fn proposal(
    policy: &Policy,
    transition: &Transition,
    evidence: &Evidence,
    input: &Input,
    decision: &Decision,
    moves: &[AliasMove],
) -> Result<Proposal> {
    let target = evidence.target.as_ref();
    Ok(Proposal {
        operation: match transition.operation {
            Operation::Rollback => Kind::Rollback,
            _ => Kind::Promote,
        },
        target: target.map(|version| version.version),
        reason: transition.reason.clone(),
        explanation: transition.explanation.clone(),
        decided: Decided {
            policy: policy.identity(),
            verdict: decision.verdict.kind(),
            usage: decision.usage,
            budget: decision.budget.clone(),
            input_sha256: input.sha256()?,
            evidence_sha256: input.evidence_sha256()?,
            model_sha256: target.and_then(|version| version.tags.get(SHA256_TAG).cloned()),
        },
        moves: moves.to_vec(),
        input: input.canonical_json()?,
        component: policy.bytes().into(),
    })
}
