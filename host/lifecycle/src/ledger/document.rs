//! Documents in the archive: canonical JSON with a schema.

use hydra_base::error::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The bytes of a document; `what` is its name in errors.
pub(super) fn encode<T: Serialize>(document: &T, what: &str) -> Result<Vec<u8>> {
    serde_json_canonicalizer::to_vec(document).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("cannot write {what} as JSON")).with_source(error)
    })
}

/// Reads the bytes of a document. `LedgerNewer` for one of a newer schema than `newest`, `LedgerBroken` for anything else that
/// is not such a document.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str, newest: u32) -> Result<T> {
    #[derive(Deserialize)]
    struct Probe {
        schema: u32,
    }
    if let Ok(Probe { schema }) = serde_json::from_slice(bytes)
        && schema > newest
    {
        let message = format!("{what} has schema {schema}, and this release reads schema {newest}");
        return Err(Error::new(ErrorKind::LedgerNewer, message).with_hint("upgrade hydra-registry"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorKind::LedgerBroken, format!("{what} cannot be read")).with_source(error)
    })
}
