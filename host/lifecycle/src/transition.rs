//! A transition: evidence in, a decision by the policy, guards, and the ledger that records it and moves the aliases.

mod expected;
mod premise;
mod question;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join3;

use crate::clock::Moment;
use crate::document_cache::DocumentCache;
use crate::evaluations::{self, UsedEvaluation};
use crate::evidence::{Evidence, Target, timestamp};
use crate::governing::{HostPolicies, InForce};
use crate::guards::{self, Plan};
use crate::ledger::{Ledger, LedgerView, QUARANTINE_TAG, Standing};
use crate::opening::NewChampion;
use crate::panel::{Panel, PanelDecision};
use crate::past::Past;
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ModelName, Version};
use hydra_base::time::now;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{ModelVersion, RegisteredModel, VersionStatus};
use hydra_models::model_cache::ModelCache;
use hydra_policy::{Context, Decision, Input, Operation, OverrideKind, Policy, Verdict};
use hydra_trust::TrustRules;

pub use request::{Outcome, Request, Transition};

/// How requests are decided.
#[derive(Debug, Clone)]
pub struct DecisionOptions {
    /// The requester's own name for itself: the `--actor` option, an environment variable or the login name.
    pub actor: String,
    /// The aliases that a policy may move.
    pub managed: Vec<Alias>,
    /// Whether every rollback puts the version that it leaves in quarantine.
    pub quarantine_on_rollback: bool,
    /// What is kept of models that were opened before.
    pub cache: Option<ModelCache>,
    /// The evaluations that were read before.
    pub evaluations: Option<DocumentCache>,
    /// Who must have signed the model of a new champion.
    pub model_trust: Option<Arc<TrustRules>>,
}

/// Decides requests about one model.
#[derive(Debug)]
pub struct Transitions<'a> {
    pub(super) backend: &'a Backend,
    pub(super) model: &'a ModelName,
    pub(super) host: &'a dyn HostPolicies,
    options: DecisionOptions,
}

impl<'a> Transitions<'a> {
    /// Requests about `model`, decided by the active policy, or by those of `host`.
    #[must_use]
    pub fn new(
        backend: &'a Backend,
        model: &'a ModelName,
        host: &'a dyn HostPolicies,
        options: DecisionOptions,
    ) -> Self {
        Self { backend, model, host, options }
    }
}

impl Transitions<'_> {
    /// The evidence for a request on these aliases. Versions among `given` are not asked for again, and the run of `ledger` is
    /// asked for with those of the versions.
    pub async fn gather(
        &self,
        request: &Request,
        registered: RegisteredModel,
        given: Vec<ModelVersion>,
        ledger: Option<&Ledger>,
    ) -> Result<Evidence> {
        let mut evidence = Evidence::of(self.backend, registered, given, request.target).await?;
        if let Some(ledger) = ledger {
            ledger.note_listed(&evidence.registered, evidence.versions());
        }
        let runs = evidence.read_runs(self.backend, ledger);
        let models = self.open_models(request, &evidence);
        let documents = self.read_evaluations(request, &evidence);
        let (runs, models, documents) = join3(runs, models, documents).await;
        evidence.add_runs(runs?, ledger);
        evidence.models = models;
        evidence.evaluations = evaluations::select(documents?, &evidence);
        Ok(evidence)
    }

    /// The cache of opened models.
    pub(super) fn cache(&self) -> Option<&ModelCache> {
        self.options.cache.as_ref()
    }

    /// Who must have signed the model of a new champion.
    pub(super) fn model_trust(&self) -> Option<&TrustRules> {
        self.options.model_trust.as_deref()
    }

    /// The cache of evaluations.
    pub(super) fn evaluations(&self) -> Option<&DocumentCache> {
        self.options.evaluations.as_ref()
    }

    /// The request and its evidence on the state that the ledger shows. `first` serves if its aliases are the same.
    ///
    /// After `champion` or `archived` was moved without the ledger, a rollback that names no version returns to the newest version that was
    /// champion before the present one and still exists, because `archived` does not say which that is. `NoArchived` if there is none, and
    /// `archived` was moved.
    pub async fn resolve(
        &self,
        request: &Request,
        view: &LedgerView,
        first: Option<Evidence>,
    ) -> Result<(Request, Evidence)> {
        let seen = &view.registered;
        let unnamed = request.operation == Operation::Rollback && request.target == Target::PolicyChoice;
        if unnamed {
            for former in &view.outside.former_champions {
                let named = Request { target: Target::ChampionBefore(*former), ..request.clone() };
                match self.gather(&named, seen.clone(), Vec::new(), None).await {
                    Err(error) if error.kind() == ErrorKind::VersionNotFound => {}
                    evidence => return Ok((named, evidence?)),
                }
            }
            if view.outside.archived {
                return Err(self.no_former_champion());
            }
        }
        let evidence = match first.filter(|first| first.registered.aliases == seen.aliases) {
            Some(evidence) => evidence,
            None => self.gather(request, seen.clone(), Vec::new(), None).await?,
        };
        Ok((request.clone(), evidence))
    }

    /// Decides and explains, and changes nothing.
    pub async fn dry_run(
        &self,
        request: &Request,
        evidence: &Evidence,
        past: Past,
        in_force: &InForce,
    ) -> Result<Transition> {
        let (RequestDecision::Unchanged(transition) | RequestDecision::Decided { transition, .. }) =
            self.decide(request, evidence, past, in_force).await?;
        announce(&transition);
        Ok(*transition)
    }

    /// Asks the policies and checks their verdict.
    pub(super) async fn decide(
        &self,
        request: &Request,
        evidence: &Evidence,
        past: Past,
        in_force: &InForce,
    ) -> Result<RequestDecision> {
        self.check(request, evidence)?;
        let panel = &in_force.panel;
        if let Some(unchanged) = self.unchanged(request, evidence, in_force) {
            return Ok(RequestDecision::Unchanged(Box::new(unchanged)));
        }
        let standing = &past.standing;
        let target = evidence.target.as_ref().map(|target| target.version);
        if let Some(Err(error)) = target.map(|target| guards::refuse_quarantined(target, standing)) {
            return Err(self.with_way_back(error, request, evidence, standing).await);
        }
        let evidence = self.with_approved_bytes(request, evidence, &past).await;
        let evidence = &*evidence;
        self.unanswered(request, evidence, standing).await?;
        let input = self.input(request, evidence, &past, panel).await?;
        let decision = panel.decide(&input).await?;
        // An answer of the leader that breaks a guard is an error, also if another policy says no.
        let plan = match self.review(&decision.leader.verdict, request, evidence, standing).await {
            Err(error) => return Err(self.with_way_back(error, request, evidence, standing).await),
            Ok(_) if decision.verdict != decision.leader.verdict => {
                self.review(&decision.verdict, request, evidence, standing).await?
            }
            plan => plan?,
        };
        let moves = plan.moves.clone();
        let champion = self.open_new_champion(request, evidence, &plan, standing).await?;
        let mut transition = self.transition(request, evidence, &decision, plan, champion);
        transition.at = past.moment.now;
        transition.policy = Some(panel.leader().policy.identity());
        transition.active_policy = in_force.active;
        if in_force.is_set_aside {
            transition.overrides.insert(OverrideKind::InactivePolicy);
        }
        // A version that is in quarantine stays there, for the reason that it has.
        transition.quarantined.retain(|version| standing.quarantine(*version).is_none());
        Ok(RequestDecision::Decided {
            transition: Box::new(transition),
            input: Box::new(input),
            decision: Box::new(decision),
            moves,
        })
    }

    /// Promoting the champion changes nothing and asks no policy: the seed would have archived the champion itself.
    fn unchanged(&self, request: &Request, evidence: &Evidence, in_force: &InForce) -> Option<Transition> {
        let target = evidence.target.as_ref()?;
        if evidence.champion.as_ref().map(|champion| champion.version) != Some(target.version) {
            return None;
        }
        let quarantine = target.tags.get(QUARANTINE_TAG);
        let quarantine =
            quarantine.map_or_else(String::new, |since| format!("; it is in quarantine since {since}"));
        Some(Transition {
            model: self.model.clone(),
            operation: request.operation,
            target: Some(target.version),
            outcome: Outcome::Unchanged,
            before: evidence.aliases(),
            after: evidence.aliases(),
            quarantined: BTreeSet::new(),
            policy: None,
            active_policy: in_force.active,
            panel: Vec::new(),
            explanation: format!("version {} is already the champion{quarantine}", target.version),
            fuel: 0,
            actor: self.options.actor.clone(),
            reason: request.reason.clone(),
            at: now(),
            overrides: BTreeSet::new(),
            model_changes: Vec::new(),
            model_sha256: None,
            evaluations: Vec::new(),
            left_out: Vec::new(),
            dry_run: request.dry_run,
            sequence: None,
        })
    }

    async fn input(
        &self,
        request: &Request,
        evidence: &Evidence,
        past: &Past,
        panel: &Panel,
    ) -> Result<Input> {
        let Moment { now, difference } = past.moment;
        let describe = |version: &Option<ModelVersion>| {
            let Some(version) = version else { return Ok::<_, Error>(None) };
            let mut described = evidence.describe(version)?;
            // An approval is about the bytes that the host found. Without them, none counts.
            past.say_of(&mut described, evidence.model_sha256(version), now)?;
            self.say_signers(&mut described);
            Ok(Some(described))
        };
        let mut context = Context::new(self.model.to_string(), timestamp(now)?, self.options.actor.clone());
        context.clock_difference_ms = difference;
        context.user = self.backend.registry.authenticated_user().await?;
        context.reason.clone_from(&request.reason);
        context.overrides.clone_from(&request.overrides);
        context.model_tags.clone_from(&evidence.registered.tags);
        context.champion = describe(&evidence.champion)?;
        context.archived = describe(&evidence.archived)?;
        let on = |alias: &Alias| evidence.registered.aliases.get(alias).copied();
        context.aliases = self.options.managed.iter().map(|alias| (alias.clone(), on(alias))).collect();
        context.evaluations.clone_from(&evidence.evaluations.evaluations);
        past.clone().add_to(&mut context);
        let target = describe(&evidence.target)?;
        context.target_origin = target.as_ref().map(|_| request.target.origin(on(&Alias::CANDIDATE)));
        let evidence = match (request.operation, target) {
            (Operation::Promote, Some(target)) => Input::promotion(target, context),
            (_, target) => Input::rollback(target, context),
        };
        panel.question(panel.leader(), &evidence)
    }

    async fn review(
        &self,
        verdict: &Verdict,
        request: &Request,
        evidence: &Evidence,
        standing: &Standing,
    ) -> Result<Plan> {
        let known = [&evidence.target, &evidence.champion, &evidence.archived];
        let mut versions: BTreeMap<Version, bool> =
            known.into_iter().flatten().map(|version| (version.version, is_ready(version))).collect();
        for named in guards::named_versions(verdict) {
            if let std::collections::btree_map::Entry::Vacant(unknown) = versions.entry(named) {
                match self.backend.registry.model_version(self.model, named).await {
                    Ok(version) => drop(unknown.insert(is_ready(&version))),
                    // The guard that every named version exists says so better.
                    Err(error) if error.kind() == ErrorKind::VersionNotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let aliases = evidence.aliases();
        guards::review(
            verdict,
            &guards::Facts {
                operation: request.operation,
                target: evidence.target.as_ref().map(|target| target.version),
                aliases: &aliases,
                managed: &self.options.managed,
                standing,
                versions: &versions,
            },
        )
    }

    fn transition(
        &self,
        request: &Request,
        evidence: &Evidence,
        decision: &PanelDecision,
        plan: Plan,
        champion: NewChampion,
    ) -> Transition {
        let outcome = match &decision.verdict {
            Verdict::Approve(_) if plan.staged => Outcome::Staged,
            Verdict::Approve(_) => Outcome::Done,
            Verdict::Reject { .. } => Outcome::Rejected,
            Verdict::Hold { .. } => Outcome::Held,
        };
        Transition {
            model: self.model.clone(),
            operation: request.operation,
            target: evidence.target.as_ref().map(|target| target.version),
            outcome,
            quarantined: self.left_behind(request, &evidence.aliases(), &plan.after),
            before: evidence.aliases(),
            after: plan.after,
            policy: None,
            active_policy: None,
            panel: decision.clone().into_answers(),
            explanation: decision.verdict.explanation().to_owned(),
            fuel: decision.leader.usage.fuel,
            actor: self.options.actor.clone(),
            reason: request.reason.clone(),
            at: now(),
            overrides: champion.overrides,
            model_changes: champion.changes,
            model_sha256: champion.sha256,
            evaluations: evidence.evaluations.evaluations.iter().map(UsedEvaluation::from).collect(),
            left_out: evidence.evaluations.left_out.clone(),
            dry_run: request.dry_run,
            sequence: None,
        }
    }

    /// The version that a rollback leaves, if it is to go into quarantine.
    fn left_behind(&self, request: &Request, before: &AliasState, after: &AliasState) -> BTreeSet<Version> {
        let wanted = request.quarantine || self.options.quarantine_on_rollback;
        let left = before.get(&Alias::CHAMPION).filter(|left| after.get(&Alias::CHAMPION) != Some(*left));
        left.filter(|_| wanted && request.operation == Operation::Rollback).into_iter().collect()
    }
}

/// Runs the policy on a blocking thread, because a decision may take as long as its budget allows.
pub(super) async fn run_policy(policy: Policy, input: Input) -> Result<Decision> {
    blocking(move || policy.decide(&input)).await
}

/// The outcome of [`Transitions::decide`].
pub(super) enum RequestDecision {
    /// The version is the champion already.
    Unchanged(Box<Transition>),
    /// The policies decided, and no guard objects.
    Decided {
        transition: Box<Transition>,
        /// The question to the policy that leads.
        input: Box<Input>,
        decision: Box<PanelDecision>,
        moves: Vec<AliasMove>,
    },
}

/// Emits the event that an embedding program can subscribe to.
pub(super) fn announce(transition: &Transition) {
    tracing::info!(
        model = %transition.model,
        operation = %transition.operation,
        target = transition.target.map(Version::get),
        outcome = ?transition.outcome,
        sequence = transition.sequence,
        before = %transition.before,
        after = %transition.after,
        policy = transition.policy.as_ref().map(|policy| tracing::field::display(policy.sha256)),
        panel = ?transition.panel.iter().map(|answer| (answer.name.as_str(), answer.verdict)).collect::<Vec<_>>(),
        actor = %transition.actor,
        dry_run = transition.dry_run,
        active_policy = transition.active_policy.map(tracing::field::display),
        overrides = ?transition.overrides,
        model_changes = ?transition.model_changes,
        explanation = %transition.explanation,
        "transition"
    );
}

fn is_ready(version: &ModelVersion) -> bool {
    version.status == VersionStatus::Ready
}
