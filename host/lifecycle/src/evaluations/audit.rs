//! Which evaluations of versions cannot be used any more.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::EvaluationRef;
use super::check::check;
use super::reading::{describe, read};
use super::reference::references;
use hydra_base::names::{DatasetName, Version};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_evaluation::{Evaluation as Document, VersionId};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::ModelVersion;
use hydra_models::candidate::SHA256_TAG;

/// A tag of a version whose document is missing or is not the one that was recorded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// The version.
    pub(crate) version: Version,
    /// The name of the dataset, or what the tag has in its place.
    pub(crate) dataset: String,
    /// The reason, for people.
    pub(crate) why: String,
}

/// The tags of `versions` whose documents cannot be used. Each document is read once, from the store.
pub(crate) async fn unusable(backend: &Backend, versions: &[ModelVersion]) -> Vec<Unusable> {
    let named: BTreeSet<(DatasetName, EvaluationRef)> = versions
        .iter()
        .flat_map(|version| references(&version.tags))
        .filter_map(|(_, found)| found.ok())
        .collect();
    let answers = named.iter().map(async |(dataset, reference)| {
        let document =
            read(backend, None, dataset, reference).await.map_err(|(_, error)| describe(&error))?;
        check(&document).map_err(|(_, why)| why)?;
        Ok::<Document, String>(document)
    });
    let answers = join_all(answers).await;
    let documents: BTreeMap<_, _> = named.iter().zip(answers).collect();
    let mut unusable = Vec::new();
    for version in versions {
        for (dataset, found) in references(&version.tags) {
            let flaw = match found {
                Err(error) => Some(format!("the tag is malformed: {}", describe(&error))),
                Ok(named) => match documents.get(&named) {
                    Some(Ok(document)) => contradiction(document, version),
                    Some(Err(why)) => Some(why.clone()),
                    None => None,
                },
            };
            let dataset = excerpt(dataset, QUOTED_CHARS);
            unusable.extend(flaw.map(|why| Unusable { version: version.version, dataset, why }));
        }
    }
    unusable
}

/// What a document says otherwise than the version that refers to it.
fn contradiction(document: &Document, version: &ModelVersion) -> Option<String> {
    let id = VersionId::Registered(version.version);
    let Some(measured) = document.versions.iter().find(|one| one.version == id) else {
        return Some("its document does not measure the version".to_owned());
    };
    let digest = version.tags.get(SHA256_TAG)?;
    let is_other = *digest != measured.model_sha256.to_string();
    is_other.then(|| "its document measures another model file".to_owned())
}

#[cfg(test)]
mod tests;
