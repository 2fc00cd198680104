//! Signatures of artifacts in a registry.
//!
//! A signature is an artifact of its own in the layout of `cosign`: a layer with the payload, and the signature in its annotation. It
//! refers to what it signs by `subject`, so that the registry lists it (OCI 1.1), or else a list under the tag `sha256-<digest>` does;
//! and it is beside others under the tag `sha256-<digest>.sig`, where `cosign verify` looks. Bundles, which `cosign` writes since
//! version 3, are read too.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde::Serialize;
use tokio::time::timeout;

use super::connection::{Access, Call, Connection};
use super::manifest::{self, Descriptor, Document, IMAGE_INDEX, IMAGE_MANIFEST, Index, Manifest};
use super::pull::{Component, Repository, blob, document};
use super::push::{put_blob, put_manifest};
use super::{Oci, Reference};
use crate::bundle::{self, BUNDLE};
use crate::key::PrivateKey;
use crate::proof::Proof;
use crate::rules::{Signatory, Signer, TrustRules};
use crate::signature::Signature;
use crate::simple_signing::{self, SignedPayload};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};

/// The type of a signature of `cosign`, as an artifact and as a configuration.
const SIGNATURE_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// The type of a payload.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The type of the configuration under the tag of `cosign`.
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The annotation of a layer that holds the signature over it.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// The most artifacts with signatures, and the most signatures, that are read.
const MAX_ARTIFACTS: usize = 16;
const MAX_SIGNATURES: usize = 32;
/// How many times as long as one silence the signatures may take altogether.
const LONGEST: u32 = 10;
/// The most bytes of a payload, and of a bundle.
const MAX_PAYLOAD_BYTES: u64 = 16 << 10;
const MAX_BUNDLE_BYTES: u64 = 256 << 10;

/// What a registry has of signatures.
struct Found {
    signed: Vec<SignedPayload>,
    /// Whether there is a list of what refers to the artifact.
    is_listed: bool,
}

impl Oci {
    /// Who signed a component, if the rules are met. Fails like [`prove`](Self::prove).
    pub async fn verify(&self, component: &Component, rules: &TrustRules) -> Result<Vec<Signer>> {
        self.prove(component, rules).await.map(|(signers, _)| signers)
    }

    /// Who signed a component, and what shows it, if the rules are met: by the signatures that were seen before, or else by those in
    /// the registry.
    ///
    /// [`ErrorKind::SignatureNotFound`] and [`ErrorKind::ReferrersEmpty`] if there is none, [`ErrorKind::SignatureMismatch`] if a
    /// trusted key signed something else; otherwise like [`TrustRules::check`].
    pub async fn prove(&self, component: &Component, rules: &TrustRules) -> Result<(Vec<Signer>, Proof)> {
        let Component { reference, manifest, document, .. } = component;
        let signed_here = |signed: &[SignedPayload]| -> Result<(Vec<Signer>, Proof)> {
            let about_it: Vec<_> = signed.iter().filter(|signed| signed.is_about(*manifest)).collect();
            let signers = rules.check_with(|by| about_it.iter().any(|signed| signed.is_by(by)));
            let signers =
                signers.map_err(|error| match about_it.iter().find(|one| one.signature.is_bundle()) {
                    Some(bundle) => rules.explained(error, [&bundle.signature], &bundle.payload),
                    None => error,
                })?;
            Ok((signers, Proof::of_artifact(rules, document.clone(), signed)))
        };
        if let Some(cache) = &self.cache
            && let Ok(verified) = signed_here(&cache.signatures(*manifest).await?)
        {
            return Ok(verified);
        }
        let repository = Repository::new(self, reference, Access::Pull);
        let connection = repository.connection().await?;
        let finding = timeout(self.patience.saturating_mul(LONGEST), find(connection, reference, *manifest));
        let found = finding.await.unwrap_or_else(|_| {
            let message = "the registry did not send the signatures in time";
            Err(Error::new(ErrorKind::Timeout, message).with_retryable(true))
        })?;
        let about = |error: Error| error.with_context("reference", reference);
        if found.signed.is_empty() {
            let (kind, message) = if found.is_listed {
                (
                    ErrorKind::ReferrersEmpty,
                    "the registry lists no signature among what refers to the artifact",
                )
            } else {
                (ErrorKind::SignatureNotFound, "the registry has no signature of the artifact")
            };
            let hint = format!("sign it: `hydra-registry policy sign {reference} --key KEY`");
            return Err(about(Error::new(kind, message).with_hint(hint)));
        }
        let verified = signed_here(&found.signed).map_err(|error| {
            let elsewhere = |by: &Signatory| {
                found.signed.iter().any(|signed| !signed.is_about(*manifest) && signed.is_by(by))
            };
            let is_of_other_content = error.kind() == ErrorKind::UntrustedSigner && rules.any(elsewhere);
            about(if is_of_other_content {
                let message =
                    "the signature beside the artifact is about another one, or says something else";
                Error::new(ErrorKind::SignatureMismatch, message).with_hint("find out who put it there")
            } else {
                error
            })
        })?;
        if let Some(cache) = &self.cache {
            cache.keep_signatures(*manifest, &found.signed).await?;
        }
        Ok(verified)
    }

    /// Signs the artifact that a reference names now, and puts the signature beside it in the registry. Returns the reference with the
    /// digest that was signed.
    pub async fn sign(&self, reference: &Reference, key: &PrivateKey) -> Result<Reference> {
        let repository = Repository::new(self, reference, Access::Push);
        let located = self.locate(&repository).await?;
        located.manifest.component()?;
        let payload = simple_signing::payload(&reference.place(), located.digest);
        let signature = key.sign(&payload)?;
        let connection = repository.connection().await?;
        let mut layer = Descriptor::of(PAYLOAD, &payload);
        layer.annotations = Some(BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), signature.to_string())]));
        put_blob(connection, &payload).await?;
        let subject = Descriptor {
            media_type: located.media_type.clone(),
            digest: format!("sha256:{}", located.digest),
            size: located.bytes.len() as u64,
            artifact_type: None,
            annotations: None,
            platform: None,
        };
        refer(connection, reference, subject, layer.clone()).await?;
        add_to_tag(connection, reference, located.digest, layer).await?;
        Ok(reference.at(located.digest))
    }
}

/// All signatures of an artifact that the registry has.
async fn find(connection: &Connection, reference: &Reference, manifest: Sha256) -> Result<Found> {
    let listed = referrers(connection, reference, manifest).await?;
    let is_listed = listed.is_some();
    let mut artifacts = Vec::new();
    let signatures = listed.unwrap_or_default().manifests.into_iter().filter(|one| {
        // Registries that do not know `artifactType` leave it out.
        one.artifact_type.as_deref().is_none_or(|kind| kind == SIGNATURE_ARTIFACT || kind == BUNDLE)
    });
    for one in signatures.take(MAX_ARTIFACTS) {
        let digest = one.sha256()?;
        let found = document(connection, reference, &format!("sha256:{digest}"), Some(digest)).await?;
        if let Some((_, Document::Manifest(artifact))) = found {
            artifacts.push(artifact);
        }
    }
    let tagged = document(connection, reference, &tag_of(manifest, ".sig"), None).await?;
    if let Some((_, Document::Manifest(artifact))) = tagged {
        artifacts.push(artifact);
    }
    let mut layers: BTreeMap<(String, String), Descriptor> = BTreeMap::new();
    let mut signed = Vec::new();
    for layer in artifacts.into_iter().flat_map(|artifact| artifact.layers) {
        if layer.media_type == BUNDLE && signed.len() < MAX_SIGNATURES && layer.size <= MAX_BUNDLE_BYTES {
            let bytes = blob(connection, reference, &layer, MAX_BUNDLE_BYTES).await?;
            signed.extend(bundle::over_statement(&bytes).into_iter().take(MAX_SIGNATURES));
        }
        let signature = layer.annotations.as_ref().and_then(|all| all.get(SIGNATURE_ANNOTATION)).cloned();
        if let Some(signature) = signature.filter(|_| layer.media_type == PAYLOAD) {
            layers.insert((layer.digest.clone(), signature), layer);
        }
    }
    let mut payloads: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for ((digest, signature), layer) in layers.into_iter().take(MAX_SIGNATURES) {
        // What is not a signature signs nothing.
        let Ok(signature) = Signature::parse(signature.as_bytes()) else { continue };
        if layer.size > MAX_PAYLOAD_BYTES {
            continue;
        }
        let payload = match payloads.get(&digest) {
            Some(payload) => payload.clone(),
            None => blob(connection, reference, &layer, MAX_PAYLOAD_BYTES).await?,
        };
        payloads.insert(digest, payload.clone());
        signed.push(SignedPayload { payload, signature });
    }
    Ok(Found { signed, is_listed })
}

/// What refers to a manifest, as the registry lists it, or else the list under its tag; none if there is neither.
async fn referrers(
    connection: &Connection,
    reference: &Reference,
    manifest: Sha256,
) -> Result<Option<Index>> {
    let mut call = Call::new(Method::GET, connection.url(&format!("referrers/sha256:{manifest}"))?);
    call.accept = Some(IMAGE_INDEX);
    let answer = connection.send(&call).await?;
    match answer.status() {
        StatusCode::OK => {
            let bytes =
                connection.read(answer, manifest::MAX_BYTES).await?.ok_or_else(manifest::too_large)?;
            match Document::parse(&bytes, IMAGE_INDEX)? {
                Document::Index(index) => Ok(Some(index)),
                Document::Manifest(_) => Err(no_list(reference)),
            }
        }
        // The registry does not have this part of OCI 1.1.
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            tagged_list(connection, reference, manifest).await
        }
        _ => Err(connection.refused(answer).await),
    }
}

/// The list under the tag of a manifest.
async fn tagged_list(
    connection: &Connection,
    reference: &Reference,
    manifest: Sha256,
) -> Result<Option<Index>> {
    match document(connection, reference, &tag_of(manifest, ""), None).await? {
        None => Ok(None),
        Some((_, Document::Index(index))) => Ok(Some(index)),
        Some((_, Document::Manifest(_))) => Err(no_list(reference)),
    }
}

fn no_list(reference: &Reference) -> Error {
    let message = "what the registry has in the place of a list of signatures is not one";
    Error::new(ErrorKind::RegistryProtocol, message).with_context("reference", reference)
}

fn tag_of(manifest: Sha256, ending: &str) -> String {
    format!("sha256-{manifest}{ending}")
}

/// The configuration of a signature: nothing but the digests of its layers.
fn config_of(layers: &[Descriptor]) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Config<'a> {
        architecture: &'static str,
        os: &'static str,
        rootfs: RootFs<'a>,
    }
    #[derive(Serialize)]
    struct RootFs<'a> {
        diff_ids: Vec<&'a str>,
        #[serde(rename = "type")]
        kind: &'static str,
    }
    let diff_ids = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let rootfs = RootFs { diff_ids, kind: "layers" };
    manifest::encode(&Config { architecture: "", os: "", rootfs })
}

/// Puts a signature that refers to what it signs, and adds it to the list under the tag if the registry does not list it itself.
async fn refer(
    connection: &Connection,
    reference: &Reference,
    subject: Descriptor,
    layer: Descriptor,
) -> Result<()> {
    let signed = subject.sha256()?;
    let layers = vec![layer];
    let config = config_of(&layers)?;
    put_blob(connection, &config).await?;
    let mut artifact = Manifest::new(Descriptor::of(SIGNATURE_ARTIFACT, &config), layers);
    artifact.artifact_type = Some(SIGNATURE_ARTIFACT.to_owned());
    artifact.subject = Some(subject);
    let bytes = manifest::encode(&artifact)?;
    let mut entry = Descriptor::of(IMAGE_MANIFEST, &bytes);
    entry.artifact_type = Some(SIGNATURE_ARTIFACT.to_owned());
    if put_manifest(connection, &entry.digest, IMAGE_MANIFEST, bytes).await? {
        return Ok(());
    }
    let mut index = tagged_list(connection, reference, signed).await?.unwrap_or_default();
    if index.manifests.iter().all(|known| known.digest != entry.digest) {
        index.manifests.push(entry);
        put_manifest(connection, &tag_of(signed, ""), IMAGE_INDEX, manifest::encode(&index)?).await?;
    }
    Ok(())
}

/// Adds a signature to those under the tag of `cosign`.
async fn add_to_tag(
    connection: &Connection,
    reference: &Reference,
    manifest: Sha256,
    layer: Descriptor,
) -> Result<()> {
    let tag = tag_of(manifest, ".sig");
    let mut layers = match document(connection, reference, &tag, None).await? {
        Some((_, Document::Manifest(known))) => known.layers,
        _ => Vec::new(),
    };
    layers.push(layer);
    let config = config_of(&layers)?;
    put_blob(connection, &config).await?;
    let bytes = manifest::encode(&Manifest::new(Descriptor::of(IMAGE_CONFIG, &config), layers))?;
    put_manifest(connection, &tag, IMAGE_MANIFEST, bytes).await.map(drop)
}
