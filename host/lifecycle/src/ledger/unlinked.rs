//! A ledger that the tags of its model do not name. Tags can be removed and names changed; the first entry still says for which model
//! the ledger was created.

use std::collections::BTreeSet;

use crate::doctor::Finding;
use crate::evidence::EXPERIMENTS_TAG;
use crate::ledger::identity::{
    ARCHIVES_TAG, FORMER_TAG, ID_TAG, Identity, MODEL_TAG, NAME_TAG, Origins, RUN_TAG, is_ledger, mirrored,
    named_by_first_entry,
};
use crate::ledger::mirror::POLICY_TAG;
use hydra_base::error::Result;
use hydra_base::names::{Alias, ExperimentId, ModelName, RunId};
use hydra_base::pattern::NamePattern;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{ModelFilter, RegisteredModel, RunStatus};
use hydra_mlflow::listing::Listing;

/// How the description of a ledger's registered model begins.
pub(super) const DESCRIPTION: &str = "Lifecycle ledger of the registered model";

/// How many registered models one request asks for.
const PAGE: usize = 100;

/// How many of the newest runs are looked at for an archive.
const MOST_RUNS: usize = 2_000;

/// The most registered models that are looked through.
const MOST_MODELS: usize = 100_000;

/// The tags that a model has only since it has a ledger.
const SIGNS: [&str; 7] = [ID_TAG, RUN_TAG, NAME_TAG, ARCHIVES_TAG, FORMER_TAG, EXPERIMENTS_TAG, POLICY_TAG];

/// What shows that a model without a ledger had one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Former {
    /// A registered model whose first entry says that it is the ledger of this model.
    Unlinked {
        /// The registered model.
        ledger: ModelName,
        /// The other model that its tag names, if one does: then it is not used, because a person may have set the tag for that.
        names: Option<String>,
    },
    /// A tag of the model, and no such ledger was found.
    Tag(&'static str),
    /// The run with the archive of a ledger, and neither such a ledger nor a tag was found.
    Run(RunId),
}

impl Former {
    /// What is known of a model without a ledger: nothing is asked where neither its tags nor its aliases show a past. An archive is
    /// looked for in `experiment`, among the newest runs.
    pub async fn of(
        backend: &Backend,
        registered: &RegisteredModel,
        experiment: Option<&ExperimentId>,
    ) -> Result<Option<Self>> {
        if mirrored(registered)?.is_some() || !has_past(registered) {
            return Ok(None);
        }
        let found = unlinked(backend, registered).await?;
        let found = found.into_iter().min_by_key(|found| found.names.is_some());
        let found = found.map(|found| Self::Unlinked { ledger: found.ledger, names: found.names });
        let known = found.or_else(|| sign(registered).map(Self::Tag));
        Ok(match (known, experiment) {
            (None, Some(experiment)) => archive(backend, registered, experiment).await?.map(Self::Run),
            (known, _) => known,
        })
    }

    /// [`Self::of`] for a model whose tags say that it had a ledger; nothing is asked about others.
    pub async fn by_tags(backend: &Backend, registered: &RegisteredModel) -> Result<Option<Self>> {
        if sign(registered).is_some() { Self::of(backend, registered, None).await } else { Ok(None) }
    }

    /// Whether the next decision begins with what is left, instead of a person who knows which ledger it should be.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        !matches!(self, Self::Unlinked { names: Some(_), .. })
    }
}

impl From<Former> for Finding {
    fn from(former: Former) -> Self {
        match former {
            Former::Unlinked { ledger, names } => Self::UnlinkedLedger { ledger, names },
            Former::Tag(tag) => Self::LostLedger {
                why: format!("the model has no ledger, and its tag `{tag}` shows that it had one"),
            },
            Former::Run(run) => Self::LostLedger {
                why: format!("the model has no ledger, and run {run} is the archive of one"),
            },
        }
    }
}

/// A ledger that no tag of its model names.
pub(super) struct Unlinked {
    pub ledger: ModelName,
    pub identity: Identity,
    /// The other model that its tag names.
    pub names: Option<String>,
}

/// The tag of a model that says that it has, or had, a ledger.
pub(super) fn sign(registered: &RegisteredModel) -> Option<&'static str> {
    SIGNS.into_iter().find(|tag| registered.tags.contains_key(*tag))
}

/// Whether the model may have had a ledger. One that was only logged to has none.
pub(super) fn has_past(registered: &RegisteredModel) -> bool {
    let on = |alias: Alias| registered.aliases.contains_key(&alias);
    sign(registered).is_some() || on(Alias::CHAMPION) || on(Alias::ARCHIVED)
}

/// The ledgers of this model that another model's tags do not name: all registered models are listed, and of the ledgers among them
/// the first entries are read.
pub(super) async fn unlinked(backend: &Backend, registered: &RegisteredModel) -> Result<Vec<Unlinked>> {
    let (mut ledgers, mut used) = (Vec::new(), BTreeSet::new());
    let filter = ModelFilter::Name(NamePattern::new("*")?);
    let mut listing = Listing::at_most(MOST_MODELS);
    while !listing.is_at_end() {
        let page = backend.registry.registered_models(&filter, PAGE, listing.token()).await?;
        listing.advance(&page)?;
        for mut model in page.items {
            let id = model.tags.remove(ID_TAG);
            if is_ledger(&model) || model.description.starts_with(DESCRIPTION) {
                ledgers.push((model.name, id, model.tags.remove(MODEL_TAG)));
            } else if model.name != registered.name {
                used.extend(id);
            }
        }
    }
    let mut found = Vec::new();
    for (ledger, id, names) in ledgers {
        if id.is_some_and(|id| used.contains(&id)) {
            continue;
        }
        if let Origins::Ours(identity) = named_by_first_entry(backend, &ledger, registered).await? {
            let names = names.filter(|names| names != registered.name.as_str());
            found.push(Unlinked { ledger, identity, names });
        }
    }
    Ok(found)
}

/// A run with the archive of a ledger of this model, and not of a deleted one of the same name.
async fn archive(
    backend: &Backend,
    registered: &RegisteredModel,
    experiment: &ExperimentId,
) -> Result<Option<RunId>> {
    let (mut listing, mut looked_at) = (Listing::default(), 0);
    while !listing.is_at_end() && looked_at < MOST_RUNS {
        let runs = &backend.tracking;
        let page = runs.runs_by_status(experiment, RunStatus::Finished, PAGE, listing.token()).await?;
        listing.advance(&page)?;
        looked_at += PAGE;
        let ours = page.items.into_iter().find(|run| {
            run.tags.get(MODEL_TAG).is_some_and(|of| of == registered.name.as_str())
                && run.start_time.is_some_and(|started| started >= registered.created_at)
        });
        if let Some(run) = ours {
            return Ok(Some(run.id));
        }
    }
    Ok(None)
}
