//! Decisions: combines the policy, the ledger and the evidence.

use futures_util::future::try_join;

use crate::registry::ModelRegistry;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Alias;
use hydra_lifecycle::evidence::Target;
use hydra_lifecycle::ledger::{Ledger, LedgerWriter, WriterSettings, ledger_name};
use hydra_lifecycle::recording;
use hydra_lifecycle::transition::{Request, Transition, Transitions};
use hydra_mlflow::entities::RegisteredModel;
use hydra_policy::Operation;

impl ModelRegistry {
    /// Executes a request for a promotion or a rollback.
    ///
    /// The first request loads the policy, which serves all later ones. If the file is replaced, registries that
    /// connect afterwards use the new one.
    pub(crate) async fn decide(&self, request: Request) -> Result<Transition> {
        check_target(&request)?;
        ledger_name(self.model())?;
        let settings = &self.inner.settings;
        let policy = self.inner.policy.get_or_try_init(|| settings.policy.load()).await?;
        let transitions =
            Transitions::new(self.backend(), self.model(), policy, settings.decision_options.clone());
        if request.dry_run {
            return self.dry_run(&transitions, &request).await;
        }
        let ledger = async {
            let ledger = self.ledger().await?;
            // Determined before its first use, which reports an error.
            ledger.ledger().locate_archive().await.ok();
            Ok(ledger)
        };
        let (ledger, evidence) = try_join(ledger, transitions.gather(&request)).await?;
        ensure_was_champion(&request, Some(ledger.ledger()), None).await?;
        recording::carry_out(&transitions, &request, &ledger, evidence).await
    }

    async fn dry_run(&self, transitions: &Transitions<'_>, request: &Request) -> Result<Transition> {
        let (ledger, evidence) = try_join(self.existing_ledger(), transitions.gather(request)).await?;
        ensure_was_champion(request, ledger.as_ref(), Some(&evidence.registered)).await?;
        let past = match &ledger {
            Some(ledger) => {
                let view = ledger.view().await?;
                if !view.agrees(&evidence.registered.aliases) {
                    tracing::warn!(
                        "the aliases differ from the ledger; without --dry-run, the command settles this first; `hydra-registry doctor` shows the difference"
                    );
                }
                view.history
            }
            None => Vec::new(),
        };
        transitions.dry_run(request, &evidence, past).await
    }

    /// The model's ledger, created if it does not exist. For writers.
    pub async fn ledger(&self) -> Result<LedgerWriter> {
        if let Some(ledger) = self.existing_ledger().await? {
            return Ok(self.writer(ledger));
        }
        // Check this before creating an experiment.
        ledger_name(self.model())?;
        let experiment = self.ensure_experiment().await?;
        LedgerWriter::found(self.backend(), self.model(), &experiment, self.writer_settings()).await
    }

    /// The model's ledger, if a first decision has created it. For readers.
    pub async fn existing_ledger(&self) -> Result<Option<Ledger>> {
        Ledger::existing(self.backend(), self.model()).await
    }

    pub(super) fn writer(&self, ledger: Ledger) -> LedgerWriter {
        LedgerWriter::new(ledger, self.writer_settings())
    }

    fn writer_settings(&self) -> WriterSettings {
        WriterSettings::new(self.inner.settings.decision_options.actor.clone())
    }
}

/// Rejects targets that the operation does not support.
fn check_target(request: &Request) -> Result<()> {
    let hint = match (request.operation, request.target) {
        (Operation::Rollback, Target::Candidate) => {
            "name a former champion, or pass `Target::PolicyChoice`; a candidate is promoted"
        }
        (Operation::Promote, Target::PolicyChoice) => "name a version, or pass `Target::Candidate`",
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
