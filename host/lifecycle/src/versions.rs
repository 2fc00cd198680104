//! Versions by their numbers, with as few requests as the numbers allow.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{ModelName, Version};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::ModelVersion;

/// The numbers that one search asks for. More of them are cheaper to ask for one by one.
const WIDEST: u64 = 32;

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
            let answers = join_all(numbers.iter().map(|number| registry.model_version(model, *number))).await;
            for (number, answer) in numbers.iter().zip(answers) {
                match answer {
                    Ok(version) => drop(found.insert(*number, version)),
                    Err(error) if error.kind() == ErrorKind::VersionNotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(found)
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
