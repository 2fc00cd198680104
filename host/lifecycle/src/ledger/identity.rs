//! The model that a ledger belongs to, and where its ledger is.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::try_join;

use crate::clock::DEFAULT_TOLERANCE;
use crate::ledger::chain::{ENTRY_TAG, Reading, source_uri};
use crate::ledger::look::{PAGE, Snapshot, read_page};
use crate::ledger::unlinked::unlinked;
use crate::ledger::{Ledger, errors};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Key, MAX_MODEL_NAME_BYTES, ModelName, RunId, Version};
use hydra_base::text::shell_word;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{ModelFilter, ModelVersion, Page, RegisteredModel};
use hydra_mlflow::listing::Listing;

/// The tag on the model and on its ledger that names the ledger.
pub(super) const ID_TAG: &str = "hydra.ledger.id";
/// The tag on the model that names the run with the ledger's artifacts.
pub(super) const RUN_TAG: &str = "hydra.ledger.run";
/// The tag on the model that names the registered model of its ledger, where that has not the usual name.
pub(super) const NAME_TAG: &str = "hydra.ledger.name";
/// The tag on the model that names the runs with earlier archives, newest first, separated by spaces.
pub(super) const ARCHIVES_TAG: &str = "hydra.ledger.archives";
/// The tag on the model that names former ledgers that do not exist any more, with their runs.
pub(super) const FORMER_TAG: &str = "hydra.ledger.former";
/// The tag on the ledger that names the model.
pub const MODEL_TAG: &str = "hydra.ledger.model";

/// What the name of a ledger adds to that of its model.
const SUFFIX: &str = "_ledger";

/// The most registered models that may have the tag of one ledger: the model, its ledger, and copies of both.
const MOST_TAGGED: usize = 256;

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

/// The name of a further ledger: `usual` itself, then `usual` with 2, 3 and so on after it.
pub(super) fn numbered(usual: &ModelName, number: u32) -> Result<ModelName> {
    if number == 1 { Ok(usual.clone()) } else { ModelName::new(format!("{usual}_{number}")) }
}

/// Refuses a registered model that is not a line of models: the ledger of another, which would be damaged, or a prompt of
/// MLflow's prompt registry.
pub fn refuse_foreign(registered: &RegisteredModel) -> Result<()> {
    let name = &registered.name;
    refuse_prompt(name, registered.is_prompt())?;
    let Some(of) = registered.tags.get(MODEL_TAG) else { return Ok(()) };
    Err(Error::new(
        ErrorKind::LedgerIdentity,
        format!("`{name}` is the lifecycle ledger of `{of}`, not a model"),
    )
    .with_hint(format!("use the model itself: `--model {}`", shell_word(of))))
}

/// Refuses a prompt of MLflow's prompt registry, which keeps its prompts as registered models.
pub fn refuse_prompt(name: &ModelName, is_prompt: bool) -> Result<()> {
    if !is_prompt {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::IsPrompt,
        format!("`{name}` is a prompt of MLflow's prompt registry, not a model"),
    )
    .with_hint("register the model under another name, and pass that name: `--model NAME`"))
}

/// Whether a registered model is the ledger of another.
#[must_use]
pub fn is_ledger(registered: &RegisteredModel) -> bool {
    registered.tags.contains_key(MODEL_TAG)
}

/// What identifies a ledger, and where its archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub id: String,
    pub run_id: RunId,
    /// The runs with earlier archives, newest first.
    pub older_runs: Vec<RunId>,
}

/// A ledger that was found, with what was read of it.
struct Place {
    name: ModelName,
    identity: Identity,
    page: Page<ModelVersion>,
    renamed: bool,
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
    /// A ledger is recognised by its id and by the time at which its model was created, so it is found after the model or the
    /// ledger was renamed, too. `LedgerIdentity` when the model's tags name a ledger that does not exist, or that is another
    /// model's.
    pub async fn open(backend: &Backend, model: &ModelName) -> Result<Opened> {
        let Ok(usual) = ledger_name(model) else {
            let registered = backend.registry.registered_model(model).await?;
            return Ok(Opened { registered, ledger: None });
        };
        let asked_at = tokio::time::Instant::now();
        let found = backend.registry.registered_model(model);
        let (registered, page) = match try_join(found, read_page(backend, &usual, None, PAGE)).await {
            Err(error) if error.kind() == ErrorKind::ModelNotFound => {
                return Err(match renamed_to(backend, model).await {
                    Some(name) => error.with_hint(renamed_hint(&name)),
                    None => error,
                });
            }
            other => other?,
        };
        refuse_foreign(&registered)?;
        let place = match mirrored(&registered)? {
            Some(identity) if holds(&page, &identity.id) => {
                Some(Place { name: usual, identity, page, renamed: false })
            }
            Some(identity) => Some(search(backend, &registered, &usual, identity).await?),
            None if page.items.is_empty() => None,
            None => match named_by_first_entry(backend, &usual, &registered).await? {
                Origins::Ours(identity) => Some(Place { name: usual, identity, page, renamed: false }),
                Origins::Others(_) => None,
                Origins::Damaged(error) => return Err(error),
            },
        };
        let Some(place) = place else { return Ok(Opened { registered, ledger: None }) };
        let (page, ledger) = Self::at(backend, model, place);
        let listed = page.items.first().map(|newest| newest.version.get());
        if ledger.newest_number().await?.is_none_or(|newest| Some(newest) == listed) {
            let first = Snapshot::of_listing(&ledger, registered.clone(), &page, asked_at);
            *ledger.opened.lock().await = first;
        }
        Ok(Opened { registered, ledger: Some(ledger) })
    }

    fn at(backend: &Backend, model: &ModelName, place: Place) -> (Page<ModelVersion>, Self) {
        (place.page, Self::of(backend, model, place.name, place.identity, place.renamed))
    }

    /// The ledger of that identity in the registered model `name`. Nothing is read.
    pub(super) fn of(
        backend: &Backend,
        model: &ModelName,
        name: ModelName,
        identity: Identity,
        renamed: bool,
    ) -> Self {
        Self {
            backend: backend.clone(),
            model: model.clone(),
            name,
            id: identity.id,
            run_id: identity.run_id,
            older_runs: identity.older_runs,
            renamed,
            artifact_uri: Arc::default(),
            cache: None,
            policies: None,
            decisions: None,
            clock_tolerance: DEFAULT_TOLERANCE,
            opened: Arc::default(),
            numbering: Arc::default(),
        }
    }
}

impl Ledger {
    /// Whether the registered model of the ledger names no other ledger and no other model. After several renames it may name
    /// a model that has another name now, or is another one.
    pub(super) async fn is_named_rightly(&self) -> Result<bool> {
        let registered = self.backend.registry.registered_model(&self.name).await?;
        let says = |tag: &str, value: &str| registered.tags.get(tag).is_none_or(|found| found == value);
        Ok(says(MODEL_TAG, self.model.as_str()) && says(ID_TAG, &self.id))
    }
}

/// What the model's tags say about its ledger.
pub(super) fn mirrored(registered: &RegisteredModel) -> Result<Option<Identity>> {
    match (registered.tags.get(ID_TAG), registered.tags.get(RUN_TAG)) {
        (Some(id), Some(run_id)) => {
            let older = registered.tags.get(ARCHIVES_TAG).map(String::as_str).unwrap_or_default();
            Ok(Some(Identity {
                id: id.clone(),
                run_id: RunId::new(run_id.clone())?,
                older_runs: older.split_whitespace().filter_map(|run| RunId::new(run).ok()).collect(),
            }))
        }
        _ => Ok(None),
    }
}

/// Whether entries of that ledger are among the newest.
fn holds(page: &Page<ModelVersion>, id: &str) -> bool {
    let source = source_uri(id);
    page.items.iter().any(|version| version.source == source)
}

/// The present name of a model that does not exist, if its ledger knows that it was renamed.
pub async fn renamed_to(backend: &Backend, model: &ModelName) -> Option<ModelName> {
    let usual = ledger_name(model).ok()?;
    let ledger = backend.registry.registered_model(&usual).await.ok()?;
    let models = tagged(backend, ID_TAG, ledger.tags.get(ID_TAG)?).await.ok()?;
    models.into_iter().find(|model| !is_ledger(model)).map(|model| model.name)
}

/// The hint for the former name of a renamed model.
#[must_use]
pub fn renamed_hint(name: &ModelName) -> String {
    format!("the model was renamed: pass `--model {}`, and set it in hydra.toml", shell_word(name.as_str()))
}

/// Finds the ledger that the model's tags name, under the name in another tag or under any.
async fn search(
    backend: &Backend,
    registered: &RegisteredModel,
    usual: &ModelName,
    identity: Identity,
) -> Result<Place> {
    if let Some(name) = registered.tags.get(NAME_TAG) {
        let name = ModelName::new(name.clone())?;
        let page = read_page(backend, &name, None, PAGE).await?;
        if holds(&page, &identity.id) {
            return Ok(Place { name, identity, page, renamed: false });
        }
    }
    let found = tagged(backend, ID_TAG, &identity.id).await?;
    if !found.iter().any(|model| model.name == registered.name) {
        // The model was read by its name, with this tag: a search that does not find it says nothing about its ledger either.
        return Err(contradictory("a search for a tag does not find the model, which has it", &identity));
    }
    // A ledger whose own id was removed still says whose it is.
    let named = tagged(backend, MODEL_TAG, registered.name.as_str()).await?;
    let mut looked_at = BTreeSet::from([registered.name.clone(), usual.clone()]);
    for found in found.into_iter().chain(named) {
        if !looked_at.insert(found.name.clone()) {
            continue;
        }
        let page = read_page(backend, &found.name, None, PAGE).await?;
        if !holds(&page, &identity.id) {
            continue;
        }
        return match named_by_first_entry(backend, &found.name, registered).await? {
            Origins::Others(why) => Err(not_ours(&found.name, why)),
            // The tags of both name it: damage is a matter for `doctor`.
            Origins::Ours(_) | Origins::Damaged(_) => {
                Ok(Place { name: found.name, identity, page, renamed: true })
            }
        };
    }
    // A ledger without any tag is known by its first entry.
    let forgotten = unlinked(backend, registered).await?;
    if let Some(found) = forgotten.into_iter().find(|found| found.identity.id == identity.id) {
        let page = read_page(backend, &found.ledger, None, PAGE).await?;
        if holds(&page, &identity.id) {
            return Ok(Place { name: found.ledger, identity, page, renamed: true });
        }
    }
    let other = registered.tags.get(NAME_TAG).map(|name| ModelName::new(name.clone())).transpose()?;
    for name in [usual].into_iter().chain(&other) {
        check_absent(backend, name, &identity).await?;
    }
    Err(gone(usual, &identity))
}

/// An error if the ledger is there although its entries were not listed. That it is gone is said only after a second observation,
/// because the remedy gives up its history.
async fn check_absent(backend: &Backend, name: &ModelName, identity: &Identity) -> Result<()> {
    match backend.registry.registered_model(name).await {
        Err(error) if error.kind() == ErrorKind::ModelNotFound => return Ok(()),
        found if found.as_ref().is_ok_and(|found| found.tags.get(ID_TAG) != Some(&identity.id)) => {
            return Ok(());
        }
        found => drop(found?),
    }
    match backend.registry.model_version(name, Version::FIRST).await {
        Err(error) if error.kind() == ErrorKind::VersionNotFound => Ok(()),
        found => {
            drop(found?);
            Err(contradictory("the entries of the ledger are not listed, but there", identity))
        }
    }
}

fn contradictory(why: &str, identity: &Identity) -> Error {
    Error::new(
        ErrorKind::InconsistentAnswers,
        format!("the answers of the store contradict each other: {why}"),
    )
    .with_context("ledger", &identity.id)
    .with_retryable(true)
    .with_hint(
        "repeat the command; if the error stays, check the store and what is between it and this machine",
    )
}

/// The registered models with a tag of that value.
pub(super) async fn tagged(backend: &Backend, key: &str, value: &str) -> Result<Vec<RegisteredModel>> {
    let filter = ModelFilter::Tag(Key::new(key)?, value.to_owned());
    let mut models = Vec::new();
    let mut listing = Listing::at_most(MOST_TAGGED);
    while !listing.is_at_end() {
        let page = backend.registry.registered_models(&filter, PAGE, listing.token()).await?;
        listing.advance(&page)?;
        models.extend(page.items);
    }
    Ok(models)
}

/// What the first entry of a registered model says about whose ledger it is.
pub(super) enum Origins {
    /// This model's.
    Ours(Identity),
    /// Another model's, or not a ledger; for people.
    Others(&'static str),
    /// That of a model of this name, but the first entry cannot be read.
    Damaged(Error),
}

/// The identity that the first entry states. It is this model's if it was created with it: a name can be given away and taken
/// again, a time cannot.
pub(super) async fn named_by_first_entry(
    backend: &Backend,
    name: &ModelName,
    registered: &RegisteredModel,
) -> Result<Origins> {
    let first = match backend.registry.model_version(name, Version::FIRST).await {
        Err(error) if error.kind() == ErrorKind::VersionNotFound => {
            return headless(backend, name, registered, "its first entry was deleted").await;
        }
        other => other?,
    };
    let id = first.source.strip_prefix(&source_uri("")).unwrap_or_default().to_owned();
    let record = match Reading::of(&first, &id) {
        Reading::Record(record) => record,
        Reading::Newer(entry) => {
            return Ok(Origins::Damaged(errors::newer(Version::FIRST.get(), &entry)));
        }
        Reading::Damaged(flaw) => {
            return headless(
                backend,
                name,
                registered,
                &format!("its first version is not an entry: {flaw}"),
            )
            .await;
        }
    };
    Ok(match record.entry.origin {
        Some(origin) if origin.model_created_at == registered.created_at => {
            Origins::Ours(Identity { id, run_id: origin.run_id, older_runs: Vec::new() })
        }
        _ => Origins::Others("it was created for another model, or for a deleted model with the same name"),
    })
}

/// A registered model without a first entry: a ledger of ours that was damaged, or not a ledger at all.
async fn headless(
    backend: &Backend,
    name: &ModelName,
    registered: &RegisteredModel,
    why: &str,
) -> Result<Origins> {
    let found = match backend.registry.registered_model(name).await {
        Err(error) if error.kind() == ErrorKind::ModelNotFound => {
            return Ok(Origins::Others("it does not exist"));
        }
        other => other?,
    };
    let ours = found.tags.get(MODEL_TAG).is_some_and(|of| of == registered.name.as_str());
    let page = read_page(backend, name, None, PAGE).await?;
    let entry = page.items.iter().find(|version| version.tags.contains_key(ENTRY_TAG));
    Ok(match entry.and_then(|entry| entry.source.strip_prefix(&source_uri(""))) {
        Some(id) if ours => {
            let hint = format!(
                "set the tag `{ID_TAG}` of the registered model `{}` to `{id}` in MLflow, and `{RUN_TAG}` to the run `lifecycle ledger of {}`; \
                 then run `hydra-registry doctor`",
                registered.name, registered.name
            );
            Origins::Damaged(not_ours(name, why).with_hint(hint))
        }
        _ => Origins::Others("it is not a ledger of hydra-registry"),
    })
}

pub(super) async fn set_tag(backend: &Backend, model: &ModelName, key: &str, value: &str) -> Result<()> {
    backend.registry.set_registered_model_tag(model, &Key::new(key)?, value).await
}

pub(super) fn not_ours(name: &ModelName, why: &str) -> Error {
    Error::new(ErrorKind::LedgerIdentity, format!("`{name}` is not the ledger of this model: {why}"))
        .with_hint("run `hydra-registry doctor` to see where the ledger is")
}

fn gone(name: &ModelName, identity: &Identity) -> Error {
    Error::new(ErrorKind::LedgerGone, format!("the ledger `{name}` of this model does not exist"))
        .with_context("ledger", &identity.id)
        .with_context("run of its archive", &identity.run_id)
        .with_hint(
            "restore that registered model from a backup of MLflow's database; if there is none, run `hydra-registry doctor --fix` to begin a \
             new ledger, whose first entry names the lost one",
        )
}
