//! Finds problems of a ledger and its aliases, each with its remedy.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use crate::clock::{in_utc, in_words};
use crate::ledger::clocks::WrongTime;
use crate::ledger::mirror::{POLICY_TAG, QUARANTINE_TAG};
use hydra_base::names::{Alias, ExperimentId, ModelName, RunId, Version};
use hydra_base::{Sha256, Timestamp};
use hydra_ledger_rules::Number;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerFinding {
    /// The newest transition is under way or was interrupted.
    Interrupted {
        /// Its entry.
        entry: Number,
    },
    /// Aliases are not where the ledger has them.
    Drift {
        /// The alias.
        alias: Alias,
        /// Where it is.
        actual: Option<Version>,
        /// Where the ledger has it.
        recorded: Option<Version>,
    },
    /// The champion's version was deleted, and with it the alias: there is no champion.
    DeletedChampion {
        /// The version.
        version: Version,
    },
    /// The alias `champion` was removed by another program, and its version is still there: there is no champion.
    RemovedChampion {
        /// The version.
        version: Version,
    },
    /// A decision's input, a policy, or the answers of several policies are not in the archive.
    MissingArtifact {
        /// The decision's entry.
        entry: Number,
        /// The file.
        path: String,
    },
    /// The archive of inputs and policies cannot be read.
    UnreadableArchive {
        /// Why, for people.
        why: String,
    },
    /// The standing document that an entry names is not in the archive, or was altered.
    MissingStanding {
        /// The entry.
        entry: Number,
        /// The file.
        path: String,
    },
    /// The champion is in quarantine.
    QuarantinedChampion {
        /// The version.
        version: Version,
        /// The reason of the quarantine.
        reason: String,
    },
    /// A version in quarantine does not have the tag that says so.
    MissingQuarantineTag {
        /// The version.
        version: Version,
    },
    /// A version has the tag of a quarantine, and is not in quarantine.
    StrayQuarantineTag {
        /// The version.
        version: Version,
    },
    /// A file of the active policy is not in the archive, or was altered.
    LostPolicy {
        /// The SHA-256 of the policy's document.
        policy: Sha256,
        /// The file.
        path: String,
    },
    /// A key or an identity in the trust rules of the active policy has expired, or will soon.
    EndingKey {
        /// The SHA-256 of the policy's document.
        policy: Sha256,
        /// Its name in the rules.
        name: String,
        /// The end of its validity, in milliseconds.
        end: Timestamp,
        /// Whether it has expired.
        is_expired: bool,
    },
    /// The tag of the model names no active policy, or another one than the ledger has.
    PolicyTag {
        /// The active policy.
        policy: Sha256,
    },
    /// The tag of the model names an active policy, and the ledger has none: decisions are refused.
    LostActivation {
        /// What the tag says of it.
        named: Sha256,
        /// Who activated it when, and why, by the tag.
        since: String,
    },
    /// A decision that set the active policy aside made the present champion champion.
    OverriddenPolicy {
        /// The version.
        version: Version,
        /// The decision's entry.
        entry: Number,
        /// The requester.
        actor: String,
    },
    /// The run with the archive was deleted, and is kept until it is purged.
    DeletedArchive {
        /// The run.
        run_id: RunId,
        /// Its experiment, if that was deleted as well.
        experiment: Option<ExperimentId>,
    },
    /// The run with the archive does not exist: it was purged.
    LostArchive {
        /// The run.
        run_id: RunId,
    },
    /// The archive holds decisions, quarantines or active policies that are newer than the newest entry.
    Unrecorded {
        /// How many decisions.
        decisions: usize,
        /// The versions that newer documents have in quarantine, and the ledger has not.
        quarantined: BTreeSet<Version>,
        /// The policies that newer documents have as the active one, and the ledger has not.
        policies: BTreeSet<Sha256>,
        /// The newest entry.
        entry: Number,
    },
    /// The ledger has not the name that goes with the model's: one of them was renamed.
    Renamed {
        /// The ledger.
        ledger: ModelName,
    },
    /// Another ledger of this model exists.
    Second {
        /// Its registered model.
        ledger: ModelName,
        /// Its id.
        id: String,
        /// The run with its archive.
        run_id: RunId,
        /// The id of the ledger in use.
        used: String,
    },
    /// The newest entry is ahead of this machine's clock, on a store without a clock of its own: no decision can follow it.
    Ahead {
        /// The entry.
        entry: Number,
        /// By how many milliseconds.
        by: i64,
    },
    /// A checkpoint let time go on before that of an entry that is not from the future, and no later entry has followed.
    TimeBridged {
        /// The checkpoint.
        entry: Number,
        /// Its actor.
        actor: String,
        /// Its time, in milliseconds.
        at: Timestamp,
        /// The entry that it bridges.
        bridged: Number,
        /// The time of that entry, in milliseconds.
        bridged_at: Timestamp,
        /// The number of decisions above the checkpoint.
        decisions: usize,
    },
    /// The time of an entry, or the clock of its author, was wrong.
    WrongTime {
        /// The newest such entry.
        entry: Number,
        /// Its actor.
        actor: String,
        /// What speaks against its time.
        what: WrongTime,
        /// The number of other such entries among the newest.
        others: usize,
    },
    /// A newer release wrote an entry.
    Newer {
        /// Its number.
        entry: Number,
        /// Its schema, greater than what this release reads.
        schema: u32,
        /// The release, if the entry names it.
        release: Option<String>,
    },
    /// A number of the ledger holds no readable entry.
    Damaged {
        /// The number.
        entry: Number,
        /// A description of the damage.
        flaw: String,
    },
}

impl LedgerFinding {
    /// The kind of the finding, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Interrupted { .. } => "interrupted-transition",
            Self::Drift { .. } => "drift",
            Self::DeletedChampion { .. } => "deleted-champion",
            Self::RemovedChampion { .. } => "removed-champion",
            Self::MissingArtifact { .. } => "missing-artifact",
            Self::UnreadableArchive { .. } => "unreadable-archive",
            Self::MissingStanding { .. } => "missing-standing",
            Self::QuarantinedChampion { .. } => "quarantined-champion",
            Self::MissingQuarantineTag { .. } => "missing-quarantine-tag",
            Self::StrayQuarantineTag { .. } => "stray-quarantine-tag",
            Self::LostPolicy { .. } => "lost-policy",
            Self::EndingKey { .. } => "ending-key",
            Self::PolicyTag { .. } => "policy-tag",
            Self::LostActivation { .. } => "lost-activation",
            Self::OverriddenPolicy { .. } => "overridden-policy",
            Self::DeletedArchive { .. } => "deleted-archive",
            Self::LostArchive { .. } => "lost-archive",
            Self::Unrecorded { .. } => "unrecorded-decisions",
            Self::Renamed { .. } => "renamed-ledger",
            Self::Second { .. } => "second-ledger",
            Self::Ahead { .. } => "future-entry",
            Self::TimeBridged { .. } => "time-bridged",
            Self::WrongTime { .. } => "wrong-time",
            Self::Newer { .. } => "newer-entry",
            Self::Damaged { .. } => "unknown-entry",
        }
    }

    /// The remedy, as text for users.
    #[must_use]
    pub fn remedy(&self) -> Cow<'static, str> {
        let fixed = match self {
            Self::Interrupted { .. } => {
                "run `doctor --fix`, or wait for the next promotion or rollback; each completes or aborts it"
            }
            Self::Drift { .. } => {
                "run `doctor --fix`, or wait for the next promotion or rollback; each records the move, or undoes that of a slow writer"
            }
            Self::DeletedChampion { .. } => "promote another version, or roll back",
            Self::RemovedChampion { version } => {
                return format!(
                    "`hydra-registry rollback` makes version {version} champion again; or promote another version"
                )
                .into();
            }
            Self::MissingArtifact { .. } => {
                "restore the file from a backup; without it, the decision is valid but cannot be verified"
            }
            Self::UnreadableArchive { .. } => {
                "make the ledger's run and its artifacts readable; decisions are impossible without them"
            }
            Self::MissingStanding { .. } => {
                "run `doctor --fix`, which rebuilds it from the ledger; if that fails, restore the file from a backup"
            }
            Self::QuarantinedChampion { .. } => "roll back, promote another version, or release this one",
            Self::MissingQuarantineTag { .. } | Self::PolicyTag { .. } => {
                "run `doctor --fix`, which sets the tag"
            }
            Self::StrayQuarantineTag { .. } => {
                "put the version in quarantine again, or release it, which deletes the tag"
            }
            Self::LostPolicy { .. } => {
                "run `doctor --fix` on a host that has decided by it, whose private cache has it, or `policy activate FILE…` with the same files and settings: each stores it again"
            }
            Self::EndingKey { .. } => {
                "sign the policies with a key that is valid longer, and run `policy activate FILE…` with rules that name it: decisions that need the expired key end with `ExpiredKey`"
            }
            Self::LostActivation { .. } => {
                "run `policy activate FILE…` with the files of that policy, or `policy deactivate --reason REASON` if none should be active"
            }
            Self::OverriddenPolicy { version, .. } => {
                return format!(
                    "find out why, with `history`; promote another version by the active policy, or roll back from version {version}"
                )
                .into();
            }
            Self::DeletedArchive { experiment: Some(id), .. } => {
                return format!("restore the experiment before it is purged: `mlflow experiments restore --experiment-id {id}`").into();
            }
            Self::DeletedArchive { run_id, .. } => {
                return format!(
                    "restore the run before it is purged: `mlflow runs restore --run-id {run_id}`"
                )
                .into();
            }
            Self::LostArchive { .. } => {
                "if the tracking URI names another server than usual, correct it; else run `doctor --fix` to begin a new archive: past decisions stay in the ledger, but cannot be verified any more"
            }
            Self::Unrecorded { quarantined, .. } if !quarantined.is_empty() => {
                "if MLflow's database was restored from an older backup, put each of these versions in quarantine again with `hydra-registry quarantine VERSION --reason REASON`, and check the aliases; if a copy of the registry uses the same archive, no action is needed; if a command was interrupted, repeat it"
            }
            Self::Unrecorded { policies, .. } if !policies.is_empty() => {
                "if MLflow's database was restored from an older backup, make the policy active again with `hydra-registry policy activate FILE…`, and check the aliases; if a copy of the registry uses the same archive, no action is needed; if a command was interrupted, repeat it"
            }
            Self::Unrecorded { .. } => {
                "if MLflow's database was restored from an older backup, check the aliases, and promote or roll back to the version that should be champion; if a copy of the registry uses the same archive, no action is needed; if a command was interrupted, repeat it"
            }
            Self::Renamed { .. } => {
                "run `doctor --fix`, or wait for the next promotion or rollback; each notes the present name"
            }
            Self::Second { ledger, id, run_id, .. } => {
                return format!(
                    "keep both, their entries are history; if `{ledger}` should be in use, set the model's tags in MLflow to it: `hydra.ledger.id` = `{id}`, `hydra.ledger.run` = `{run_id}`; \
                     else set the tag `hydra.ledger.model` of `{ledger}` to another text, such as `former`"
                )
                .into();
            }
            Self::Ahead { .. } => {
                "set this machine's clock if it is wrong; if it is right, run `doctor --fix`, which bridges the entry with a checkpoint"
            }
            Self::TimeBridged { .. } => {
                "find out whether the machine of the checkpoint had a wrong clock: then the decisions above it were made as if in the past, and `hydra-registry history verify` names them; this finding ends with the next entry"
            }
            Self::WrongTime { .. } => {
                "find out which machine has the wrong clock, and whether a decision rests on it; the entries stand, and this finding ends with newer ones"
            }
            Self::Newer { .. } => {
                "upgrade hydra-registry; `doctor --fix` of this release leaves the entry as it is"
            }
            Self::Damaged { .. } => {
                "run `doctor --fix` to bridge it with a checkpoint that accepts the present aliases; find out who changes the ledger"
            }
        };
        fixed.into()
    }
}

impl fmt::Display for LedgerFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |version: &Option<Version>| {
            version.map_or_else(|| "not set".to_owned(), |version| format!("on version {version}"))
        };
        match self {
            Self::Interrupted { entry } => write!(f, "the transition of entry {entry} was interrupted"),
            Self::Drift { alias, actual, recorded } => {
                write!(f, "`{alias}` is {}, but {} in the ledger", place(actual), place(recorded))
            }
            Self::DeletedChampion { version } => {
                write!(f, "there is no champion: its version {version} was deleted")
            }
            Self::RemovedChampion { version } => {
                write!(f, "there is no champion: the alias was removed from version {version}")
            }
            Self::MissingArtifact { entry, path } => write!(f, "`{path}` of entry {entry} is missing"),
            Self::UnreadableArchive { why } => write!(f, "cannot read the archive of the ledger: {why}"),
            Self::DeletedArchive { run_id, experiment: None } => {
                write!(f, "run {run_id} with the archive of the ledger is deleted")
            }
            Self::DeletedArchive { run_id, experiment: Some(id) } => {
                write!(
                    f,
                    "experiment {id} is deleted, and with it run {run_id}, which holds the archive of the ledger"
                )
            }
            Self::LostArchive { run_id } => {
                write!(f, "run {run_id} with the archive of the ledger does not exist")
            }
            Self::Unrecorded { decisions, quarantined, policies, entry } => {
                write!(f, "the archive holds {decisions} decisions")?;
                if !quarantined.is_empty() {
                    let versions: Vec<String> = quarantined.iter().map(ToString::to_string).collect();
                    write!(f, " and the quarantine of version {}", versions.join(", "))?;
                }
                for policy in policies {
                    write!(f, " and the active policy {policy}")?;
                }
                write!(f, " that are newer than entry {entry}, the newest of the ledger")
            }
            Self::Renamed { ledger } => {
                write!(f, "the ledger is `{ledger}`: the model, or the ledger, was renamed")
            }
            Self::Second { ledger, id, used, .. } => {
                write!(f, "`{ledger}` is a second ledger of this model, {id}; commands use {used}")
            }
            Self::MissingStanding { entry, path } => {
                write!(f, "`{path}`, the standing after entry {entry}, is missing or altered")
            }
            Self::QuarantinedChampion { version, reason } => {
                write!(f, "the champion, version {version}, is in quarantine: {reason}")
            }
            Self::MissingQuarantineTag { version } => {
                write!(
                    f,
                    "version {version} is in quarantine, and its tag `{QUARANTINE_TAG}` does not say so"
                )
            }
            Self::StrayQuarantineTag { version } => {
                write!(f, "version {version} has the tag `{QUARANTINE_TAG}`, and is not in quarantine")
            }
            Self::LostPolicy { policy, path } => {
                write!(f, "`{path}` of the active policy {policy} is missing or altered")
            }
            Self::EndingKey { policy, name, end, is_expired } => {
                let verb = if *is_expired { "expired on" } else { "expires on" };
                write!(f, "`{name}` in the trust rules of the active policy {policy} {verb} {}", in_utc(*end))
            }
            Self::PolicyTag { policy } => {
                write!(
                    f,
                    "the policy {policy} is active, and the tag `{POLICY_TAG}` of the model does not say so"
                )
            }
            Self::LostActivation { named, since } => {
                write!(
                    f,
                    "the tag `{POLICY_TAG}` of the model names the active policy {named}, which the ledger does not have: {since}"
                )
            }
            Self::OverriddenPolicy { version, entry, actor } => {
                write!(
                    f,
                    "the champion, version {version}, was not decided by the active policy: entry {entry} of {actor} sets it aside"
                )
            }
            Self::Newer { entry, schema, release: None } => {
                write!(f, "entry {entry} has schema {schema}: a newer release wrote it")
            }
            Self::Newer { entry, schema, release: Some(release) } => {
                write!(f, "entry {entry} has schema {schema}: hydra-registry {release} wrote it")
            }
            Self::Ahead { entry, by } => {
                write!(f, "this machine's clock is {} entry {entry}", in_words(*by))
            }
            Self::TimeBridged { entry, actor, at, bridged, bridged_at, decisions } => write!(
                f,
                "the checkpoint of {actor}, entry {entry} of {}, let time go on before entry {bridged} of {}, which is in the past; \
                 {decisions} decisions rest on it",
                in_utc(*at),
                in_utc(*bridged_at)
            ),
            Self::WrongTime { entry, actor, what, others } => {
                write!(f, "entry {entry} of {actor}: {what}")?;
                if *others > 0 {
                    write!(f, "; so it is for {others} more of the newest entries")?;
                }
                Ok(())
            }
            Self::Damaged { entry, flaw } => write!(f, "entry {entry} is damaged: {flaw}"),
        }
    }
}
