//! `[notify]` in `hydra.toml`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

/// One of `[notify.NAME]`: who is told what the ledger recorded. Nothing of it is checked before it is needed, so that a receiver
/// never stands in the way of a decision; unknown fields are errors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ReceiverConfig {
    /// The address, which is often a secret.
    #[serde(default)]
    pub url: Option<ReceiverUrl>,
    /// The variable with the address.
    pub url_variable: Option<String>,
    /// The file with the secret that signs.
    pub secret_file: Option<PathBuf>,
    /// The variable with the secret.
    pub secret_variable: Option<String>,
    /// The events. Default: all.
    pub events: Option<Vec<String>>,
    /// The form: `cloudevents` or `slack`.
    pub template: Option<String>,
}

/// The address of a receiver. `Debug` shows nothing of it: the paths of webhooks are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiverUrl(String);

impl ReceiverUrl {
    /// The address.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ReceiverUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl std::fmt::Debug for ReceiverUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl ReceiverConfig {
    /// The same receiver with an absolute path.
    pub(super) fn resolved(self, directory: &Path) -> Self {
        Self { secret_file: self.secret_file.map(|path| directory.join(path)), ..self }
    }
}
