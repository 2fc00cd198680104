//! Finds problems of a ledger and its aliases, each with its remedy.

use std::collections::BTreeSet;
use std::fmt;

use crate::ledger::Ledger;
use crate::ledger::archive::{component_path, input_path};
use crate::ledger::chain::{Reading, Record};
use crate::ledger::entry::tracked;
use crate::ledger::history::{MISFIT, REPLACED};
use crate::ledger::look::Snapshot;
use hydra_base::error::Result;
use hydra_base::names::{Alias, Version};
use hydra_ledger_rules::{Found, Number};

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
    /// A decision's input or policy is not in the archive.
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
    /// A newer release wrote an entry.
    Newer {
        /// Its number.
        entry: Number,
        /// Its schema, greater than what this release reads.
        schema: u32,
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
            Self::MissingArtifact { .. } => "missing-artifact",
            Self::UnreadableArchive { .. } => "unreadable-archive",
            Self::Newer { .. } => "newer-entry",
            Self::Damaged { .. } => "unknown-entry",
        }
    }

    /// The remedy, as text for users.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Interrupted { .. } => {
                "run `doctor --fix`, or wait for the next promotion or rollback; each completes or aborts it"
            }
            Self::Drift { .. } => {
                "run `doctor --fix`, or wait for the next promotion or rollback; each records the move, or undoes that of a slow writer"
            }
            Self::DeletedChampion { .. } => "promote another version, or roll back",
            Self::MissingArtifact { .. } => {
                "restore the file from a backup; without it, the decision is valid but cannot be verified"
            }
            Self::UnreadableArchive { .. } => {
                "make the ledger's run and its artifacts readable; decisions are impossible without them"
            }
            Self::Newer { .. } => {
                "upgrade hydra-registry; `doctor --fix` of this release leaves the entry as it is"
            }
            Self::Damaged { .. } => {
                "run `doctor --fix` to bridge it with a checkpoint that accepts the present aliases; find out who changes the ledger"
            }
        }
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
            Self::MissingArtifact { entry, path } => write!(f, "`{path}` of entry {entry} is missing"),
            Self::UnreadableArchive { why } => write!(f, "cannot read the archive of the ledger: {why}"),
            Self::Newer { entry, schema } => {
                write!(f, "entry {entry} has schema {schema}: a newer release wrote it")
            }
            Self::Damaged { entry, flaw } => write!(f, "entry {entry} is damaged: {flaw}"),
        }
    }
}

impl Ledger {
    /// Looks at the newest entries, the aliases and the archive. Nothing is written. What lies further down,
    /// [`Ledger::verify`] finds.
    pub async fn diagnose(&self) -> Result<Vec<LedgerFinding>> {
        let first = self.look(None).await?;
        // The second look finds out which versions were deleted; if the head changes meanwhile, the first one counts.
        let snapshot = self.confirm(&first, None).await?.unwrap_or(first);
        let mut findings = Self::damage(&snapshot);
        if let Some(head) = snapshot.readable_head() {
            if snapshot.window.newer().is_some() {
                // Only the newer release can determine the right versions of the aliases.
            } else if head.is_settled() {
                let aliases = &snapshot.registered.aliases;
                let actual = |alias: &Alias| aliases.get(alias).copied();
                let there = |version: &Version| !snapshot.gone.contains(version);
                let tracked = tracked(head.state());
                let drifted = tracked
                    .iter()
                    .filter(|(alias, version)| actual(alias).filter(there) != version.filter(there));
                findings.extend(drifted.map(|(alias, recorded)| LedgerFinding::Drift {
                    actual: actual(alias),
                    alias: alias.clone(),
                    recorded,
                }));
                let champion = head.state().get(&Alias::CHAMPION);
                let deleted = champion.filter(|version| !there(version));
                if let Some(version) = deleted.filter(|_| actual(&Alias::CHAMPION).is_none()) {
                    findings.push(LedgerFinding::DeletedChampion { version });
                }
            } else {
                findings.push(LedgerFinding::Interrupted { entry: head.number });
            }
            let chain: Vec<&Record> = snapshot.window.valid_from(head.number).collect();
            match self.missing_artifacts(&chain).await {
                Ok(missing) => findings.extend(missing),
                // The registry has answered, so this error comes from the archive.
                Err(error) => findings.push(LedgerFinding::UnreadableArchive { why: error.to_string() }),
            }
        }
        Ok(findings)
    }

    fn damage(snapshot: &Snapshot) -> Vec<LedgerFinding> {
        let mut findings: Vec<LedgerFinding> = snapshot
            .window
            .unreadable()
            .filter_map(|(entry, reading)| match reading {
                Reading::Newer(newer) => Some(LedgerFinding::Newer { entry, schema: newer.schema }),
                Reading::Damaged(flaw) => Some(LedgerFinding::Damaged { entry, flaw: flaw.clone() }),
                Reading::Record(_) => None,
            })
            .collect();
        let (Found::Head { damage, .. } | Found::Lost { damage, .. }) = snapshot.window.find_head() else {
            return findings;
        };
        let known = snapshot.window.unreadable().any(|(number, _)| number == damage);
        if damage != 0 && !known {
            let above_head = snapshot.readable_head().is_some_and(|head| damage > head.number);
            let flaw = if above_head { MISFIT } else { REPLACED }.to_owned();
            findings.push(LedgerFinding::Damaged { entry: damage, flaw });
        }
        findings
    }

    async fn missing_artifacts(&self, chain: &[&Record]) -> Result<Vec<LedgerFinding>> {
        let listed = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>();
        let inputs = listed(self.archived("decisions").await?);
        let policies = listed(self.archived("policies").await?);
        let mut findings = Vec::new();
        for record in chain {
            let Some(decided) = &record.entry.decided else { continue };
            let (input, policy) = (
                input_path(&record.entry.operation_id, decided.input_sha256),
                component_path(decided.policy.sha256),
            );
            for (path, there) in [(&input, inputs.contains(&input)), (&policy, policies.contains(&policy))] {
                if !there {
                    findings
                        .push(LedgerFinding::MissingArtifact { entry: record.number, path: path.clone() });
                }
            }
        }
        Ok(findings)
    }
}
