//! The exit status of the program.

use std::process::ExitCode;

use hydra_base::error::{Error, ErrorCategory, ErrorKind};

/// The exit status, which scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: done, or nothing to do.
    Done,
    /// 1: the policy rejected, or a requested check found a problem.
    Rejected,
    /// 2: an error; nothing was changed, or the message describes the change.
    Error,
    /// 3: the policy holds: not enough evidence yet.
    Held,
    /// 4: what the command is about does not exist: a model, a version, an alias, an entry.
    Missing,
    /// 5: the store cannot be reached or stays busy. The same command may succeed later.
    Unavailable,
    /// 6: the ledger is sound, but a checkpoint bridges damage in it.
    Bridged,
}

impl ExitStatus {
    /// Every status with its meaning and the commands that end with it.
    pub(crate) const TABLE: [(Self, &str, &str); 7] = [
        (Self::Done, "done, nothing to do, or sound", "all"),
        (
            Self::Rejected,
            "the policy rejects, or a check finds a problem",
            "`promote`, `rollback`, `policy run`: a rejection; `history verify`, `doctor`, `status`, `policy test`: a problem; `policy active`: none is",
        ),
        (Self::Error, "an error: nothing was changed, or the message says what was", "all"),
        (
            Self::Held,
            "the policy holds: the evidence is not sufficient yet",
            "`promote`, `rollback`, `policy run`",
        ),
        (
            Self::Missing,
            "there is no such model, version, alias, entry or file in the store",
            "all that read the store",
        ),
        (
            Self::Unavailable,
            "the store cannot be reached or stays busy; the same command may succeed later",
            "all that use the store",
        ),
        (Self::Bridged, "sound, but a checkpoint bridges damage", "`history verify`"),
    ];

    /// The status of a command that ends with an error.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        let Some(kind) = error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(Error::kind)
        else {
            return Self::Error;
        };
        match (kind.category(), kind) {
            (ErrorCategory::Missing, _) => Self::Missing,
            // They are about files and processes of this machine, and the last one is about the user's wish.
            (
                _,
                ErrorKind::Storage
                | ErrorKind::CacheUnavailable
                | ErrorKind::CompilerUnavailable
                | ErrorKind::AddressUnavailable
                | ErrorKind::Interrupted,
            ) => Self::Error,
            (ErrorCategory::Unavailable, _) => Self::Unavailable,
            _ => Self::Error,
        }
    }

    /// The exit code of the process.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Rejected => 1,
            Self::Error => 2,
            Self::Held => 3,
            Self::Missing => 4,
            Self::Unavailable => 5,
            Self::Bridged => 6,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_of_an_error_follows_from_its_category() {
        for (kind, code) in [
            (ErrorKind::Config, 2),
            (ErrorKind::NoChampion, 4),
            (ErrorKind::VersionNotFound, 4),
            (ErrorKind::EntryNotFound, 4),
            (ErrorKind::Unreachable, 5),
            (ErrorKind::Timeout, 5),
            (ErrorKind::Locked, 5),
            (ErrorKind::Server, 5),
            (ErrorKind::Storage, 2),
            (ErrorKind::Interrupted, 2),
            (ErrorKind::CompilerUnavailable, 2),
            (ErrorKind::PolicyNotFound, 2),
            (ErrorKind::LedgerBroken, 2),
            (ErrorKind::PermissionDenied, 2),
        ] {
            let error = anyhow::Error::new(Error::new(kind, "x")).context("outer");
            assert_eq!(ExitStatus::of_error(&error).code(), code, "{kind:?}");
        }
        assert_eq!(ExitStatus::of_error(&anyhow::anyhow!("x")), ExitStatus::Error);
    }

    #[test]
    fn the_table_has_every_code_once_in_order() {
        let codes: Vec<u8> = ExitStatus::TABLE.iter().map(|(status, ..)| status.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6]);
    }
}
