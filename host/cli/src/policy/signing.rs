//! `policy sign` and `policy verify`, and the same for models: signatures.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::policy::read_component;
use crate::policy::trust_args::{ModelCommand, SignArgs, SignModelArgs, VerifyArgs, VerifyModelArgs};
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_registry::trust::oci::Reference;
use hydra_registry::trust::rules::{KeyConfig, TrustConfig};
use hydra_registry::trust::{PrivateKey, Signature, Signer, TrustRules, detached};
use hydra_registry::{ModelRegistry, SignedModel};
use hydra_tables::NewFile;

/// Signs a component, in a file or in a registry.
pub async fn sign(args: &SignArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let key = PrivateKey::read(&args.key)?;
    let report = match reference(&args.subject)? {
        Some(reference) => {
            if args.out.is_some() {
                let message = "the signature of an artifact in a registry goes there, and not to a file";
                return Err(Error::new(ErrorKind::InvalidArgument, message)
                    .with_context("flag", "--out")
                    .into());
            }
            let signed = settings.options.oci()?.sign(&reference, &key).await?;
            let digest = signed.digest().unwrap_or(Sha256::NONE);
            SignReport::new(signed.to_string(), digest, &key, None)
        }
        None => sign_file(args, &key)?,
    };
    printer.report(&report, SignReport::text)?;
    Ok(ExitStatus::Done)
}

fn sign_file(args: &SignArgs, key: &PrivateKey) -> Result<SignReport> {
    let (file, bytes) = read_component(&args.subject)?;
    let out = args.out.clone().unwrap_or_else(|| detached::path_of(&file));
    let subject = file.display().to_string();
    let report = SignReport::new(subject, Sha256::of(&bytes), key, Some(out.clone()));
    if out.exists() {
        if Signature::read(&out).is_ok_and(|known| key.public().verifies(&bytes, &known)) {
            return Ok(report);
        }
        return Err(Error::new(ErrorKind::AlreadyExists, "the file of the signature has another content")
            .with_context("path", out.display())
            .with_hint(format!("remove it, or keep both: `--out {}.NAME.sig`", file.display())));
    }
    interrupt::remove_partial_files()?;
    NewFile::create(&out)?.write(format!("{}\n", key.sign(&bytes)?).as_bytes())?;
    Ok(report)
}

/// Shows who signed a component, if the keys or the rules accept it.
pub async fn verify(
    args: &VerifyArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let rules = match of_keys(&args.keys)? {
        Some(rules) => rules,
        None => settings.options.policy_rules()?.ok_or_else(|| no_rules("[policy.trust]"))?,
    };
    let (subject, digest, signers) = match reference(&args.subject)? {
        Some(reference) => {
            let oci = settings.options.oci()?;
            let component = oci.component(&reference, settings.options.component_bytes()?).await?;
            let signers = oci.verify(&component, &rules).await?;
            (component.reference.to_string(), component.manifest, signers)
        }
        None => {
            let (path, bytes) = read_component(&args.subject)?;
            let signers = hydra_registry::check_policy_file(&rules, &path, &bytes)?;
            (path.display().to_string(), Sha256::of(&bytes), signers)
        }
    };
    let report = VerifyReport::new("hydra-registry/policy-verify/1", subject, digest, &signers);
    printer.report(&report, VerifyReport::text)?;
    Ok(ExitStatus::Done)
}

/// Runs a command about signatures of models.
pub async fn model(
    command: &ModelCommand,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    match command {
        ModelCommand::Sign(args) => sign_model(args, settings, printer).await,
        ModelCommand::Verify(args) => verify_model(args, settings, printer).await,
    }
}

async fn sign_model(
    args: &SignModelArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let key = PrivateKey::read(&args.key)?;
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let SignedModel { version, sha256, .. } = registry.sign_model(&args.version.into(), &key).await?;
    let subject = format!("version {version} of {}", registry.model());
    let mut report = SignReport::new(subject, sha256, &key, None);
    report.schema = "hydra-registry/model-sign/1";
    printer.report(&report, SignReport::text)?;
    Ok(ExitStatus::Done)
}

async fn verify_model(
    args: &VerifyModelArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let rules = of_keys(&args.keys)?;
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let verified = registry.verify_model(&args.version.into(), rules.as_ref()).await?;
    let SignedModel { version, sha256, signers, .. } = verified.ok_or_else(|| no_rules("[model-trust]"))?;
    let subject = format!("version {version} of {}", registry.model());
    let report = VerifyReport::new("hydra-registry/model-verify/1", subject, sha256, &signers);
    printer.report(&report, VerifyReport::text)?;
    Ok(ExitStatus::Done)
}

/// The reference that an argument is, unless it is a path.
fn reference(subject: &Path) -> Result<Option<Reference>> {
    let text = subject.to_str().filter(|text| Reference::is_meant(text));
    text.map(str::parse).transpose()
}

/// Rules by which all these keys must have signed.
fn of_keys(keys: &[PathBuf]) -> Result<Option<TrustRules>> {
    if keys.is_empty() {
        return Ok(None);
    }
    let keys = keys.iter().map(|key| KeyConfig::new(key.to_string_lossy()));
    TrustConfig::all_of(keys).load().map(Some)
}

fn no_rules(table: &str) -> Error {
    Error::new(ErrorKind::InvalidTrust, "no key is named that should have signed")
        .with_hint(format!("name one: `--key FILE`, or write `{table}` into hydra.toml"))
}

/// A key or an identity that signed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SignerReport {
    /// The name that the rules give the key, or its id; the subject of a keyless identity.
    identity: String,
    /// The id of the key or of the identity.
    #[schemars(with = "String")]
    key: Sha256,
    /// The issuer of a keyless identity.
    issuer: Option<String>,
}

impl From<&Signer> for SignerReport {
    fn from(signer: &Signer) -> Self {
        Self { identity: signer.identity.clone(), key: signer.key, issuer: signer.issuer.clone() }
    }
}

/// A line for each key and identity.
pub fn lines_of(signers: &[SignerReport]) -> String {
    let line = |SignerReport { identity, key, issuer }: &SignerReport| {
        if let Some(issuer) = issuer {
            format!("  signed by  {identity}, issuer {issuer}\n")
        } else if *identity == key.to_string() {
            format!("  signed by  {key}\n")
        } else {
            format!("  signed by  {identity}, key {key}\n")
        }
    };
    signers.iter().map(line).collect()
}

/// `policy sign` and `model sign`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SignReport {
    /// `hydra-registry/policy-sign/1` or `hydra-registry/model-sign/1`.
    schema: &'static str,
    /// What was signed.
    subject: String,
    /// Its SHA-256: that of the file, or of the manifest in the registry.
    #[schemars(with = "String")]
    digest: Sha256,
    /// The id of the key.
    #[schemars(with = "String")]
    key: Sha256,
    /// The file with the signature.
    signature: Option<PathBuf>,
}

impl SignReport {
    fn new(subject: String, digest: Sha256, key: &PrivateKey, signature: Option<PathBuf>) -> Self {
        let schema = "hydra-registry/policy-sign/1";
        Self { schema, subject, digest, key: key.public().id(), signature }
    }

    fn text(&self) -> String {
        let Self { subject, digest, key, signature, .. } = self;
        let mut text = format!("signed {subject}\n  sha256     {digest}\n  key        {key}\n");
        if let Some(path) = signature {
            text += &format!("  signature  {}\n", path.display());
        }
        text
    }
}

/// `policy verify` and `model verify`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VerifyReport {
    /// `hydra-registry/policy-verify/1` or `hydra-registry/model-verify/1`.
    schema: &'static str,
    /// What was verified.
    subject: String,
    /// Its SHA-256: that of the file, or of the manifest in the registry.
    #[schemars(with = "String")]
    digest: Sha256,
    /// The keys and identities that signed.
    signers: Vec<SignerReport>,
}

impl VerifyReport {
    fn new(schema: &'static str, subject: String, digest: Sha256, signers: &[Signer]) -> Self {
        Self { schema, subject, digest, signers: signers.iter().map(SignerReport::from).collect() }
    }

    fn text(&self) -> String {
        format!("verified {}\n  sha256     {}\n", self.subject, self.digest) + &lines_of(&self.signers)
    }
}
