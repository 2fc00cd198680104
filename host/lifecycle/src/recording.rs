//! Connects transitions and the ledger: executes requests, and repeats recorded decisions.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use crate::evidence::Evidence;
use crate::ledger::chain::Record;
use crate::ledger::entry::{Decided, EntryKind};
use crate::ledger::verify::{Replay, Rerun};
use crate::ledger::{Decide, DecideOutcome, LedgerView, LedgerWriter, Proposal, ProposedDecision, Recorded};
use crate::model_facts::ModelChange;
use crate::transition::{Request, RequestDecision, Transition, Transitions, announce, run_policy};
use hydra_base::Sha256;
use hydra_base::aliases::AliasMove;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_mlflow::entities::RegisteredModel;
use hydra_policy::{Budget, Decision, Input, Operation, Policy, PolicyEngine};

/// Decides on a consistent ledger, records the decision and executes it; repeats everything if another writer was
/// faster. `evidence` is for the first attempt.
pub async fn carry_out(
    transitions: &Transitions<'_>,
    request: &Request,
    ledger: &LedgerWriter,
    evidence: Evidence,
) -> Result<Transition> {
    let mut decider = RequestDecider::new(transitions, request, evidence);
    let operation_id = Uuid::new_v4().simple().to_string();
    let recorded = ledger.transition(&operation_id, &mut decider).await?;
    let record = match &recorded {
        Recorded::Nothing => None,
        Recorded::Now(record) | Recorded::Before(record) => Some(record.as_ref()),
    };
    let mut transition = decider
        .recorded(record)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the ledger recorded a decision that was not made"))?;
    transition.sequence = record.map(|record| record.number);
    announce(&transition);
    Ok(transition)
}

/// Decides one request, again on fresh evidence whenever another writer was faster.
struct RequestDecider<'a> {
    transitions: &'a Transitions<'a>,
    request: &'a Request,
    /// The model as it was when the request was made.
    seen: RegisteredModel,
    first: Option<Evidence>,
    /// The decision of each attempt, with the SHA-256 of its input; `None` if the policy was not asked.
    attempts: Vec<(Option<Sha256>, Transition)>,
}

impl<'a> RequestDecider<'a> {
    fn new(transitions: &'a Transitions<'a>, request: &'a Request, evidence: Evidence) -> Self {
        let seen = evidence.registered.clone();
        Self { transitions, request, seen, first: Some(evidence), attempts: Vec::new() }
    }

    /// The recorded transition: the last attempt, unless the ledger contains an earlier one.
    fn recorded(mut self, record: Option<&Record>) -> Option<Transition> {
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
impl Decide for RequestDecider<'_> {
    async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome> {
        self.transitions.check_premise(self.request, &self.seen, view)?;
        let first = self.first.take();
        let (request, evidence) = self.transitions.resolve(self.request, view, first).await?;
        // A policy must not decide on aliases that a transition has moved in part.
        if !view.agrees(&evidence.registered.aliases) {
            return Ok(DecideOutcome::Stale);
        }
        match self.transitions.decide(&request, &evidence, view.into()).await? {
            RequestDecision::Unchanged(transition) => {
                self.attempts.push((None, *transition));
                Ok(DecideOutcome::Nothing)
            }
            RequestDecision::Decided { transition, input, decision, moves } => {
                let proposal =
                    proposal(self.transitions.policy, &transition, &evidence, &input, &decision, &moves)?;
                let input = proposal.decision.as_ref().map(|decision| Sha256::of(&decision.input));
                self.attempts.push((input, *transition));
                Ok(DecideOutcome::Propose(Box::new(proposal)))
            }
        }
    }
}

/// The number of compiled policies in memory.
const MAX_LOADED: usize = 16;

/// Repeats recorded decisions; compiles each component once.
#[derive(Debug)]
pub struct PolicyReplay {
    engine: PolicyEngine,
    loaded: Mutex<HashMap<(Sha256, String), Policy>>,
}

impl PolicyReplay {
    /// Decisions run on `engine`, each with its recorded budget.
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
        let decision = run_policy(&policy, Input::from_json(&input)?).await?;
        Ok(Rerun {
            verdict: decision.verdict.kind(),
            explanation: decision.verdict.explanation().to_owned(),
            // Another release may embed another version of wasmtime, which may count fuel differently.
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
    let decided = Decided {
        policy: policy.identity(),
        verdict: decision.verdict.kind(),
        usage: decision.usage,
        budget: decision.budget.clone(),
        input_sha256: input.sha256()?,
        evidence_sha256: input.evidence_sha256()?,
        model_sha256: transition.model_sha256.clone(),
        changes: transition.model_changes.iter().map(ModelChange::kind).collect(),
        panel: Vec::new(),
        decision_sha256: None,
        signers: Vec::new(),
    };
    Ok(Proposal {
        operation: match transition.operation {
            Operation::Rollback => EntryKind::Rollback,
            _ => EntryKind::Promote,
        },
        target: target.map(|version| version.version),
        reason: transition.reason.clone(),
        explanation: transition.explanation.clone(),
        decision: Some(ProposedDecision {
            decided,
            input: input.canonical_json()?,
            component: policy.bytes().into(),
        }),
        moves: moves.to_vec(),
        overrides: transition.overrides.clone(),
        subject: None,
        quarantines: transition.quarantined.clone(),
    })
}
