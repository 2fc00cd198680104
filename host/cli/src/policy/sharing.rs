//! `policy push` and `policy pull`: components in OCI registries.

use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::policy::read_component;
use crate::policy::signing::{SignerReport, lines_of};
use crate::policy::trust_args::{PullArgs, PushArgs};
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_policy::{Budget, ComponentSummary, INTERFACE};
use hydra_registry::trust::oci::{Component, Interfaces, Reference};
use hydra_tables::NewFile;

/// Pushes a component.
pub async fn push(args: &PushArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let reference: Reference = args.reference.parse()?;
    let budget = Budget::default().with_component_bytes(u64::MAX);
    let (file, bytes) = read_component(&args.file)?;
    let summary = ComponentSummary::read(&bytes, &budget)?;
    let interface = format!("{INTERFACE}@{}", summary.check()?);
    let interfaces = Interfaces { exports: vec![interface], imports: summary.imports.clone() };
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let pushed = settings.options.oci()?.push(&reference, &bytes, &name, &interfaces).await?;
    let report = PushReport {
        schema: "hydra-registry/policy-push/1",
        reference: pushed.reference.to_string(),
        digest: pushed.manifest,
        sha256: Sha256::of(&bytes),
        bytes: bytes.len(),
    };
    printer.report(&report, PushReport::text)?;
    Ok(ExitStatus::Done)
}

/// Fetches a component, and checks who signed it if there are rules.
pub async fn pull(args: &PullArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let reference: Reference = args.reference.parse()?;
    let (oci, rules) = (settings.options.oci()?, settings.options.policy_rules()?);
    let component = oci.component(&reference, settings.options.component_bytes()?).await?;
    let signers = match &rules {
        Some(rules) => oci.verify(&component, rules).await?,
        None => Vec::new(),
    };
    let budget = Budget::default().with_component_bytes(u64::MAX);
    ComponentSummary::read(&component.bytes, &budget)?.check()?;
    let path = match &args.out {
        Some(path) => path.clone(),
        None => unused(PathBuf::from(format!("{}.wasm", reference.name())), &component.bytes)?,
    };
    interrupt::remove_partial_files()?;
    NewFile::create(&path)?.write(&component.bytes)?;
    let report = PullReport::new(&component, path, signers.iter().map(SignerReport::from).collect());
    printer.report(&report, PullReport::text)?;
    Ok(ExitStatus::Done)
}

/// The path, unless another file is there, which the user has not named.
fn unused(path: PathBuf, bytes: &[u8]) -> Result<PathBuf> {
    let is_other = |path: &Path| fs::read(path).is_ok_and(|found| found != bytes);
    if !is_other(&path) {
        return Ok(path);
    }
    Err(Error::new(ErrorKind::AlreadyExists, "another file has the name of the policy")
        .with_context("path", path.display())
        .with_hint("name the file to write: `--out FILE`"))
}

/// `policy push`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PushReport {
    /// `hydra-registry/policy-push/1`.
    schema: &'static str,
    /// The reference with the digest.
    reference: String,
    /// The SHA-256 of the manifest.
    #[schemars(with = "String")]
    digest: Sha256,
    /// The SHA-256 of the component.
    #[schemars(with = "String")]
    sha256: Sha256,
    /// The component's size.
    bytes: usize,
}

impl PushReport {
    fn text(&self) -> String {
        let Self { reference, sha256, bytes, .. } = self;
        format!(
            "pushed {reference}\n  component  sha256 {sha256}, {bytes} bytes\n\
             next: hydra-registry policy sign {reference} --key KEY"
        )
    }
}

/// `policy pull`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PullReport {
    /// `hydra-registry/policy-pull/1`.
    schema: &'static str,
    /// The reference with the digest that its tag had.
    reference: String,
    /// The SHA-256 of the manifest.
    #[schemars(with = "String")]
    digest: Sha256,
    /// The SHA-256 of the component.
    #[schemars(with = "String")]
    sha256: Sha256,
    /// The component's size.
    bytes: usize,
    /// The file.
    path: PathBuf,
    /// The keys that signed; empty without trust rules.
    signers: Vec<SignerReport>,
}

impl PullReport {
    fn new(component: &Component, path: PathBuf, signers: Vec<SignerReport>) -> Self {
        Self {
            schema: "hydra-registry/policy-pull/1",
            reference: component.reference.to_string(),
            digest: component.manifest,
            sha256: Sha256::of(&component.bytes),
            bytes: component.bytes.len(),
            path,
            signers,
        }
    }

    fn text(&self) -> String {
        let Self { reference, sha256, bytes, path, signers, .. } = self;
        let path = path.display();
        let head =
            format!("pulled {reference}\n  component  sha256 {sha256}, {bytes} bytes\n  file       {path}\n");
        head + &lines_of(signers) + &format!("next: hydra-registry policy inspect {path}")
    }
}
