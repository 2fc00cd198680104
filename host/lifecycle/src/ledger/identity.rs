//! The model that a ledger belongs to, its storage, and its beginning.

use std::sync::Arc;

use futures_util::future::{try_join, try_join3};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::evidence::EXPERIMENTS_TAG;
use crate::ledger::chain::{ENTRY_TAG, Reading, source_uri};
use crate::ledger::entry::{Entry, EntryKind, Origin, SCHEMA};
use crate::ledger::look::{PAGE, Snapshot, read_page};
use crate::ledger::{HOST, Ledger, LedgerWriter, WriterSettings, errors};
use hydra_base::aliases::AliasState;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::failpoint::failpoint;
use hydra_base::names::{Alias, ExperimentId, Key, MAX_MODEL_NAME_BYTES, ModelName, RunId, Version};
use hydra_base::time::now;
use hydra_ledger_rules::Windows;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{
    ModelVersion, NewModelVersion, NewRun, OPERATION_ID_TAG, RegisteredModel, RunStatus, Tags,
};

/// The tag on the model and on its ledger that names the ledger.
const ID_TAG: &str = "hydra.ledger.id";
/// The tag on the model that names the run with the ledger's artifacts.
const RUN_TAG: &str = "hydra.ledger.run";
/// The tag on the ledger that names the model.
const MODEL_TAG: &str = "hydra.ledger.model";

/// What the name of a ledger adds to that of its model.
const SUFFIX: &str = "_ledger";

/// The registered model that holds the ledger of `model`.
///
/// `InvalidName` when the model's name is too long: such a model can be read, but no decision about it can be recorded.
pub fn ledger_name(model: &ModelName) -> Result<ModelName> {
    ModelName::new(format!("{model}{SUFFIX}")).map_err(|_| {
        let longest = MAX_MODEL_NAME_BYTES - SUFFIX.len();
        Error::new(
            ErrorKind::InvalidName,
            format!("the model's name is too long for a ledger: {} bytes, at most {longest}", model.as_str().len()),
        )
        .with_hint(format!(
            "register the model under a shorter name; its ledger is the registered model `<name>{SUFFIX}`, and names in MLflow have \
             at most {MAX_MODEL_NAME_BYTES} bytes"
        ))
    })
}

/// Refuses a registered model that is the ledger of another: what is written to it would damage that ledger.
pub fn refuse_ledger(registered: &RegisteredModel) -> Result<()> {
    let Some(of) = registered.tags.get(MODEL_TAG) else { return Ok(()) };
    Err(Error::new(
        ErrorKind::LedgerIdentity,
        format!("`{}` is the lifecycle ledger of `{of}`, not a model", registered.name),
    )
    .with_hint(format!("use the model itself: `--model {of}`")))
}

/// A model as it was read together with its ledger.
#[derive(Debug)]
pub struct Opened {
    /// The model.
    pub registered: RegisteredModel,
    /// Its ledger, if it has one.
    pub ledger: Option<Ledger>,
}

impl Ledger {
    /// [`Ledger::open`] for those who only want the ledger.
    pub async fn existing(backend: &Backend, model: &ModelName) -> Result<Option<Self>> {
        Ok(Self::open(backend, model).await?.ledger)
    }

    /// The model and its ledger, if it has one: one round of requests, which also serves the first transition. Nothing is
    /// written. A model whose name leaves no room for a ledger's has none.
    ///
    /// `LedgerIdentity` when there is a ledger of that name that is not this model's: one of them was deleted and
    /// created again, or the name was in use for something else.
    pub async fn open(backend: &Backend, model: &ModelName) -> Result<Opened> {
        let Ok(name) = ledger_name(model) else {
            let registered = backend.registry.registered_model(model).await?;
            return Ok(Opened { registered, ledger: None });
        };
        let asked_at = tokio::time::Instant::now();
        let (registered, page) =
            try_join(backend.registry.registered_model(model), read_page(backend, &name, None, PAGE)).await?;
        refuse_ledger(&registered)?;
        let identity = match (mirrored(&registered)?, page.items.first()) {
            (None, None) => return Ok(Opened { registered, ledger: None }),
            (Some(_), None) => return Err(gone(&name)),
            (Some((id, run_id)), Some(newest)) => {
                check_source(&id, newest, &page.items)?;
                (id, run_id)
            }
            (None, Some(_)) => from_first_entry(backend, &name, &registered).await?,
        };
        let ledger = Self::new(backend, model, name, identity);
        let first = Snapshot::of_listing(&ledger, registered.clone(), &page, asked_at);
        *ledger.opened.lock().await = first;
        Ok(Opened { registered, ledger: Some(ledger) })
    }

    fn new(backend: &Backend, model: &ModelName, name: ModelName, (id, run_id): (String, RunId)) -> Self {
        Self {
            backend: backend.clone(),
            model: model.clone(),
            name,
            id,
            run_id,
            artifact_uri: Arc::default(),
            opened: Arc::new(Mutex::new(None)),
        }
    }
}

impl LedgerWriter {
    /// The ledger of `model`, founded if there is none. The run that holds its artifacts goes to `experiment`.
    ///
    /// Any number of processes may found it at once: the first entry wins, and all go on with that.
    pub async fn found(
        backend: &Backend,
        model: &ModelName,
        experiment: &ExperimentId,
        settings: WriterSettings,
    ) -> Result<Self> {
        let registered = backend.registry.registered_model(model).await?;
        let name = ledger_name(model)?;
        if mirrored(&registered)?.is_none() {
            if backend.registry.model_versions(&name, None, 1, None).await?.items.is_empty() {
                // Create the run first: if that is not permitted, no empty ledger is left behind.
                let run_id = create_run(backend, model, experiment, &settings.actor).await?;
                failpoint("founding.run-created");
                create_registered_model(backend, model, &name).await?;
                failpoint("founding.named");
                append_genesis(backend, &name, &registered, run_id, &settings.actor).await?;
            }
            let (id, run_id) = from_first_entry(backend, &name, &registered).await?;
            failpoint("founding.begun");
            let set = |model, key, value| set_tag(backend, model, key, value);
            try_join3(
                set(&name, ID_TAG, &id),
                set(model, RUN_TAG, run_id.as_str()),
                set(model, EXPERIMENTS_TAG, experiment.as_str()),
            )
            .await?;
            failpoint("founding.half-mirrored");
            // Last: a reader that sees this tag finds everything else in place.
            set(model, ID_TAG, &id).await?;
        }
        let ledger = Ledger::existing(backend, model).await?.ok_or_else(|| gone(&name))?;
        Ok(Self::new(ledger, settings))
    }
}

/// What the model's tags say about its ledger.
fn mirrored(registered: &RegisteredModel) -> Result<Option<(String, RunId)>> {
    match (registered.tags.get(ID_TAG), registered.tags.get(RUN_TAG)) {
        (Some(id), Some(run_id)) => Ok(Some((id.clone(), RunId::new(run_id.clone())?))),
        _ => Ok(None),
    }
}

fn check_source(id: &str, newest: &ModelVersion, versions: &[ModelVersion]) -> Result<()> {
    let source = source_uri(id);
    if versions.iter().any(|version| version.source == source) {
        return Ok(());
    }
    Err(not_ours(&newest.name, "its entries belong to another ledger"))
}

/// The identity that the first entry states. It counts only if it is about this very model.
async fn from_first_entry(
    backend: &Backend,
    name: &ModelName,
    registered: &RegisteredModel,
) -> Result<(String, RunId)> {
    let first = match backend.registry.model_version(name, Version::FIRST).await {
        Err(error) if error.kind() == ErrorKind::VersionNotFound => {
            return Err(not_ours(name, "its first entry was deleted"));
        }
        other => other?,
    };
    let id = first.source.strip_prefix(&source_uri("")).unwrap_or_default().to_owned();
    let record = match Reading::of(&first, &id) {
        Reading::Record(record) => record,
        Reading::Newer(entry) => return Err(errors::newer(Version::FIRST.get(), entry.schema)),
        Reading::Damaged(flaw) => {
            return Err(not_ours(name, &format!("its first version is not an entry: {flaw}")));
        }
    };
    match record.entry.origin {
        Some(origin)
            if origin.model == registered.name.as_str()
                && origin.model_created_at == registered.created_at =>
        {
            Ok((id, origin.run_id))
        }
        _ => {
            Err(not_ours(name, "it was created for another model, or for a deleted model with the same name"))
        }
    }
}

async fn create_registered_model(backend: &Backend, model: &ModelName, name: &ModelName) -> Result<()> {
    let tags = Tags::from([(MODEL_TAG.to_owned(), model.to_string())]);
    let description =
        format!("Lifecycle ledger of the registered model {model}. Written by hydra-registry; do not edit.");
    match backend.registry.create_registered_model(name, &tags, &description).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = backend.registry.registered_model(name).await?;
            let ours = found.tags.get(MODEL_TAG).is_some_and(|of| of == model.as_str());
            if ours {
                Ok(())
            } else {
                Err(not_ours(name, "a registered model with that name already exists"))
            }
        }
        other => other.map(drop),
    }
}

async fn create_run(
    backend: &Backend,
    model: &ModelName,
    experiment: &ExperimentId,
    actor: &str,
) -> Result<RunId> {
    let run = NewRun::new(experiment.clone(), format!("lifecycle ledger of {model}")).user(actor).tags(
        Tags::from([
            (MODEL_TAG.to_owned(), model.to_string()),
            // The store recognises a create by it when the answer was lost.
            (OPERATION_ID_TAG.to_owned(), Uuid::new_v4().simple().to_string()),
        ]),
    );
    let run = backend.tracking.create_run(&run).await?;
    backend.tracking.update_run(&run.id, RunStatus::Finished, Some(now())).await?;
    Ok(run.id)
}

/// Appends the beginning: the aliases as they are now.
async fn append_genesis(
    backend: &Backend,
    name: &ModelName,
    registered: &RegisteredModel,
    run_id: RunId,
    actor: &str,
) -> Result<()> {
    let found = registered.aliases.iter();
    let aliases: AliasState = found
        .filter(|(alias, _)| [Alias::CHAMPION, Alias::ARCHIVED].contains(*alias))
        .map(|(alias, version)| (alias.clone(), *version))
        .collect();
    let id = Uuid::new_v4().simple().to_string();
    let at = now();
    let mut entry = Entry {
        schema: SCHEMA,
        ledger: id.clone(),
        operation: EntryKind::Genesis,
        operation_id: Uuid::new_v4().simple().to_string(),
        base: 0,
        previous: None,
        target: None,
        actor: actor.to_owned(),
        reason: None,
        at,
        expires: at + Windows::MILLISECONDS.expiry as i64,
        explanation: "the ledger begins with the present aliases".into(),
        before: aliases.clone(),
        after: aliases,
        side: Default::default(),
        decided: None,
        origin: Some(Origin {
            model: registered.name.to_string(),
            model_created_at: registered.created_at,
            run_id,
        }),
        bridge: None,
        host: HOST.into(),
    };
    let version = NewModelVersion::new(name.clone(), source_uri(&id))
        .tags(Tags::from([(ENTRY_TAG.to_owned(), entry.encode()?)]))
        .description(format!("The lifecycle ledger of {} begins.", registered.name));
    backend.registry.create_model_version(&version).await.map(drop)
}

async fn set_tag(backend: &Backend, model: &ModelName, key: &str, value: &str) -> Result<()> {
    backend.registry.set_registered_model_tag(model, &Key::new(key)?, value).await
}

fn not_ours(name: &ModelName, why: &str) -> Error {
    Error::new(ErrorKind::LedgerIdentity, format!("`{name}` is not the ledger of this model: {why}"))
        .with_hint("rename or delete that registered model if you do not need it; the next promotion then creates a new ledger")
}

fn gone(name: &ModelName) -> Error {
    Error::new(ErrorKind::LedgerIdentity, format!("the ledger `{name}` of this model does not exist"))
        .with_hint(format!(
            "delete the tag `{ID_TAG}` of the registered model in MLflow to start a new ledger"
        ))
}
