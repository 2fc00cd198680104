//! Where policies and models come from, and who signed them: registries, signatures, trust rules.

mod hostile;
mod keyless;
mod models;
mod real;
mod sharing;
mod signatures;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hydra_policy::Policy;
use hydra_registry::trust::oci::{ArtifactCache, Component, CredentialSources, Oci, Pushed, Reference};
use hydra_registry::trust::rules::{KeyConfig, TrustConfig};
use hydra_registry::trust::{PrivateKey, TrustRules};
use hydra_registry::{Error, Result};

use crate::support::registry::Registry;

/// The credentials that the registry in memory knows.
const ANN: [(&str, &str); 2] = [("HYDRA_OCI_USERNAME", "ann"), ("HYDRA_OCI_PASSWORD", "hunter2")];

/// The most bytes of a component.
const MOST: u64 = 32 << 20;

fn no_credentials() -> CredentialSources {
    CredentialSources::from_variables(|_| None, None).expect("no credentials")
}

/// The credentials of [`ANN`] for a registry.
fn credentials(host: &str) -> CredentialSources {
    let get = |name: &str| match name {
        "HYDRA_OCI_REGISTRY" => Some(host.to_owned()),
        name => ANN.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
    };
    CredentialSources::from_variables(get, None).expect("credentials")
}

/// Access with little patience.
fn oci(credentials: CredentialSources) -> Oci {
    Oci::new(credentials).with_patience(Duration::from_secs(1))
}

fn cached(home: &Path) -> ArtifactCache {
    ArtifactCache::new(home.join("oci"))
}

async fn push(registry: &Registry, of: &str, credentials: CredentialSources) -> Result<Pushed> {
    let reference: Reference = registry.reference(of).parse()?;
    oci(credentials).push(&reference, Policy::default_bytes(), "gate.wasm", &Default::default()).await
}

async fn fetch(access: &Oci, reference: &str) -> Result<Component> {
    access.component(&reference.parse()?, MOST).await
}

fn error_of<T: std::fmt::Debug>(result: Result<T>) -> Error {
    result.expect_err("refused")
}

/// A directory of keys by openssl.
#[derive(Debug)]
pub(crate) struct Keys(tempfile::TempDir);

impl Keys {
    /// Key pairs of these names: `NAME.key` and `NAME.pub`. Names that begin with `ed` are of Ed25519, others of P-256.
    pub(crate) fn new(names: &[&str]) -> Self {
        let keys = Self(tempfile::tempdir().expect("a directory"));
        for name in names {
            let algorithm: &[&str] = if name.starts_with("ed") {
                &["-algorithm", "ed25519"]
            } else {
                &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
            };
            keys.openssl(&[&["genpkey"], algorithm, &["-out", &format!("{name}.key")]].concat());
            keys.openssl(&["pkey", "-in", &format!("{name}.key"), "-pubout", "-out", &format!("{name}.pub")]);
        }
        keys
    }

    pub(crate) fn openssl(&self, args: &[&str]) {
        let ran = Command::new("openssl").args(args).current_dir(self.0.path()).output().expect("openssl");
        assert!(ran.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn private(&self, name: &str) -> PrivateKey {
        PrivateKey::read(&self.path(&format!("{name}.key"))).expect("a private key")
    }

    pub(crate) fn config(&self, name: &str) -> KeyConfig {
        let mut config = KeyConfig::new(self.path(&format!("{name}.pub")).to_string_lossy());
        config.name = Some(name.to_owned());
        config
    }

    /// Rules by which all of these must have signed.
    pub(crate) fn all_of(&self, names: &[&str]) -> TrustConfig {
        TrustConfig::all_of(names.iter().map(|name| self.config(name)))
    }

    pub(crate) fn rules(&self, names: &[&str]) -> TrustRules {
        self.all_of(names).load().expect("rules")
    }
}
