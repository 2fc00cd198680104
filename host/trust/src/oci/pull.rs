//! Fetching components.

use reqwest::Method;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use super::connection::{Access, Call, Connection};
use super::failure::protocol;
use super::manifest::{self, ACCEPTED, Descriptor, Document, Manifest};
use super::{Oci, Reference};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};

/// The header with the digest of a manifest.
const DIGEST_HEADER: &str = "docker-content-digest";

/// A component from a registry.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Component {
    /// The bytes, of the digest that the manifest names.
    pub bytes: Vec<u8>,
    /// The reference, with the digest of the manifest: what the tag meant when it was resolved.
    pub reference: Reference,
    /// The SHA-256 of the manifest, which signatures are about.
    pub manifest: Sha256,
    /// The bytes of the manifest.
    pub document: Vec<u8>,
}

/// A manifest with its digest.
pub(super) struct Located {
    pub manifest: Manifest,
    pub digest: Sha256,
    pub bytes: Vec<u8>,
    pub media_type: String,
}

/// A repository, connected when the first request needs it.
pub(super) struct Repository<'a> {
    oci: &'a Oci,
    pub reference: &'a Reference,
    access: Access,
    connection: tokio::sync::OnceCell<Connection>,
}

impl<'a> Repository<'a> {
    pub(super) fn new(oci: &'a Oci, reference: &'a Reference, access: Access) -> Self {
        Self { oci, reference, access, connection: tokio::sync::OnceCell::new() }
    }

    pub(super) async fn connection(&self) -> Result<&Connection> {
        self.connection.get_or_try_init(|| self.oci.connect(self.reference, self.access)).await
    }
}

impl Oci {
    /// Fetches the component of a reference, at most `most` bytes, from the cache if that has it. A tag is resolved once, and what it
    /// named then is what comes; that needs the registry.
    ///
    /// [`ErrorKind::PolicyArtifactNotFound`], [`ErrorKind::ArtifactLayout`] or [`ErrorKind::ManifestList`] if the reference names
    /// no component; [`ErrorKind::Integrity`] if something does not have its digest; [`ErrorKind::PolicySize`] and
    /// [`ErrorKind::ManifestSize`] for more than is read; other kinds if the registry does not answer or refuses.
    pub async fn component(&self, reference: &Reference, most: u64) -> Result<Component> {
        let repository = Repository::new(self, reference, Access::Pull);
        let located = self.locate(&repository).await?;
        let layer = located.manifest.component()?;
        let digest = layer.sha256()?;
        if layer.size > most {
            return Err(too_large(reference, most).with_context("bytes", layer.size));
        }
        let kept = match &self.cache {
            Some(cache) => cache.component(digest, most).await?,
            None => None,
        };
        let bytes = match kept {
            Some(bytes) => bytes,
            None => {
                let bytes = blob(repository.connection().await?, reference, layer, most).await?;
                if let Some(cache) = &self.cache {
                    cache.keep_component(digest, bytes.clone()).await?;
                }
                bytes
            }
        };
        let (reference, manifest) = (reference.at(located.digest), located.digest);
        Ok(Component { bytes, reference, manifest, document: located.bytes })
    }

    /// The manifest that a reference names, and of a list the one for WebAssembly.
    pub(super) async fn locate(&self, repository: &Repository<'_>) -> Result<Located> {
        let reference = repository.reference;
        let first = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => self.document_of(repository, digest).await?,
            (None, Some(tag)) => {
                let connection = repository.connection().await?;
                let found = document(connection, reference, tag, None).await.map_err(offline_hint)?;
                let (bytes, found) = found.ok_or_else(|| not_found(reference))?;
                self.keep(&bytes).await?;
                (bytes, found)
            }
            (None, None) => return Err(not_found(reference)),
        };
        let (bytes, document) = match first {
            (_, Document::Index(index)) => {
                let digest = index.for_wasm()?.sha256()?;
                self.document_of(repository, digest).await?
            }
            manifest => manifest,
        };
        match document {
            Document::Manifest(manifest) => Ok(Located {
                digest: Sha256::of(&bytes),
                media_type: if manifest.media_type.is_empty() {
                    manifest::IMAGE_MANIFEST.to_owned()
                } else {
                    manifest.media_type.clone()
                },
                manifest: *manifest,
                bytes,
            }),
            Document::Index(_) => {
                let message = "the reference names a list of artifacts that holds another list";
                Err(Error::new(ErrorKind::ManifestList, message).with_context("reference", reference))
            }
        }
    }

    /// The document of a digest, from the cache if that has it.
    async fn document_of(&self, repository: &Repository<'_>, digest: Sha256) -> Result<(Vec<u8>, Document)> {
        if let Some(cache) = &self.cache
            && let Some(bytes) = cache.manifest(digest).await?
            && let Ok(found) = Document::parse(&bytes, manifest::IMAGE_MANIFEST)
        {
            return Ok((bytes, found));
        }
        let (connection, target) = (repository.connection().await?, format!("sha256:{digest}"));
        let found = document(connection, repository.reference, &target, Some(digest)).await?;
        let (bytes, found) = found.ok_or_else(|| not_found(repository.reference))?;
        self.keep(&bytes).await?;
        Ok((bytes, found))
    }

    async fn keep(&self, bytes: &[u8]) -> Result<()> {
        match &self.cache {
            Some(cache) => cache.keep_manifest(Sha256::of(bytes), bytes.to_vec()).await,
            None => Ok(()),
        }
    }
}

/// The document behind a tag or a digest; none if there is none. With `expected`, it has that digest.
pub(super) async fn document(
    connection: &Connection,
    reference: &Reference,
    target: &str,
    expected: Option<Sha256>,
) -> Result<Option<(Vec<u8>, Document)>> {
    let mut call = Call::new(Method::GET, connection.url(&format!("manifests/{target}"))?);
    call.accept = Some(ACCEPTED);
    let answer = connection.send(&call).await?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        _ => return Err(connection.refused(answer).await),
    }
    let header =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (said, content_type) = (header(DIGEST_HEADER), header(CONTENT_TYPE.as_str()));
    let bytes = connection.read(answer, manifest::MAX_BYTES).await?.ok_or_else(manifest::too_large)?;
    let found = Sha256::of(&bytes);
    let said =
        said.as_deref().and_then(|said| said.strip_prefix("sha256:")).and_then(|said| said.parse().ok());
    if let Some(wanted) = expected.or(said).filter(|wanted| *wanted != found) {
        return Err(Error::new(
            ErrorKind::Integrity,
            "the manifest does not have the digest that was asked for",
        )
        .with_context("reference", reference)
        .with_context("expected", wanted)
        .with_context("found", found));
    }
    let document = Document::parse(&bytes, content_type.as_deref().unwrap_or_default())
        .map_err(|error| error.with_context("reference", reference))?;
    Ok(Some((bytes, document)))
}

/// The bytes of a part of an artifact, compared with its digest and size.
pub(super) async fn blob(
    connection: &Connection,
    reference: &Reference,
    part: &Descriptor,
    most: u64,
) -> Result<Vec<u8>> {
    let digest = part.sha256()?;
    let mut call = Call::new(Method::GET, connection.url(&format!("blobs/sha256:{digest}"))?);
    call.bytes = part.size.min(most);
    let answer = connection.follow(call).await?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => {
            return Err(protocol("the registry does not have a part of the artifact", reference)
                .with_context("digest", digest));
        }
        _ => return Err(connection.refused(answer).await),
    }
    let limit = most.min(part.size);
    let bytes = connection.read(answer, limit).await?;
    // More bytes than the manifest says have another digest, too.
    let bytes = bytes.filter(|bytes| bytes.len() as u64 == part.size && Sha256::of(bytes) == digest);
    bytes.ok_or_else(|| {
        Error::new(ErrorKind::Integrity, "a part of the artifact does not have its digest and size")
            .with_context("reference", reference)
            .with_context("digest", digest)
            .with_context("size", part.size)
    })
}

pub(super) fn not_found(reference: &Reference) -> Error {
    Error::new(ErrorKind::PolicyArtifactNotFound, "the registry does not have the artifact")
        .with_context("reference", reference)
        .with_hint("check the repository and the tag; some registries say this, too, if the credentials do not permit to read it")
}

fn too_large(reference: &Reference, most: u64) -> Error {
    Error::new(ErrorKind::PolicySize, "the component in the registry is larger than the budget allows")
        .with_context("reference", reference)
        .with_context("limit", most)
        .with_hint("raise the limit with `--budget component-bytes=…`")
}

/// What to do where a tag cannot be resolved.
fn offline_hint(error: Error) -> Error {
    if !matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) {
        return error;
    }
    error.with_hint("a tag needs the registry; refer to a policy that was fetched before by its digest: `oci://…@sha256:…`")
}
