//! The arguments of the commands that share, sign and verify policies and models.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use hydra_base::names::Version;

/// Arguments of `policy push`.
#[derive(Debug, Args)]
#[command(after_help = PUSH_HELP)]
pub struct PushArgs {
    /// Where to: oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "REFERENCE")]
    pub reference: String,

    /// The component
    pub file: PathBuf,
}

const PUSH_HELP: &str = "\
Example:
  hydra-registry policy push oci://registry.example.com/policies/gate:1.2 target/gate.wasm

Credentials are those of `docker login` or `podman login`, or HYDRA_OCI_REGISTRY with HYDRA_OCI_USERNAME and
HYDRA_OCI_PASSWORD or with HYDRA_OCI_TOKEN.";

/// Arguments of `policy pull`.
#[derive(Debug, Args)]
#[command(after_help = PULL_HELP)]
pub struct PullArgs {
    /// What: oci://HOST/REPOSITORY:TAG, or with @sha256:DIGEST
    #[arg(value_name = "REFERENCE")]
    pub reference: String,

    /// The file to write [default: the last part of the repository, with .wasm]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

const PULL_HELP: &str = "\
Example:
  hydra-registry policy pull oci://registry.example.com/policies/gate:1.2 --out gate.wasm

If hydra.toml has trust rules for policies, they must be met.";

/// Arguments of `policy sign`.
#[derive(Debug, Args)]
#[command(after_help = SIGN_HELP)]
pub struct SignArgs {
    /// The component: a file, or oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "FILE|REFERENCE")]
    pub subject: PathBuf,

    /// The private key in PEM, as `openssl genpkey` writes it: ECDSA on P-256, or Ed25519
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,

    /// The signature to write for a file [default: FILE.sig]; FILE.NAME.sig is found, too
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

const SIGN_HELP: &str = "\
Examples:
  hydra-registry policy sign gate.wasm --key release.key
  hydra-registry policy sign gate.wasm --key review.key --out gate.wasm.review.sig
  hydra-registry policy sign oci://registry.example.com/policies/gate:1.2 --key release.key

The signature of a file is beside it, and that of an artifact beside it in the registry.";

/// Arguments of `policy verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArgs {
    /// The component: a file, or oci://HOST/REPOSITORY:TAG
    #[arg(value_name = "FILE|REFERENCE")]
    pub subject: PathBuf,

    /// A public key that must have signed, in PEM [default: the trust rules of hydra.toml]
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
}

const VERIFY_HELP: &str = "\
Examples:
  hydra-registry policy verify gate.wasm --key release.pub
  hydra-registry policy verify oci://registry.example.com/policies/gate:1.2

Exit status: 0 signed as the rules ask; 2, 4 and 5 are errors.";

/// The commands about signatures of models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Sign the model file of a version; the signature is a tag of the version
    Sign(SignModelArgs),
    /// Show who signed the model file of a version
    Verify(VerifyModelArgs),
}

/// Arguments of `model sign`.
#[derive(Debug, Args)]
#[command(after_help = SIGN_MODEL_HELP)]
pub struct SignModelArgs {
    /// The version
    pub version: Version,

    /// The private key in PEM, as `openssl genpkey` writes it: ECDSA on P-256, or Ed25519
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

const SIGN_MODEL_HELP: &str = "\
Example:
  hydra-registry model sign 12 --key ml.key

The key signs the SHA-256 of the model file, as it is in the store.";

/// Arguments of `model verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_MODEL_HELP)]
pub struct VerifyModelArgs {
    /// The version
    pub version: Version,

    /// A public key that must have signed, in PEM [default: the trust rules of hydra.toml]
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
}

const VERIFY_MODEL_HELP: &str = "\
Example:
  hydra-registry model verify 12 --key ml.pub

Exit status: 0 signed as the rules ask; 2, 4 and 5 are errors.";
