//! The beginning of a ledger: its run, its registered model, and its first entry.

use futures_util::future::try_join3;
use uuid::Uuid;

use crate::clock::Moment;
use crate::evidence::EXPERIMENTS_TAG;
use crate::ledger::chain::{ENTRY_TAG, source_uri};
use crate::ledger::entry::{Entry, EntryKind, Origin};
use crate::ledger::identity::{
    FORMER_TAG, ID_TAG, Identity, MODEL_TAG, NAME_TAG, Origins, RUN_TAG, ledger_name, mirrored,
    named_by_first_entry, not_ours, numbered, set_tag, tagged,
};
use crate::ledger::unlinked::{DESCRIPTION, has_past, sign, unlinked};
use crate::ledger::{Ledger, LedgerWriter, Standing, WriterSettings};
use hydra_base::aliases::AliasState;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::failpoint::failpoint;
use hydra_base::names::{Alias, ExperimentId, ModelName, RunId};
use hydra_base::time::now;
use hydra_ledger_rules::Windows;
use hydra_mlflow::clock::ClockDifference;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{
    NewModelVersion, NewRun, OPERATION_ID_TAG, RegisteredModel, RunBatch, RunStatus, Tags,
};

/// The tag that MLflow's pages show as the description of a run.
const NOTE_TAG: &str = "mlflow.note.content";

/// The tag with the name of a run.
const RUN_NAME_TAG: &str = "mlflow.runName";

/// The most names that are tried for a ledger.
const MOST_NAMES: u32 = 99;

impl LedgerWriter {
    /// The ledger of `model`, founded if there is none. The run that holds its artifacts goes to `experiment`.
    ///
    /// Any number of processes may found it at once: the first entry wins, and all go on with that. Where the usual name
    /// belongs to something else, such as the ledger of a model that had this name before, the ledger gets a free one.
    pub async fn found(
        backend: &Backend,
        model: &ModelName,
        experiment: &ExperimentId,
        settings: WriterSettings,
    ) -> Result<Self> {
        let registered = backend.registry.registered_model(model).await?;
        if mirrored(&registered)?.is_none() {
            let founding = Founding { backend, registered: &registered, experiment, settings: &settings };
            let begins = "the ledger begins with the present aliases";
            let why = sign(&registered).map(|tag| {
                format!(
                    "{begins}; the tag `{tag}` of the model shows that it had another, which was not found"
                )
            });
            founding.carry_out(why.as_deref().unwrap_or(begins)).await?;
        }
        Self::of_founded(backend, model, settings).await
    }

    /// A new ledger of `model` in the place of one that does not exist any more, which the first entry and a tag name.
    pub async fn found_again(
        backend: &Backend,
        model: &ModelName,
        experiment: &ExperimentId,
        settings: WriterSettings,
    ) -> Result<Self> {
        let registered = backend.registry.registered_model(model).await?;
        if let Some(lost) = mirrored(&registered)? {
            let founding = Founding { backend, registered: &registered, experiment, settings: &settings };
            let why = format!(
                "the ledger {} does not exist any more; this one begins with the present aliases, and run {} has the archive of the former",
                lost.id, lost.run_id
            );
            let former = registered.tags.get(FORMER_TAG).map(String::as_str).unwrap_or_default();
            let pair = format!("{}:{}", lost.id, lost.run_id);
            // An interrupted command may have named it.
            if former.split_whitespace().next() != Some(pair.as_str()) {
                set_tag(backend, model, FORMER_TAG, format!("{pair} {former}").trim_end()).await?;
            }
            founding.carry_out(&why).await?;
        }
        Self::of_founded(backend, model, settings).await
    }

    async fn of_founded(backend: &Backend, model: &ModelName, settings: WriterSettings) -> Result<Self> {
        let ledger = Ledger::existing(backend, model).await?.ok_or_else(|| {
            hydra_base::Error::new(ErrorKind::Internal, "the ledger that was just created is not there")
        })?;
        Ok(Self::new(ledger, settings))
    }
}

/// A ledger about to begin.
struct Founding<'a> {
    backend: &'a Backend,
    registered: &'a RegisteredModel,
    experiment: &'a ExperimentId,
    settings: &'a WriterSettings,
}

impl Founding<'_> {
    async fn carry_out(&self, why: &str) -> Result<()> {
        let (backend, model) = (self.backend, &self.registered.name);
        let (name, identity, is_resumed) = self.begin(why).await?;
        failpoint("founding.begun");
        let lost = mirrored(self.registered)?;
        if lost.is_some() || has_past(self.registered) && !is_resumed {
            // Before the tags name the new ledger: a quarantine and an activation in the lost one must not end.
            let ledger = Ledger::of(backend, model, name.clone(), identity.clone(), false);
            let writer = LedgerWriter::new(ledger, self.settings.clone());
            writer.quarantine_again(&Standing::none(&identity.id)).await?;
            if let Some(lost) = lost {
                let former = Ledger::of(backend, model, name.clone(), lost, false);
                writer.copy_named_policy(&former, &self.registered.tags).await;
            }
            writer.activate_again(&self.registered.tags).await?;
        }
        let set = |model, key, value| set_tag(backend, model, key, value);
        try_join3(
            set(&name, ID_TAG, &identity.id),
            set(model, RUN_TAG, identity.run_id.as_str()),
            set(model, EXPERIMENTS_TAG, self.experiment.as_str()),
        )
        .await?;
        if name != ledger_name(model)? || self.registered.tags.contains_key(NAME_TAG) {
            set(model, NAME_TAG, name.as_str()).await?;
        }
        failpoint("founding.half-mirrored");
        // Last: a reader that sees this tag finds everything else in place.
        set(model, ID_TAG, &identity.id).await
    }

    /// The first entry, by this process or another, under the first name that is free or this model's already, and whether the ledger
    /// is one that the tags of the model had lost.
    async fn begin(&self, why: &str) -> Result<(ModelName, Identity, bool)> {
        let (backend, model) = (self.backend, &self.registered.name);
        let usual = ledger_name(model)?;
        let lost = mirrored(self.registered)?.map(|lost| lost.id);
        // A ledger that was renamed while the model's tags were removed still says whose it is.
        for found in tagged(backend, MODEL_TAG, model.as_str()).await? {
            if let Origins::Ours(identity) =
                named_by_first_entry(backend, &found.name, self.registered).await?
                && Some(&identity.id) != lost.as_ref()
            {
                return Ok((found.name, identity, true));
            }
        }
        if has_past(self.registered) {
            // A ledger without tags is known by its first entry. One that names another model is left alone.
            let found = unlinked(backend, self.registered).await?.into_iter();
            let mut found = found.filter(|found| Some(&found.identity.id) != lost.as_ref());
            if let Some(found) = found.find(|found| found.names.is_none()) {
                set_tag(backend, &found.ledger, MODEL_TAG, model.as_str()).await?;
                return Ok((found.ledger, found.identity, true));
            }
        }
        for number in 1..=MOST_NAMES {
            let name = numbered(&usual, number)?;
            if backend.registry.model_versions(&name, None, 1, None).await?.items.is_empty() {
                if !self.may_be_taken(&name).await? {
                    continue;
                }
                // Create the run first: if that is not permitted, no empty ledger is left behind.
                let run_id = self.create_run().await?;
                failpoint("founding.run-created");
                if !self.create_registered_model(&name).await? {
                    continue;
                }
                failpoint("founding.named");
                self.append_genesis(&name, run_id, why).await?;
            }
            match named_by_first_entry(backend, &name, self.registered).await? {
                Origins::Ours(identity) if Some(&identity.id) != lost.as_ref() => {
                    return Ok((name, identity, false));
                }
                Origins::Ours(_) | Origins::Others(_) => {}
                Origins::Damaged(why) => return Err(why),
            }
        }
        Err(not_ours(&usual, "that name and every name with a number after it belong to something else"))
    }

    /// Whether the name is free, or that of a ledger of this model that has no entry yet.
    async fn may_be_taken(&self, name: &ModelName) -> Result<bool> {
        match self.backend.registry.registered_model(name).await {
            Err(error) if error.kind() == ErrorKind::ModelNotFound => Ok(true),
            found => Ok(found?.tags.get(MODEL_TAG).is_some_and(|of| of == self.registered.name.as_str())),
        }
    }

    /// `false` when the name belongs to something else.
    async fn create_registered_model(&self, name: &ModelName) -> Result<bool> {
        let model = &self.registered.name;
        let tags = Tags::from([(MODEL_TAG.to_owned(), model.to_string())]);
        // It names no model, which may be renamed; the tag follows that.
        let description = format!(
            "{DESCRIPTION} that the tag `{MODEL_TAG}` names. Written by hydra-registry; do not edit."
        );
        match self.backend.registry.create_registered_model(name, &tags, &description).await {
            // Another process was faster, or it is there without an entry.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.may_be_taken(name).await,
            other => other.map(|_| true),
        }
    }

    async fn create_run(&self) -> Result<RunId> {
        create_archive_run(self.backend, &self.registered.name, self.experiment, &self.settings.actor).await
    }

    /// Appends the beginning: the aliases as they are now.
    async fn append_genesis(&self, name: &ModelName, run_id: RunId, why: &str) -> Result<()> {
        let registered = self.registered;
        let found = registered.aliases.iter();
        let aliases: AliasState = found
            .filter(|(alias, _)| [Alias::CHAMPION, Alias::ARCHIVED].contains(*alias))
            .map(|(alias, version)| (alias.clone(), *version))
            .collect();
        let id = Uuid::new_v4().simple().to_string();
        let expiry = Windows::MILLISECONDS.expiry;
        let difference = self.backend.registry.clock().map(ClockDifference::estimate);
        let moment = Moment { now: now(), difference };
        let mut entry = Entry::new(&id, EntryKind::Genesis, (0, None), aliases, moment.now, expiry);
        self.settings.sign(&mut entry, moment);
        why.clone_into(&mut entry.explanation);
        entry.origin = Some(Origin {
            model: registered.name.to_string(),
            model_created_at: registered.created_at,
            run_id,
        });
        let version = NewModelVersion::new(name.clone(), source_uri(&id))
            .tags(Tags::from([(ENTRY_TAG.to_owned(), entry.encode()?)]))
            .description(format!("The lifecycle ledger of {} begins.", registered.name));
        self.backend.registry.create_model_version(&version).await.map(drop)
    }
}

/// A run for the archive of a ledger, finished at once. MLflow's pages show what it is.
pub(super) async fn create_archive_run(
    backend: &Backend,
    model: &ModelName,
    experiment: &ExperimentId,
    actor: &str,
) -> Result<RunId> {
    let mut tags = Tags::from(archive_tags(model));
    // The store recognises a create by it when the answer was lost.
    tags.insert(OPERATION_ID_TAG.to_owned(), Uuid::new_v4().simple().to_string());
    let run = NewRun::new(experiment.clone(), archive_name(model)).user(actor).tags(tags);
    let run = backend.tracking.create_run(&run).await?;
    backend.tracking.update_run(&run.id, RunStatus::Finished, Some(now())).await?;
    Ok(run.id)
}

fn archive_name(model: &ModelName) -> String {
    format!("lifecycle ledger of {model}")
}

/// What says on MLflow's pages what the run of an archive is.
fn archive_tags(model: &ModelName) -> [(String, String); 2] {
    let note = format!(
        "The archive of the lifecycle ledger of the registered model {model}: the evidence of every promotion and rollback, and the \
         policies that decided. Written by hydra-registry. Do not delete this run: without it, past decisions cannot be verified."
    );
    [(MODEL_TAG.to_owned(), model.to_string()), (NOTE_TAG.to_owned(), note)]
}

impl LedgerWriter {
    /// Notes where the ledger of a renamed model is, so that the next command finds it without a search.
    pub async fn note_place(&self) -> Result<()> {
        if self.ledger.renamed { self.note_names().await } else { Ok(()) }
    }

    /// [`Self::note_place`], also where only the ledger's own marks name another model.
    pub async fn restore_place(&self) -> Result<()> {
        if self.ledger.renamed || !self.ledger.is_named_rightly().await? {
            return self.note_names().await;
        }
        Ok(())
    }

    async fn note_names(&self) -> Result<()> {
        let Ledger { backend, model, name, id, run_id, .. } = &self.ledger;
        try_join3(
            set_tag(backend, name, MODEL_TAG, model.as_str()),
            set_tag(backend, name, ID_TAG, id),
            set_tag(backend, model, NAME_TAG, name.as_str()),
        )
        .await?;
        let tags = archive_tags(model).into_iter().chain([(RUN_NAME_TAG.to_owned(), archive_name(model))]);
        if let Err(error) = backend.tracking.log_batch(run_id, &RunBatch::default().tags(tags)).await {
            tracing::debug!(%error, %run_id, "cannot note the model's name in the run of the archive");
        }
        Ok(())
    }
}
