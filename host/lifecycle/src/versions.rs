//! Versions by their numbers, with as few requests as the numbers allow.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;

use futures_util::Stream;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{ModelName, Version};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::ModelVersion;

/// The numbers that one search asks for. More of them are cheaper to ask for one by one.
const WIDEST: u64 = 32;

/// How many requests are sent side by side.
const AT_ONCE: usize = 16;

/// How many of the newest versions [`newest`] asks for.
const NEWEST: usize = 32;

/// The versions of these numbers that exist: one search where the numbers lie close together, else one request each, side by
/// side. MLflow's filters have neither `IN` for version numbers nor `OR`.
pub(crate) async fn of_numbers(
    backend: &Backend,
    model: &ModelName,
    numbers: &BTreeSet<Version>,
) -> Result<BTreeMap<Version, ModelVersion>> {
    let registry = &backend.registry;
    let mut found = BTreeMap::new();
    match (numbers.first(), numbers.last()) {
        (Some(lowest), Some(highest)) if lowest < highest && highest.get() - lowest.get() <= WIDEST => {
            let all = registry.versions_between(model, *lowest, *highest).await?;
            let wanted = all.into_iter().filter(|version| numbers.contains(&version.version));
            found.extend(wanted.map(|version| (version.version, version)));
        }
        _ => {
            let mut answers = side_by_side(numbers, |number| one(backend, model, number));
            while let Some(version) = answers.try_next().await? {
                found.extend(version.map(|version| (version.version, version)));
            }
        }
    }
    Ok(found)
}

/// Those of the numbers that exist. There may be many of them, so what they hold is not kept.
pub(crate) async fn existing(
    backend: &Backend,
    model: &ModelName,
    numbers: &BTreeSet<Version>,
) -> Result<BTreeSet<Version>> {
    if let (Some(lowest), Some(highest)) = (numbers.first(), numbers.last())
        && highest.get() - lowest.get() <= WIDEST
    {
        return Ok(of_numbers(backend, model, numbers).await?.into_keys().collect());
    }
    let number_of = async |number| Ok(one(backend, model, number).await?.map(|version| version.version));
    side_by_side(numbers, number_of).try_filter_map(|number| ready(Ok(number))).try_collect().await
}

async fn one(backend: &Backend, model: &ModelName, number: Version) -> Result<Option<ModelVersion>> {
    match backend.registry.model_version(model, number).await {
        Err(error) if error.kind() == ErrorKind::VersionNotFound => Ok(None),
        found => found.map(Some),
    }
}

/// What `ask` finds for each number, in the order of the numbers.
fn side_by_side<'a, T: 'a, F: Future<Output = Result<T>> + 'a>(
    numbers: &'a BTreeSet<Version>,
    ask: impl Fn(Version) -> F + 'a,
) -> impl Stream<Item = Result<T>> + Unpin + 'a {
    Box::pin(stream::iter(numbers).map(move |number| ask(*number)).buffered(AT_ONCE))
}

/// The newest versions, to be asked for beside the aliases: those that matter are mostly among them, and then no request has
/// to wait for the aliases. None on a local store, where nothing is saved by it.
pub(crate) async fn newest(backend: &Backend, model: &ModelName) -> Result<Vec<ModelVersion>> {
    if backend.registry.atomic().is_some() {
        return Ok(Vec::new());
    }
    let mut newest = backend.registry.model_versions(model, None, NEWEST, None).await?.items;
    // A server reads the tags of a page with a second query. What is registered between the two pushes the oldest versions
    // out of that, and they come without their tags.
    while newest.len() > NEWEST / 2 && newest.last().is_some_and(|oldest| oldest.tags.is_empty()) {
        newest.pop();
    }
    Ok(newest)
}
