//! Which evaluations of versions cannot be used any more.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};

use super::EvaluationRef;
use super::check::check;
use super::reading::{describe, read};
use super::reference::references;
use hydra_base::Sha256;
use hydra_base::names::{DatasetName, Version};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_evaluation::VersionId;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::ModelVersion;
use hydra_models::candidate::SHA256_TAG;

/// How many documents are read side by side.
const AT_ONCE: usize = 2;

/// The versions that a document measures, with the digests of their model files.
type Measured = Vec<(VersionId, Sha256)>;

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
    let reads: Vec<_> =
        named.iter().map(|(dataset, reference)| measured(backend, dataset, reference).boxed()).collect();
    let answers: Vec<_> = stream::iter(reads).buffered(AT_ONCE).collect().await;
    let documents: BTreeMap<_, _> = named.iter().zip(answers).collect();
    let mut unusable = Vec::new();
    for version in versions {
        for (dataset, found) in references(&version.tags) {
            let flaw = match found {
                Err(error) => Some(format!("the tag is malformed: {}", describe(&error))),
                Ok(named) => match documents.get(&named) {
                    Some(Ok(measured)) => contradiction(measured, version),
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

/// What a document measures, or why it cannot be used.
async fn measured(
    backend: &Backend,
    dataset: &DatasetName,
    reference: &EvaluationRef,
) -> Result<Measured, String> {
    let (document, _) =
        read(backend, None, dataset, reference).await.map_err(|(_, error)| describe(&error))?;
    check(&document).map_err(|(_, why)| why)?;
    Ok(document.versions.into_iter().map(|one| (one.version, one.model_sha256)).collect())
}

/// What a document says otherwise than the version that refers to it.
fn contradiction(measured: &Measured, version: &ModelVersion) -> Option<String> {
    let id = VersionId::Registered(version.version);
    let Some((_, sha256)) = measured.iter().find(|(measured, _)| *measured == id) else {
        return Some("its document does not measure the version".to_owned());
    };
    let digest = version.tags.get(SHA256_TAG)?;
    let is_other = *digest != sha256.to_string();
    is_other.then(|| "its document measures another model file".to_owned())
}

#[cfg(test)]
mod tests;
