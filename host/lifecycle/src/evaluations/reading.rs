//! Reading the documents to which tags refer.

use super::gather::MAX_DATASETS;
use super::reference::references;
use super::{EvaluationFlaw, EvaluationRef};
use crate::document_cache::DocumentCache;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{DatasetName, Version};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Sha256, json};
use hydra_evaluation::Evaluation as Document;
use hydra_mlflow::artifacts::read_whole;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::Tags;
use hydra_mlflow::uri::{ArtifactUri, Location};

/// The most bytes of a document.
pub(super) const MAX_BYTES: u64 = 8 << 20;

/// The most values in a document, which bound the memory of the parsed one.
const MAX_VALUES: usize = 500_000;

/// The most characters of an error in a sentence about an evaluation.
const MAX_WHY_CHARS: usize = 300;

/// The document of a dataset to which a tag refers, and its size in bytes: from the cache, if it was read before.
pub(super) async fn read(
    backend: &Backend,
    cache: Option<&DocumentCache>,
    dataset: &DatasetName,
    reference: &EvaluationRef,
) -> Result<(Document, u64), (EvaluationFlaw, Error)> {
    let bytes = match cache.map(|cache| cache.get(reference.sha256)) {
        Some(cached) => cached.await.map_err(unreadable)?,
        None => None,
    };
    let is_new = bytes.is_none();
    let bytes = match bytes {
        Some(bytes) => bytes,
        None => fetch(backend, reference).await?,
    };
    let document = parse(&bytes)?;
    if document.dataset.name != *dataset {
        let error = Error::new(ErrorKind::Integrity, "its document is about another dataset")
            .with_context("dataset", &document.dataset.name);
        return Err((EvaluationFlaw::OtherDataset, error));
    }
    let size = bytes.len() as u64;
    if let Some(cache) = cache.filter(|_| is_new) {
        cache.put(reference.sha256, bytes).await.map_err(unreadable)?;
    }
    Ok((document, size))
}

/// The evaluations to which the `tags` of a version refer, by the names of their datasets. Those that cannot be read are left out,
/// and logged.
pub async fn recorded(
    backend: &Backend,
    cache: Option<&DocumentCache>,
    version: Version,
    tags: &Tags,
) -> Vec<Document> {
    let mut documents = Vec::new();
    for (name, reference) in references(tags).take(MAX_DATASETS) {
        let document = match &reference {
            Ok((dataset, reference)) => {
                read(backend, cache, dataset, reference).await.map_err(|(_, why)| why)
            }
            Err(error) => Err(Error::new(error.kind(), error.to_string())),
        };
        match document {
            Ok((document, _)) => documents.push(document),
            Err(error) => {
                let (why, dataset) = (describe(&error), excerpt(name, QUOTED_CHARS));
                tracing::warn!(%version, dataset, why, "cannot read an evaluation");
            }
        }
    }
    documents
}

/// An error with its causes, on one line.
pub(super) fn describe(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    excerpt(text, MAX_WHY_CHARS)
}

async fn fetch(backend: &Backend, reference: &EvaluationRef) -> Result<Vec<u8>, (EvaluationFlaw, Error)> {
    let (root, file) = split(&reference.uri).map_err(|error| (EvaluationFlaw::MalformedTag, error))?;
    let artifacts = backend.artifact_store(&root).await.map_err(unreadable)?;
    let Some(bytes) = read_whole(artifacts.as_ref(), file, MAX_BYTES).await.map_err(unreadable)? else {
        let error = Error::new(ErrorKind::Integrity, "its document is too large")
            .with_context("limit", format!("{MAX_BYTES} bytes"));
        return Err((EvaluationFlaw::TooLarge, error));
    };
    if json::values(&bytes) > MAX_VALUES {
        let error = Error::new(ErrorKind::Integrity, "its document has too many values")
            .with_context("limit", MAX_VALUES);
        return Err((EvaluationFlaw::TooLarge, error));
    }
    let found = Sha256::of(&bytes);
    if found != reference.sha256 {
        let error = Error::new(ErrorKind::Integrity, "its document does not have the digest in the tag")
            .with_context("expected sha256", reference.sha256)
            .with_context("sha256", found);
        return Err((EvaluationFlaw::Altered, error));
    }
    Ok(bytes)
}

/// The directory and the name of the file at an artifact URI.
fn split(uri: &str) -> Result<(ArtifactUri, &str)> {
    let root = uri.rfind('/').map_or(0, |slash| slash + 1);
    let (root, file) = uri.split_at(root);
    let root = ArtifactUri::new(root)?;
    match root.location() {
        // Its root has no other form.
        Location::Model(_) => Ok((root, file)),
        _ => Ok((ArtifactUri::new(root.as_str().trim_end_matches('/'))?, file)),
    }
}

fn parse(bytes: &[u8]) -> Result<Document, (EvaluationFlaw, Error)> {
    Document::from_json(bytes).map_err(|error| match error.kind() {
        ErrorKind::Unsupported => (EvaluationFlaw::Unsupported, error),
        _ => (EvaluationFlaw::Malformed, error),
    })
}

fn unreadable(error: Error) -> (EvaluationFlaw, Error) {
    let flaw = match error.kind() {
        ErrorKind::ArtifactNotFound | ErrorKind::NotFound => EvaluationFlaw::Missing,
        _ => EvaluationFlaw::Unreadable,
    };
    (flaw, error)
}
