//! What may be wrong with a ledger and its aliases, each finding with its remedy, and the repair.

use std::collections::BTreeSet;
use std::fmt;

use crate::ledger::Ledger;
use crate::ledger::archive::{component_path, input_path};
use crate::ledger::chain::{Reading, Record};
use crate::ledger::entry::{Bridge, Kind, tracked};
use crate::ledger::history::{MISFIT, REPLACED};
use crate::ledger::look::Snapshot;
use crate::ledger::settle::Settler;
use hydra_base::Sha256;
use hydra_base::aliases::AliasState;
use hydra_base::error::Result;
use hydra_base::names::{Alias, Version};
use hydra_ledger_rules::{Found, Number};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
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
    /// A number of the ledger holds no readable entry.
    Damaged {
        /// The number.
        entry: Number,
        /// What is wrong with it.
        flaw: String,
    },
}

impl Finding {
    /// What kind of finding it is, for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Interrupted { .. } => "interrupted-transition",
            Self::Drift { .. } => "drift",
            Self::DeletedChampion { .. } => "deleted-champion",
            Self::MissingArtifact { .. } => "missing-artifact",
            Self::UnreadableArchive { .. } => "unreadable-archive",
            Self::Damaged { .. } => "unknown-entry",
        }
    }

    /// What to do about it.
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
            Self::Damaged { .. } => {
                "run `doctor --fix` to bridge it with a checkpoint that accepts the present aliases; find out who changes the ledger"
            }
        }
    }
}

impl fmt::Display for Finding {
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
            Self::Damaged { entry, flaw } => write!(f, "entry {entry} is damaged: {flaw}"),
        }
    }
}

impl Ledger {
    /// Looks at the newest entries, the aliases and the archive. Nothing is written. What lies further down,
    /// [`Ledger::verify`] finds.
    pub async fn diagnose(&self) -> Result<Vec<Finding>> {
        let first = self.look(Number::MAX).await?;
        // Tells which versions are gone; an unquiet ledger is shown as it was seen first.
        let snapshot = self.confirm(&first).await?.unwrap_or(first);
        let mut findings = Self::damage(&snapshot);
        if let Some(head) = snapshot.readable_head() {
            if head.is_settled() {
                let aliases = &snapshot.registered.aliases;
                let actual = |alias: &Alias| aliases.get(alias).copied();
                let there = |version: &Version| !snapshot.gone.contains(version);
                let tracked = tracked(head.state());
                let drifted = tracked
                    .iter()
                    .filter(|(alias, version)| actual(alias).filter(there) != version.filter(there));
                findings.extend(drifted.map(|(alias, recorded)| Finding::Drift {
                    actual: actual(alias),
                    alias: alias.clone(),
                    recorded,
                }));
                let champion = head.state().get(&Alias::CHAMPION);
                let deleted = champion.filter(|version| !there(version));
                if let Some(version) = deleted.filter(|_| actual(&Alias::CHAMPION).is_none()) {
                    findings.push(Finding::DeletedChampion { version });
                }
            } else {
                findings.push(Finding::Interrupted { entry: head.number });
            }
            let chain: Vec<&Record> = snapshot.window.valid_from(head.number).collect();
            match self.missing_artifacts(&chain).await {
                Ok(missing) => findings.extend(missing),
                // The registry has answered: this is about the archive.
                Err(error) => findings.push(Finding::UnreadableArchive { why: error.to_string() }),
            }
        }
        Ok(findings)
    }

    /// Repairs what can be repaired: bridges damage, completes or aborts an interrupted transition, records or undoes
    /// alias moves. Afterwards aliases and ledger agree. Returns the checkpoint, if one was needed.
    pub async fn repair(&self) -> Result<Option<Number>> {
        let mut checkpoint = None;
        let mut settler = Settler::new(self);
        loop {
            let snapshot = self.look(Number::MAX).await?;
            if snapshot.head().is_ok() {
                settler.settle(Some(snapshot)).await?;
                return Ok(checkpoint);
            }
            match self.confirm(&snapshot).await? {
                Some(confirmed) => match self.append_checkpoint(&confirmed).await {
                    Ok(number) => checkpoint = Some(number),
                    Err(error) => settler.bear(error).await?,
                },
                None => settler.pause().await?,
            }
        }
    }

    fn damage(snapshot: &Snapshot) -> Vec<Finding> {
        let healed = snapshot
            .readable_head()
            .and_then(|head| {
                snapshot.window.valid_from(head.number).find(|record| record.entry.bridge.is_some())
            })
            .map_or(0, |record| record.number);
        let above = (snapshot.window.lowest()..=snapshot.window.newest()).filter(|number| *number > healed);
        let mut findings: Vec<Finding> = above
            .filter_map(|number| match snapshot.window.reading(number) {
                Some(Reading::Damaged(flaw)) => Some(Finding::Damaged { entry: number, flaw: flaw.clone() }),
                _ => None,
            })
            .collect();
        let (Found::Head { damage, .. } | Found::Lost { damage, .. }) = snapshot.window.find_head() else {
            return findings;
        };
        let known = findings
            .iter()
            .any(|finding| matches!(finding, Finding::Damaged { entry, .. } if *entry == damage));
        if damage != 0 && !known {
            let above_head = snapshot.readable_head().is_some_and(|head| damage > head.number);
            let flaw = if above_head { MISFIT } else { REPLACED }.to_owned();
            findings.push(Finding::Damaged { entry: damage, flaw });
        }
        findings
    }

    async fn missing_artifacts(&self, chain: &[&Record]) -> Result<Vec<Finding>> {
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
                    findings.push(Finding::MissingArtifact { entry: record.number, path: path.clone() });
                }
            }
        }
        Ok(findings)
    }

    async fn append_checkpoint(&self, snapshot: &Snapshot) -> Result<Number> {
        let (trusted, damaged) = match snapshot.window.find_head() {
            Found::Head { number, damage } => (snapshot.window.record(number), damage),
            Found::Lost { damage, .. } => (None, damage),
            Found::Empty | Found::ReadFrom(_) => (None, 0),
        };
        let before = trusted.map_or_else(AliasState::default, |record| record.state().clone());
        let known = if trusted.is_some() { before.clone() } else { tracked(&before) };
        let found = &snapshot.registered.aliases;
        let actual = known.aliases().map(|alias| (alias.clone(), found.get(alias).copied())).collect();
        let actual = snapshot.existing(&actual);
        let why = format!("entry {damaged} is damaged; this checkpoint accepts the aliases as found");
        let number = snapshot.window.newest();
        let mut entry =
            self.entry(Kind::Checkpoint, number, trusted.map(|record| record.digest), before, actual, why);
        entry.previous = Some(trusted.map_or(Sha256::NONE, |record| record.digest));
        entry.bridge = Some(Bridge { trusted: trusted.map_or(0, |record| record.number), damaged });
        Ok(self.append(&mut entry).await?.version.get())
    }
}
