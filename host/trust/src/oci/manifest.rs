//! The documents of a registry: manifests, lists of them, and the configuration of WebAssembly artifacts.
//!
//! A component is laid out as the CNCF's TAG Runtime describes
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>): an image manifest whose configuration has the type
//! `application/vnd.wasm.config.v0+json`, with one layer, the component.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::json;
use hydra_base::text::{QUOTED_CHARS, excerpt};

pub(super) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What is asked for where a manifest or a list can be.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                                   application/vnd.docker.distribution.manifest.v2+json, \
                                   application/vnd.docker.distribution.manifest.list.v2+json";

/// The type of the configuration of a WebAssembly artifact.
pub(super) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The type of a component.
pub(super) const WASM_LAYER: &str = "application/wasm";
/// The type of a component in artifacts of Kubewarden and older tools.
const OLD_WASM_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";

/// The most bytes and values of a manifest or a list.
pub(super) const MAX_BYTES: u64 = 1 << 20;
const MAX_VALUES: usize = 50_000;

/// A part of an artifact.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// For which machines a part is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

impl Descriptor {
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: format!("sha256:{}", Sha256::of(bytes)),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: None,
            platform: None,
        }
    }

    /// The digest; [`ErrorKind::ArtifactLayout`] for another algorithm than SHA-256.
    pub(super) fn sha256(&self) -> Result<Sha256> {
        let digits = self.digest.strip_prefix("sha256:").and_then(|digits| digits.parse().ok());
        digits.ok_or_else(|| {
            let digest = excerpt(&self.digest, QUOTED_CHARS);
            Error::new(ErrorKind::ArtifactLayout, format!("the digest is not a SHA-256: `{digest}`"))
        })
    }
}

/// An artifact.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
}

impl Manifest {
    pub(super) fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: IMAGE_MANIFEST.to_owned(),
            artifact_type: None,
            config,
            layers,
            subject: None,
        }
    }

    /// The only layer, if that is a component. [`ErrorKind::ArtifactLayout`] otherwise.
    pub(super) fn component(&self) -> Result<&Descriptor> {
        match &self.layers[..] {
            [layer] if [WASM_LAYER, OLD_WASM_LAYER].contains(&layer.media_type.as_str()) => Ok(layer),
            layers => {
                let types = layers.iter().map(|layer| layer.media_type.as_str()).collect::<Vec<_>>();
                Err(Error::new(ErrorKind::ArtifactLayout, "the artifact is not one WebAssembly component")
                    .with_context("config", excerpt(&self.config.media_type, QUOTED_CHARS))
                    .with_context("layers", excerpt(types.join(", "), QUOTED_CHARS * 2))
                    .with_hint("push a component with `hydra-registry policy push` or `wkg oci push`"))
            }
        }
    }
}

/// A list of artifacts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    pub manifests: Vec<Descriptor>,
}

impl Default for Index {
    fn default() -> Self {
        Self { schema_version: 2, media_type: IMAGE_INDEX.to_owned(), manifests: Vec::new() }
    }
}

impl Index {
    /// The only artifact for WebAssembly. [`ErrorKind::ManifestList`] if there is none, or several are.
    pub(super) fn for_wasm(&self) -> Result<&Descriptor> {
        let is_wasm =
            |platform: &Platform| platform.architecture == "wasm" || platform.os.starts_with("wasi");
        let mut found = self.manifests.iter().filter(|one| one.platform.as_ref().is_some_and(is_wasm));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (one, _) => {
                let count = if one.is_none() { "none" } else { "several" };
                let message =
                    format!("the reference names a list of artifacts, of which {count} are for WebAssembly");
                Err(Error::new(ErrorKind::ManifestList, message)
                    .with_context("artifacts", self.manifests.len())
                    .with_hint("refer to one artifact by its digest"))
            }
        }
    }
}

/// What a reference can name.
#[derive(Debug)]
pub(super) enum Document {
    Manifest(Box<Manifest>),
    Index(Index),
}

impl Document {
    /// Reads a document; `content_type` is what the registry says, which counts if the document does not say it itself.
    pub(super) fn parse(bytes: &[u8], content_type: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            #[serde(default)]
            media_type: Option<String>,
            #[serde(default)]
            manifests: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            layers: Option<serde::de::IgnoredAny>,
        }
        if json::values(bytes) > MAX_VALUES {
            return Err(too_large());
        }
        let damaged = |error: serde_json::Error| {
            Error::new(ErrorKind::RegistryProtocol, "the answer of the registry is not a manifest")
                .with_context("content type", excerpt(content_type, QUOTED_CHARS))
                .with_source(error)
        };
        let kind: Kind = serde_json::from_slice(bytes).map_err(damaged)?;
        // A document that can be read as both would mean one thing here and another elsewhere.
        if kind.manifests.is_some() && kind.layers.is_some() {
            return Err(Error::new(
                ErrorKind::RegistryProtocol,
                "the answer of the registry is both a manifest and a list of them",
            ));
        }
        let media_type = kind.media_type.as_deref().unwrap_or(content_type);
        match media_type.split(';').next().unwrap_or_default().trim() {
            IMAGE_INDEX | DOCKER_LIST => serde_json::from_slice(bytes).map(Self::Index),
            IMAGE_MANIFEST | DOCKER_MANIFEST => {
                serde_json::from_slice(bytes).map(|manifest| Self::Manifest(Box::new(manifest)))
            }
            other => {
                let other = excerpt(other, QUOTED_CHARS);
                let message =
                    format!("the answer of the registry is neither a manifest nor a list: `{other}`");
                return Err(Error::new(ErrorKind::RegistryProtocol, message));
            }
        }
        .map_err(damaged)
    }
}

pub(super) fn too_large() -> Error {
    Error::new(ErrorKind::ManifestSize, "the manifest of the artifact is larger than what is read")
        .with_context("limit", format!("{MAX_BYTES} bytes, {MAX_VALUES} values"))
}

/// The configuration of a WebAssembly artifact.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WasmConfig {
    /// Fixed, so that equal components are equal artifacts.
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<String>,
    component: Interfaces,
}

/// What a component exports and imports.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a component exports and imports")]
pub struct Interfaces {
    /// The names of its exports, such as `hydra:lifecycle/policy@0.2.0`.
    pub exports: Vec<String>,
    /// The names of its imports.
    pub imports: Vec<String>,
}

impl WasmConfig {
    pub(super) fn new(component: &Descriptor, interfaces: &Interfaces) -> Self {
        Self {
            created: "1970-01-01T00:00:00Z",
            architecture: "wasm",
            os: "wasip2",
            layer_digests: vec![component.digest.clone()],
            component: interfaces.clone(),
        }
    }
}

/// The JSON of a document of this module.
pub(super) fn encode(document: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document).map_err(|error| {
        Error::new(ErrorKind::Internal, "cannot write a document of a registry as JSON").with_source(error)
    })
}
