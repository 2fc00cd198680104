//! Which policy decided.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sha256::Sha256;

/// A policy, as the ledger records it and reports name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyIdentity {
    /// The name that the policy gives itself.
    pub name: String,
    /// The version that the policy gives itself.
    pub version: String,
    /// The SHA-256 of the component.
    pub sha256: Sha256,
}

/// Name, version and the first 12 digits of the SHA-256. Name and version are the policy's own text and may hold anything.
impl fmt::Display for PolicyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.version, &self.sha256.to_string()[..12])
    }
}
