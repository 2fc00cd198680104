//! Pushing components.

use reqwest::{Method, StatusCode};

use super::connection::{Access, Call, Connection};
use super::manifest::{
    self, Descriptor, IMAGE_MANIFEST, Interfaces, Manifest, WASM_CONFIG, WASM_LAYER, WasmConfig,
};
use super::pull::Repository;
use super::{Oci, Reference};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};

/// The name of a file that a layer is; `oras pull` writes it.
const TITLE: &str = "org.opencontainers.image.title";

/// What was pushed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pushed {
    /// The reference, with the digest of the manifest.
    pub reference: Reference,
    /// The SHA-256 of the manifest.
    pub manifest: Sha256,
}

impl Oci {
    /// Pushes a component under a tag, which from then on names it. Equal components of one file name are equal artifacts.
    pub async fn push(
        &self,
        reference: &Reference,
        component: &[u8],
        file_name: &str,
        interfaces: &Interfaces,
    ) -> Result<Pushed> {
        let (Some(tag), None) = (reference.tag(), reference.digest()) else {
            let message = format!("an artifact is pushed under a tag, without a digest: `{reference}`");
            return Err(Error::new(ErrorKind::InvalidReference, message)
                .with_hint("write it like `oci://registry.example.com/policies/gate:1.2`"));
        };
        if is_of_signatures(tag) {
            let message = format!("the tag is one of those that hold the signatures of an artifact: `{tag}`");
            return Err(Error::new(ErrorKind::InvalidReference, message).with_hint("push under another tag"));
        }
        let repository = Repository::new(self, reference, Access::Push);
        let connection = repository.connection().await?;
        let mut layer = Descriptor::of(WASM_LAYER, component);
        layer.annotations = Some([(TITLE.to_owned(), file_name.to_owned())].into());
        let config = manifest::encode(&WasmConfig::new(&layer, interfaces))?;
        put_blob(connection, component).await?;
        put_blob(connection, &config).await?;
        let manifest = Manifest::new(Descriptor::of(WASM_CONFIG, &config), vec![layer]);
        let bytes = manifest::encode(&manifest)?;
        put_manifest(connection, tag, IMAGE_MANIFEST, bytes.clone()).await?;
        let digest = Sha256::of(&bytes);
        Ok(Pushed { reference: reference.at(digest), manifest: digest })
    }
}

/// Whether registries and `cosign` keep under a tag what refers to an artifact: `sha256-<digest>`, also with an ending.
fn is_of_signatures(tag: &str) -> bool {
    let digits = tag.strip_prefix("sha256-").and_then(|rest| rest.split('.').next());
    digits.is_some_and(|digits| digits.parse::<Sha256>().is_ok())
}

/// Uploads a part of an artifact, unless the repository has it.
pub(super) async fn put_blob(connection: &Connection, bytes: &[u8]) -> Result<()> {
    let digest = format!("sha256:{}", Sha256::of(bytes));
    let known =
        connection.send(&Call::new(Method::HEAD, connection.url(&format!("blobs/{digest}"))?)).await?;
    if known.status() == StatusCode::OK {
        return Ok(());
    }
    let begun = connection.send(&Call::new(Method::POST, connection.url("blobs/uploads/")?)).await?;
    if begun.status() != StatusCode::ACCEPTED {
        return Err(connection.refused(begun).await);
    }
    let mut url = connection.location_here(&begun)?;
    url.query_pairs_mut().append_pair("digest", &digest);
    let mut call = Call::new(Method::PUT, url);
    call.bytes = bytes.len() as u64;
    call.body = Some(("application/octet-stream", bytes.to_vec()));
    let done = connection.send(&call).await?;
    if done.status() == StatusCode::CREATED { Ok(()) } else { Err(connection.refused(done).await) }
}

/// Puts a document under a tag or its digest. Says whether the registry lists it among what refers to its subject.
pub(super) async fn put_manifest(
    connection: &Connection,
    target: &str,
    media_type: &'static str,
    bytes: Vec<u8>,
) -> Result<bool> {
    let mut call = Call::new(Method::PUT, connection.url(&format!("manifests/{target}"))?);
    call.bytes = bytes.len() as u64;
    call.body = Some((media_type, bytes));
    let done = connection.send(&call).await?;
    if done.status() != StatusCode::CREATED {
        return Err(connection.refused(done).await);
    }
    Ok(done.headers().contains_key("oci-subject"))
}
