//! What was fetched before, by digest: `manifests/<SHA-256>`, `components/<SHA-256>`, and `signatures/<SHA-256 of the manifest>`, which
//! are checked each time that they are read.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::manifest;
use crate::signature::Signature;
use crate::simple_signing::SignedPayload;
use hydra_base::error::Result;
use hydra_base::private_dir::{self, write_whole};
use hydra_base::{Sha256, blocking};

/// What the directory holds, for messages.
const CONTENTS: &str = "artifacts of registries";

/// The most files of a kind; the oldest go first.
const MAX_FILES: usize = 128;

/// The most bytes of a file with signatures.
const MAX_SIGNATURE_BYTES: u64 = 4 << 20;

/// A private directory of artifacts.
#[derive(Debug, Clone)]
pub struct ArtifactCache {
    root: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    payload: String,
    signature: String,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Manifests,
    Components,
    Signatures,
}

impl Kind {
    fn directory(self) -> &'static str {
        match self {
            Self::Manifests => "manifests",
            Self::Components => "components",
            Self::Signatures => "signatures",
        }
    }
}

impl ArtifactCache {
    /// A cache in `root`, which is made with mode 0700 when the first artifact is kept.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) async fn manifest(&self, digest: Sha256) -> Result<Option<Vec<u8>>> {
        self.read(Kind::Manifests, digest, manifest::MAX_BYTES).await
    }

    pub(super) async fn keep_manifest(&self, digest: Sha256, bytes: Vec<u8>) -> Result<()> {
        self.keep(Kind::Manifests, digest, bytes).await
    }

    pub(super) async fn component(&self, digest: Sha256, most: u64) -> Result<Option<Vec<u8>>> {
        self.read(Kind::Components, digest, most).await
    }

    pub(super) async fn keep_component(&self, digest: Sha256, bytes: Vec<u8>) -> Result<()> {
        self.keep(Kind::Components, digest, bytes).await
    }

    pub(super) async fn signatures(&self, manifest: Sha256) -> Result<Vec<SignedPayload>> {
        let cache = self.clone();
        blocking(move || {
            let bytes = cache.bytes(Kind::Signatures, manifest, MAX_SIGNATURE_BYTES);
            let kept: Vec<Kept> =
                bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
            let signed = kept.into_iter().filter_map(|kept| {
                let payload = STANDARD.decode(kept.payload).ok()?;
                Some(SignedPayload { payload, signature: Signature::decode(&kept.signature)? })
            });
            Ok(signed.collect())
        })
        .await
    }

    pub(super) async fn keep_signatures(&self, manifest: Sha256, signed: &[SignedPayload]) -> Result<()> {
        let kept = signed.iter().map(|signed| Kept {
            payload: STANDARD.encode(&signed.payload),
            signature: signed.signature.to_string(),
        });
        let json = serde_json::to_vec(&kept.collect::<Vec<_>>()).unwrap_or_default();
        self.keep(Kind::Signatures, manifest, json).await
    }

    /// A file whose name is the digest of its bytes.
    async fn read(&self, kind: Kind, digest: Sha256, most: u64) -> Result<Option<Vec<u8>>> {
        let cache = self.clone();
        blocking(move || Ok(cache.bytes(kind, digest, most).filter(|bytes| Sha256::of(bytes) == digest)))
            .await
    }

    fn bytes(&self, kind: Kind, digest: Sha256, most: u64) -> Option<Vec<u8>> {
        let directory = self.root.join(kind.directory());
        if !directory.exists() {
            return None;
        }
        if let Err(error) = private_dir::check(&directory, CONTENTS) {
            tracing::warn!(%error, "not using the cache of {CONTENTS}");
            return None;
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(directory.join(digest.to_string())).ok()?;
        file.take(most.saturating_add(1)).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= most).then_some(bytes)
    }

    /// Keeps a file. A disk that is full must not stop a decision.
    async fn keep(&self, kind: Kind, digest: Sha256, bytes: Vec<u8>) -> Result<()> {
        let directory = self.root.join(kind.directory());
        blocking(move || {
            if let Err(error) = write(&directory, digest, &bytes) {
                tracing::warn!(%error, path = %directory.display(), "cannot add to the cache of {CONTENTS}");
            }
            Ok(())
        })
        .await
    }
}

fn write(directory: &Path, digest: Sha256, bytes: &[u8]) -> io::Result<()> {
    private_dir::create(directory)?;
    private_dir::check(directory, CONTENTS).map_err(io::Error::other)?;
    write_whole(directory, &digest.to_string(), bytes)?;
    let mut files = Vec::new();
    for file in fs::read_dir(directory)? {
        let file = file?;
        // Another process may have dropped it meanwhile.
        if let Ok(modified) = file.metadata().and_then(|metadata| metadata.modified()) {
            files.push((modified, file.path()));
        }
    }
    files.sort();
    let excess = files.len().saturating_sub(MAX_FILES);
    for (_, path) in &files[..excess] {
        fs::remove_file(path).ok();
    }
    Ok(())
}
