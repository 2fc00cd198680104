//! The identity of a policy.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sha256::Sha256;

/// The identity of a policy in the ledger and in reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyIdentity {
    /// The name in the policy's metadata.
    pub name: String,
    /// The version in the policy's metadata.
    pub version: String,
    /// The SHA-256 of the component.
    pub sha256: Sha256,
}

/// Name, version and the first 12 digits of the SHA-256. Name and version are text from the policy and may contain any
/// characters.
impl fmt::Display for PolicyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.version, &self.sha256.to_string()[..12])
    }
}
