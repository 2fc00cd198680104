//! Connects transitions and the ledger: executes requests, and repeats recorded decisions.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde::Serialize;
use uuid::Uuid;

use crate::evidence::Evidence;
use crate::governing::{InForce, in_force};
use crate::ledger::chain::Record;
use crate::ledger::decision::DecisionDocument;
use crate::ledger::entry::{Decided, EntryKind, EvaluationNote};
use crate::ledger::rerun::Replay;
use crate::ledger::{
    Decide, DecideOutcome, Ledger, LedgerView, LedgerWriter, Proposal, ProposedDecision, Recorded,
};
use crate::model_facts::ModelChange;
use crate::panel::{Answer, Member, Origin, Panel, PanelDecision};
use crate::transition::{Request, RequestDecision, Transition, Transitions, announce, run_policy};
use hydra_base::aliases::AliasMove;
use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{PolicyIdentity, Sha256};
use hydra_mlflow::entities::RegisteredModel;
use hydra_policy::{Budget, Decision, Input, Operation, PanelRole, Policy, PolicyEngine};

/// Decides on a consistent ledger, records the decision and executes it; repeats everything if another writer was
/// faster. `evidence` is for the first attempt.
pub async fn carry_out(
    transitions: &Transitions<'_>,
    request: &Request,
    ledger: &LedgerWriter,
    evidence: Evidence,
) -> Result<Transition> {
    let mut decider = RequestDecider::new(transitions, request, ledger.ledger(), evidence);
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

/// How often a request is decided again because a tag names an active policy that the ledger does not have.
const MOST_ACTIVATION_MISSING: u32 = 5;

/// Decides one request, again on fresh evidence whenever another writer was faster.
struct RequestDecider<'a> {
    transitions: &'a Transitions<'a>,
    request: &'a Request,
    ledger: &'a Ledger,
    /// The model as it was when the request was made.
    seen: RegisteredModel,
    first: Option<Evidence>,
    /// How often a tag named an active policy that the ledger did not have: one that was read before the other may be older.
    activation_missing: u32,
    /// The decision of each attempt, with the SHA-256 of its input; `None` if the policy was not asked.
    attempts: Vec<(Option<Sha256>, Transition)>,
}

impl<'a> RequestDecider<'a> {
    fn new(
        transitions: &'a Transitions<'a>,
        request: &'a Request,
        ledger: &'a Ledger,
        evidence: Evidence,
    ) -> Self {
        let seen = evidence.registered.clone();
        let (first, attempts) = (Some(evidence), Vec::new());
        Self { transitions, request, ledger, seen, first, activation_missing: 0, attempts }
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
        if let Some(expected) = &self.request.expected_head {
            expected.ensure(Some(view))?;
        }
        self.transitions.check_premise(self.request, &self.seen, view)?;
        let ledger = Some((self.ledger, &view.standing));
        let in_force = in_force(self.transitions.host, &view.registered, ledger, self.request).await;
        let in_force = match in_force {
            Err(error)
                if error.kind() == ErrorKind::ActivationLost
                    && self.activation_missing < MOST_ACTIVATION_MISSING =>
            {
                self.activation_missing += 1;
                return Ok(DecideOutcome::Stale);
            }
            found => found?,
        };
        let first = self.first.take();
        let (request, evidence) = self.transitions.resolve(self.request, view, first).await?;
        // A policy must not decide on aliases that a transition has moved in part.
        if !view.agrees(&evidence.registered.aliases) {
            return Ok(DecideOutcome::Stale);
        }
        match self.transitions.decide(&request, &evidence, view.into(), &in_force).await? {
            RequestDecision::Unchanged(transition) => {
                self.attempts.push((None, *transition));
                Ok(DecideOutcome::Nothing)
            }
            RequestDecision::Decided { transition, input, decision, moves } => {
                let proposal = proposal(&in_force, &transition, &evidence, &input, &decision, &moves)?;
                let input = proposal.decision.as_ref().map(|decision| Sha256::of(&decision.input));
                self.attempts.push((input, *transition));
                Ok(DecideOutcome::Propose(Box::new(proposal)))
            }
        }
    }
}

/// The policies that made a recorded decision, from the archive, with the settings and limits that they had. `NotADecision` for
/// other entries.
pub async fn deciding_panel(
    ledger: &Ledger,
    record: &Record,
    input: &Input,
    engine: PolicyEngine,
) -> Result<Panel> {
    let decided = decided(record)?;
    let load = |sha256: Sha256, budget: &Budget| {
        let (engine, budget) = (engine.clone(), budget.clone());
        async move {
            let component = ledger.component(sha256).await?;
            blocking(move || Policy::load(&engine, &component, &budget)).await
        }
    };
    let Some(document) = ledger.answers(record).await? else {
        let policy = load(decided.policy.sha256, &decided.budget).await?;
        let settings = policy.descriptor().as_written(&input.context().settings);
        return Ok(Panel::alone(policy, settings));
    };
    let mut members = Vec::with_capacity(document.policies.len());
    for Answer { name, mode: role, policy, settings, budget, .. } in document.policies {
        let policy = load(policy.sha256, &budget).await?;
        let settings = policy.descriptor().as_written(&settings);
        members.push(Member { name, role, policy, settings, origin: Origin::default() });
    }
    Panel::new(members)
}

/// The policy's part of an entry. `NotADecision` for entries without one.
pub fn decided(record: &Record) -> Result<&Decided> {
    let missing = || Error::new(ErrorKind::NotADecision, format!("{record} is not a decision of a policy"));
    record.entry.decided.as_ref().ok_or_else(missing)
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
    async fn replay(
        &self,
        sha256: Sha256,
        component: Vec<u8>,
        budget: &Budget,
        question: Input,
    ) -> Result<(PolicyIdentity, Decision)> {
        let policy = self.policy(sha256, budget, &component)?;
        let identity = policy.identity();
        Ok((identity, run_policy(policy, question).await?))
    }
}

fn proposal(
    in_force: &InForce,
    transition: &Transition,
    evidence: &Evidence,
    input: &Input,
    decision: &PanelDecision,
    moves: &[AliasMove],
) -> Result<Proposal> {
    let (panel, active) = (&in_force.panel, in_force.decides());
    let target = evidence.target.as_ref();
    // The components of the active policy were archived when it was activated.
    let components = if active.is_some() { BTreeMap::new() } else { panel.components() };
    let together = !panel.is_alone();
    let (evaluations, more_evaluations) = EvaluationNote::of(&transition.left_out, &transition.evaluations);
    let decided = Decided {
        policy: panel.leader().policy.identity(),
        verdict: decision.verdict.kind(),
        usage: decision.leader.usage,
        budget: decision.leader.budget.clone(),
        input_sha256: input.sha256()?,
        evidence_sha256: evidence_sha256(input, &decision.answers)?,
        model_sha256: transition.model_sha256.clone(),
        evaluations,
        more_evaluations,
        changes: transition.model_changes.iter().map(ModelChange::kind).collect(),
        panel: transition.panel.iter().map(Answer::in_brief).collect(),
        decision_sha256: None,
        signers: panel.recorded_signers(),
        manifests: panel.recorded_manifests(),
    };
    let document = DecisionDocument::new(transition.panel.clone());
    let operation = match transition.operation {
        Operation::Rollback => EntryKind::Rollback,
        _ => EntryKind::Promote,
    };
    Ok(Proposal {
        target: target.map(|version| version.version),
        reason: transition.reason.clone(),
        decision: Some(ProposedDecision {
            decided,
            input: input.canonical_json()?,
            document: together.then(|| document.encode()).transpose()?,
            components: components.into_iter().map(|(sha256, bytes)| (sha256, bytes.into())).collect(),
            active,
        }),
        moves: moves.to_vec(),
        overrides: transition.overrides.clone(),
        quarantines: transition.quarantined.clone(),
        ..Proposal::statement(operation, transition.explanation.clone())
    })
}

/// The digest of the evidence without the time. With several policies it depends on the parts and settings of all.
pub(crate) fn evidence_sha256(input: &Input, answers: &[Answer]) -> Result<Sha256> {
    #[derive(Serialize)]
    struct Asked<'a> {
        evidence: Sha256,
        policies: Vec<(PanelRole, Sha256, &'a BTreeMap<String, String>)>,
    }
    let evidence = input.evidence_sha256()?;
    if answers.len() <= 1 {
        return Ok(evidence);
    }
    let policies =
        answers.iter().map(|answer| (answer.mode, answer.policy.sha256, &answer.settings)).collect();
    let bytes = serde_json_canonicalizer::to_vec(&Asked { evidence, policies }).map_err(|error| {
        Error::new(ErrorKind::Internal, "cannot write the question to a panel as JSON").with_source(error)
    })?;
    Ok(Sha256::of(&bytes))
}
