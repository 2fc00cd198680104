//! The errors of a ledger.

use crate::ledger::archive::standing_path;
use crate::ledger::chain::NewerEntry;
use crate::ledger::entry::{SCHEMA, StandingRef};
use hydra_base::error::{Error, ErrorKind};
use hydra_ledger_rules::Number;

/// The error for writers that find damage.
pub(super) fn broken(number: Number, flaw: &str) -> Error {
    Error::new(ErrorKind::LedgerBroken, format!("entry {number} of the ledger is damaged: {flaw}")).with_hint(
        "run `hydra-registry doctor` to see the damage, and `doctor --fix` to bridge it with a checkpoint",
    )
}

/// The error for writers of a ledger without a head.
pub(super) fn headless() -> Error {
    Error::new(ErrorKind::LedgerBroken, "the ledger has no readable head")
        .with_hint("run `hydra-registry doctor` to see the damage")
}

/// The error for an entry that a newer release wrote.
pub(super) fn newer(number: Number, entry: &NewerEntry) -> Error {
    let needed = match &entry.release {
        Some(release) => format!("hydra-registry {release} or newer is needed"),
        None => "a newer release of hydra-registry is needed".to_owned(),
    };
    let message = format!(
        "entry {number} of the ledger has schema {}, and this release reads schemas up to {SCHEMA}: {needed}",
        entry.schema
    );
    Error::new(ErrorKind::LedgerNewer, message)
        .with_hint("upgrade hydra-registry; `hydra-registry history export` writes the entries that this release can read")
}

/// The error for a standing document that is neither in the archive nor follows from the chain.
pub(super) fn standing_lost(number: Number, reference: StandingRef) -> Error {
    Error::new(
        ErrorKind::StandingLost,
        format!(
            "the standing document of entry {number} is not in the archive, and the ledger is too damaged to rebuild it"
        ),
    )
    .with_context("artifact", standing_path(reference.sha256))
    .with_hint("restore the file in the artifacts of the ledger's run from a backup")
}

/// Whether an error of the archive says that a file is missing or has other bytes: no reason to stop reading the rest.
pub(crate) fn is_lost(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ArtifactNotFound | ErrorKind::NotFound | ErrorKind::ArchiveGone | ErrorKind::Integrity
    )
}
