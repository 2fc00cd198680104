//! Decisions: combines the policy, the ledger and the evidence.

use futures_util::future::try_join;
use tokio::sync::OnceCell;

use crate::registry::ModelRegistry;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Alias;
use hydra_lifecycle::clock::Moment;
use hydra_lifecycle::evidence::{Evidence, Target};
use hydra_lifecycle::ledger::{Ledger, LedgerWriter, Opened, WriterSettings, ledger_name};
use hydra_lifecycle::panel::Panel;
use hydra_lifecycle::past::Past;
use hydra_lifecycle::recording;
use hydra_lifecycle::statement::{self, Stated, Statement};
use hydra_lifecycle::transition::{Request, Transition, Transitions};
use hydra_mlflow::entities::RegisteredModel;
use hydra_policy::{Input, Operation};

impl ModelRegistry {
    /// Executes a request for a promotion or a rollback.
    ///
    /// The first request loads the policies, which serve all later ones. If a file is replaced, registries that
    /// connect afterwards use the new one.
    pub(crate) async fn decide(&self, request: Request) -> Result<Transition> {
        check_target(&request)?;
        ledger_name(self.model())?;
        let (panel, options) = (self.panel().await?, self.inner.settings.decision_options.clone());
        let transitions = Transitions::new(self.backend(), self.model(), panel, options);
        if request.dry_run {
            return self.dry_run(&transitions, &request).await;
        }
        let (opened, newest) = transitions.open().await?;
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
                self.found_ledger().await?
            }
        };
        let evidence = transitions.gather(&request, opened.registered, newest, Some(ledger.ledger())).await?;
        evidence.remember_experiments(self.backend()).await;
        ensure_was_champion(&request, Some(ledger.ledger()), None).await?;
        recording::carry_out(&transitions, &request, &ledger, evidence).await
    }

    pub(super) async fn panel(&self) -> Result<&Panel> {
        self.inner
            .panel
            .get_or_try_init(|| async { self.inner.settings.policy.load(&OnceCell::new()).await })
            .await
    }

    /// What the leader would be asked about a request, with all evidence. Nothing is written.
    pub(crate) async fn question(&self, request: &Request) -> Result<Input> {
        check_target(request)?;
        let (panel, options) = (self.panel().await?, self.inner.settings.decision_options.clone());
        let transitions = Transitions::new(self.backend(), self.model(), panel, options);
        let (request, evidence, past) = self.examine(&transitions, request).await?;
        transitions.question(&request, &evidence, &past).await
    }

    async fn dry_run(&self, transitions: &Transitions<'_>, request: &Request) -> Result<Transition> {
        let (request, evidence, past) = self.examine(transitions, request).await?;
        transitions.dry_run(&request, &evidence, past).await
    }

    /// The request with its evidence, for what records nothing.
    async fn examine(
        &self,
        transitions: &Transitions<'_>,
        request: &Request,
    ) -> Result<(Request, Evidence, Past)> {
        let (Opened { registered, ledger }, newest) = transitions.open().await?;
        let evidence = transitions.gather(request, registered, newest, None).await?;
        ensure_was_champion(request, ledger.as_ref(), Some(&evidence.registered)).await?;
        let Some(ledger) = ledger.map(|ledger| self.set_up(ledger)) else {
            if let Some(expected) = &request.expected_head {
                expected.ensure(None)?;
            }
            let tolerance = self.inner.settings.clock_tolerance;
            return Ok((request.clone(), evidence, Past::none(Moment::of(self.backend(), tolerance, None)?)));
        };
        let view = ledger.view().await?;
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
        Ok((request, evidence, Past::from(&view)))
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

    async fn found_ledger(&self) -> Result<LedgerWriter> {
        // Before an experiment is made for it.
        ledger_name(self.model())?;
        let experiment = self.ensure_experiment().await?;
        let settings = self.writer_settings().await?;
        let founded = LedgerWriter::found(self.backend(), self.model(), &experiment, settings).await?;
        Ok(founded.map_ledger(|ledger| self.set_up(ledger)))
    }

    /// The model's ledger, if a first decision has created it. For readers.
    pub async fn existing_ledger(&self) -> Result<Option<Ledger>> {
        let ledger = Ledger::existing(self.backend(), self.model()).await?;
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
