//! Decisions: combines the policy, the ledger and the evidence.

use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join;
use tokio::time::sleep;

use crate::registry::{Inner, ModelRegistry};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Alias;
use hydra_lifecycle::clock::Moment;
use hydra_lifecycle::doctor::Finding;
use hydra_lifecycle::evidence::{Evidence, Target};
use hydra_lifecycle::governing::{Configured, HostPolicies, InForce, asked, in_force};
use hydra_lifecycle::ledger::{
    Former, Ledger, LedgerView, LedgerWriter, Opened, WriterSettings, ledger_name,
};
use hydra_lifecycle::panel::Panel;
use hydra_lifecycle::past::Past;
use hydra_lifecycle::recording;
use hydra_lifecycle::statement::{self, Stated, Statement};
use hydra_lifecycle::transition::{Request, Transition, Transitions};
use hydra_mlflow::entities::RegisteredModel;
use hydra_policy::{Input, Operation, OverrideKind, PolicyEngine};

impl ModelRegistry {
    /// Executes a request for a promotion or a rollback.
    ///
    /// The first request loads the policies, which serve all later ones. If a file is replaced, registries that
    /// connect afterwards use the new one.
    pub(crate) async fn decide(&self, request: Request) -> Result<Transition> {
        check_target(&request)?;
        check_override(&request)?;
        ledger_name(self.model())?;
        self.load_named_policies().await?;
        let transitions = self.transitions();
        if request.dry_run {
            return self.dry_run(&transitions, &request).await;
        }
        let (opened, versions) = transitions.open(&request).await?;
        let ledger = match opened.ledger {
            Some(ledger) => {
                let ledger = self.writer(ledger).await?;
                ledger.note_place().await?;
                ledger
            }
            None => {
                if let Some(expected) = &request.expected_head {
                    expected.ensure(None)?;
                }
                // Before a ledger is made for nothing: without one, these decide.
                in_force(&*self.inner, &opened.registered, None, &request).await?;
                self.found_ledger().await?
            }
        };
        let evidence =
            transitions.gather(&request, opened.registered, versions, Some(ledger.ledger())).await?;
        evidence.remember_experiments(self.backend()).await;
        ensure_was_champion(&request, Some(ledger.ledger()), None).await?;
        let asked_for_more = evidence.asked_for_more();
        let transition = recording::carry_out(&transitions, &request, &ledger, evidence).await?;
        transitions.expect_elsewhere(&transition, asked_for_more).await?;
        Ok(transition)
    }

    /// The policies of the settings.
    pub(super) async fn panel(&self) -> Result<&Panel> {
        self.inner.own().await
    }

    /// Loads the policies that the settings name: what is wrong with them shows before anything is asked of the server.
    async fn load_named_policies(&self) -> Result<()> {
        if self.inner.configured().names_policies {
            self.panel().await?;
        }
        Ok(())
    }

    fn transitions(&self) -> Transitions<'_> {
        let options = self.inner.settings.decision_options.clone();
        Transitions::new(self.backend(), self.model(), &*self.inner, options)
    }

    /// What the leader would be asked about a request, with all evidence: that of `panel`, or of the policies that decide it.
    /// Nothing is written.
    pub(crate) async fn question(&self, request: &Request, panel: Option<&Panel>) -> Result<Input> {
        check_target(request)?;
        if panel.is_none() {
            self.load_named_policies().await?;
        }
        let transitions = self.transitions();
        let examined = self.examine(&transitions, request, panel).await?;
        let Examined { request, evidence, past, in_force } = examined;
        transitions.question(&request, &evidence, &past, &in_force).await
    }

    async fn dry_run(&self, transitions: &Transitions<'_>, request: &Request) -> Result<Transition> {
        let Examined { request, evidence, past, in_force } = self.examine(transitions, request, None).await?;
        transitions.dry_run(&request, &evidence, past, &in_force).await
    }

    /// The request with its evidence, for what records nothing; `panel` is asked in the place of the policies that decide it.
    async fn examine(
        &self,
        transitions: &Transitions<'_>,
        request: &Request,
        panel: Option<&Panel>,
    ) -> Result<Examined> {
        let (Opened { registered, ledger }, versions) = transitions.open(request).await?;
        let evidence = transitions.gather(request, registered, versions, None).await?;
        ensure_was_champion(request, ledger.as_ref(), Some(&evidence.registered)).await?;
        let Some(ledger) = ledger.map(|ledger| self.set_up(ledger)) else {
            if let Some(expected) = &request.expected_head {
                expected.ensure(None)?;
            }
            if let Some(former) = Former::by_tags(self.backend(), &evidence.registered).await? {
                tracing::warn!("{}; the policy decides without its history", Finding::from(former));
            }
            let tolerance = self.inner.settings.clock_tolerance;
            let past = Past::none(Moment::of(self.backend(), tolerance, None)?);
            let in_force = match panel {
                Some(panel) => asked(panel.clone(), None)?,
                None => in_force(&*self.inner, &evidence.registered, None, request).await?,
            };
            return Ok(Examined { request: request.clone(), evidence, past, in_force });
        };
        let (view, in_force) = match panel {
            Some(panel) => {
                let view = ledger.view().await?;
                let in_force = asked(panel.clone(), view.standing.panel())?;
                (view, in_force)
            }
            None => self.view_in_force(&ledger, request).await?,
        };
        if let Some(expected) = &request.expected_head {
            expected.ensure(Some(&view))?;
        }
        if !view.agrees(&evidence.registered.aliases) {
            tracing::warn!(
                "the aliases differ from the ledger; a command that decides settles this first; `hydra-registry doctor` shows the difference"
            );
        }
        transitions.check_premise(request, &evidence.registered, &view)?;
        let (request, evidence) = transitions.resolve(request, &view, Some(evidence)).await?;
        Ok(Examined { request, evidence, past: Past::from(&view), in_force })
    }

    /// What the ledger shows, and the policies that decide a request. What looks like an activation that the ledger lost is looked
    /// at again, because the tag and the ledger are not read in one request.
    pub(super) async fn view_in_force(
        &self,
        ledger: &Ledger,
        request: &Request,
    ) -> Result<(LedgerView, InForce)> {
        for wait in [50, 200] {
            let view = ledger.view().await?;
            match self.in_force(ledger, &view, request).await {
                Err(error) if error.kind() == ErrorKind::ActivationLost => {
                    sleep(Duration::from_millis(wait)).await;
                }
                found => return Ok((view, found?)),
            }
        }
        let view = ledger.view().await?;
        let in_force = self.in_force(ledger, &view, request).await?;
        Ok((view, in_force))
    }

    async fn in_force(&self, ledger: &Ledger, view: &LedgerView, request: &Request) -> Result<InForce> {
        in_force(&*self.inner, &view.registered, Some((ledger, &view.standing)), request).await
    }

    /// The model's ledger, created if it does not exist. For writers.
    pub async fn ledger(&self) -> Result<LedgerWriter> {
        // The user is asked for beside the ledger, and then known.
        let user = self.backend().registry.authenticated_user();
        let (ledger, _) = try_join(self.existing_ledger(), user).await?;
        match ledger {
            Some(ledger) => self.writer(ledger).await,
            None => self.found_ledger().await,
        }
    }

    pub(super) async fn found_ledger(&self) -> Result<LedgerWriter> {
        // Before an experiment is made for it.
        ledger_name(self.model())?;
        let experiment = self.ensure_experiment().await?;
        let settings = self.writer_settings().await?;
        let founding = LedgerWriter::found(self.backend(), self.model(), &experiment, settings);
        let founded = Box::pin(founding).await?;
        Ok(founded.map_ledger(|ledger| self.set_up(ledger)))
    }

    /// The model's ledger, if a first decision has created it. For readers.
    pub async fn existing_ledger(&self) -> Result<Option<Ledger>> {
        let ledger = Box::pin(Ledger::existing(self.backend(), self.model())).await?;
        Ok(ledger.map(|ledger| self.set_up(ledger)))
    }

    /// Records a statement about a version.
    pub(crate) async fn state(&self, statement: Statement) -> Result<Stated> {
        if let Some(expected) = &statement.expected_head
            && self.existing_ledger().await?.is_none()
        {
            expected.ensure(None)?;
        }
        let ledger = self.ledger().await?;
        statement::record(self.backend(), self.cache(), &ledger, &statement).await
    }

    /// The same ledger, with the cache and the tolerance of these settings.
    fn set_up(&self, ledger: Ledger) -> Ledger {
        let settings = &self.inner.settings;
        ledger
            .with_cache(settings.standings.clone())
            .with_policy_cache(settings.active_policies.clone())
            .with_decision_cache(settings.decisions.clone())
            .with_clock_tolerance(settings.clock_tolerance)
    }

    pub(super) async fn writer(&self, ledger: Ledger) -> Result<LedgerWriter> {
        Ok(LedgerWriter::new(self.set_up(ledger), self.writer_settings().await?))
    }

    pub(super) async fn writer_settings(&self) -> Result<WriterSettings> {
        let user = self.backend().registry.authenticated_user().await?;
        Ok(WriterSettings { user, ..WriterSettings::new(self.inner.settings.decision_options.actor.clone()) })
    }
}

/// A request that records nothing, with its evidence and the policies that decide it.
struct Examined {
    request: Request,
    evidence: Evidence,
    past: Past,
    in_force: InForce,
}

#[async_trait]
impl HostPolicies for Inner {
    async fn own(&self) -> Result<&Panel> {
        self.panel.get_or_try_init(|| self.settings.policy.load(&self.engine)).await
    }

    fn configured(&self) -> &Configured {
        &self.settings.policy.configured
    }

    async fn engine(&self) -> Result<PolicyEngine> {
        let engine = self.engine.get_or_try_init(|| self.settings.policy.start_engine());
        engine.await.cloned()
    }

    fn remembered(&self, sha256: Sha256) -> Option<Panel> {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.as_ref().filter(|(known, _)| *known == sha256).map(|(_, panel)| panel.clone())
    }

    fn remember(&self, sha256: Sha256, panel: &Panel) {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner) = Some((sha256, panel.clone()));
    }
}

/// An emergency needs a reason on record.
fn check_override(request: &Request) -> Result<()> {
    let is_blank = request.reason.as_deref().is_none_or(|reason| reason.trim().is_empty());
    if !is_blank || !request.overrides.contains(&OverrideKind::InactivePolicy) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::OverrideReason, "a request that sets the active policy aside needs a reason")
        .with_hint("say why: `--reason \"the active policy cannot be loaded\"`"))
}

/// Rejects targets that the operation does not support.
fn check_target(request: &Request) -> Result<()> {
    let hint = match (request.operation, request.target) {
        (Operation::Rollback, Target::Candidate | Target::CandidateThen(_)) => {
            "name a former champion, or pass `Target::PolicyChoice`; a candidate is promoted"
        }
        (Operation::Promote, Target::PolicyChoice | Target::ChampionBefore(_)) => {
            "name a version, or pass `Target::Candidate`"
        }
        _ => return Ok(()),
    };
    let refused = format!("not a target of a {}: {:?}", request.operation, request.target);
    Err(Error::new(ErrorKind::InvalidArgument, refused).with_hint(hint))
}

/// Refuses a rollback to a version that was never champion. Without a ledger, only the aliases show the past.
async fn ensure_was_champion(
    request: &Request,
    ledger: Option<&Ledger>,
    registered: Option<&RegisteredModel>,
) -> Result<()> {
    let (Operation::Rollback, Target::Version(version)) = (request.operation, request.target) else {
        return Ok(());
    };
    let was = match ledger {
        Some(ledger) => ledger.was_champion(version).await?,
        None => registered.is_some_and(|registered| {
            [Alias::CHAMPION, Alias::ARCHIVED]
                .iter()
                .any(|alias| registered.aliases.get(alias) == Some(&version))
        }),
    };
    if was {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NeverChampion, format!("version {version} was never the champion")).with_hint(
        "choose a former champion, which `hydra-registry history` shows, or promote the version instead",
    ))
}
