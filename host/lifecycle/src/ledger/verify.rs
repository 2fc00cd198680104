//! Verifying the whole ledger: the chain, the aliases, and each decision once more.

use futures_util::TryStreamExt as _;

use crate::ledger::Ledger;
use crate::ledger::chain::Record;
use crate::ledger::clocks::{AboveCheckpoint, backwards, wrong_time};
use crate::ledger::entry::{EntryKind, tracked};
use crate::ledger::history::{Fate, Step};
use crate::ledger::policy_audit::{PolicyAudit, Remark};
use crate::ledger::rerun::Replay;
use crate::ledger::standing::audit::{StandingAudit, StandingFlaw};
use crate::ledger::witness::{Comparison, Witness};
use hydra_base::aliases::AliasState;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::Version;
use hydra_ledger_rules::Number;

/// The most problems of a verification, which is not continued after them.
const MAX_FLAWS: usize = 10_000;

/// What is wrong with an entry, or with the aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The entry.
    pub entry: Number,
    /// What is wrong, for people.
    pub what: String,
}

/// The outcome of [`Ledger::verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries of the chain.
    pub valid: u64,
    /// Entries that lost a race.
    pub void: u64,
    /// Decisions that were run again and came to the same.
    pub rerun: u64,
    /// Damage that a checkpoint names, or that is older than what it names.
    pub bridged: Vec<Flaw>,
    /// What speaks against the times of entries, beyond the tolerance of clocks. The entries stand.
    pub clocks: Vec<Flaw>,
    /// Decisions that set the active policy aside, on record. They stand.
    pub set_aside: Vec<Flaw>,
    /// What is wrong; empty is what one wants.
    pub flaws: Vec<Flaw>,
}

impl Ledger {
    /// Reads the whole ledger in constant memory, compares the aliases with its head, each entry's standing with the one
    /// that follows from the entry before, and the policy of each decision with the one that was active, and runs every decision again if
    /// `replay` is given. Nothing is written. What is wrong is in the result; an error only says that it could not be
    /// found out.
    pub async fn verify(&self, replay: Option<&dyn Replay>) -> Result<Verified> {
        self.verify_with(replay, None, &|| ()).await
    }

    /// [`Self::verify`], also against an earlier export, calling `progress` for each entry.
    pub async fn verify_with(
        &self,
        replay: Option<&dyn Replay>,
        witness: Option<&Witness>,
        progress: &(dyn Fn() + Send + Sync),
    ) -> Result<Verified> {
        let mut verified = Verified::default();
        let mut comparison = witness.map(|witness| {
            let (comparison, flaw) = Comparison::begin(witness, self);
            verified.flaws.extend(flaw);
            comparison
        });
        let mut newer: Option<Box<Record>> = None;
        let mut head_is_newer = false;
        let mut damage_between = false;
        let mut standings = StandingAudit::new(self);
        let mut bridged_time = AboveCheckpoint::default();
        let mut policies = PolicyAudit::new(self);
        let mut steps = self.read(None);
        while let Some(step) = steps.try_next().await? {
            progress();
            if let Some(comparison) = &mut comparison {
                verified.flaws.extend(comparison.step(&step));
            }
            match step {
                Step::Void(_) => verified.void += 1,
                Step::Newer { number, entry, bridged } => {
                    damage_between = true;
                    head_is_newer |= !bridged && newer.is_none();
                    verified.unreadable(number, entry.to_string(), bridged);
                }
                Step::Damaged { number, flaw, bridged } => {
                    damage_between = true;
                    verified.unreadable(number, flaw, bridged);
                }
                Step::Valid { record, fate } => {
                    verified.valid += 1;
                    self.check_time(newer.as_deref(), &record, &mut verified);
                    let named = bridged_time.step(&record).into_iter();
                    verified.clocks.extend(named.map(|(entry, what)| Flaw { entry, what }));
                    match &newer {
                        // Only the newer release knows where the aliases belong.
                        None if head_is_newer => {}
                        None => {
                            self.check_aliases(&record, fate, &mut verified).await?;
                            verified.standing_flaw(standings.head(&record).await?);
                        }
                        Some(_) if damage_between => standings.skip(),
                        Some(newer) => {
                            if newer.entry.is_decision() && !follows(record.state(), &newer.entry.before) {
                                verified.flaw(
                                    newer.number,
                                    "it does not start from the state that the previous entry left".into(),
                                );
                            }
                            verified.standing_flaw(standings.pair(newer, &record).await?);
                        }
                    }
                    match policies.remark(&record).await? {
                        None => {}
                        Some(Remark::Flaw(what)) => verified.flaw(record.number, what),
                        Some(Remark::SetAside(what)) => {
                            verified.set_aside.push(Flaw { entry: record.number, what });
                        }
                    }
                    if let Some(replay) = replay.filter(|_| record.entry.decided.is_some()) {
                        match self.repeat_decision(replay, &record).await? {
                            None => verified.rerun += 1,
                            Some(what) => verified.flaw(record.number, what),
                        }
                    }
                    newer = Some(record);
                    damage_between = false;
                }
            }
            if verified.flaws.len() + verified.bridged.len() >= MAX_FLAWS {
                let what = format!("{MAX_FLAWS} entries are damaged; the older ones are not verified");
                verified.flaw(0, what);
                break;
            }
        }
        verified.flaws.extend(comparison.map(Comparison::end).unwrap_or_default());
        if verified.valid == 0 && verified.void > 0 {
            verified.flaw(0, "none of its entries is part of a chain".into());
        }
        Ok(verified)
    }

    /// Checks the time of `record`, and of the entry that follows it.
    fn check_time(&self, newer: Option<&Record>, record: &Record, verified: &mut Verified) {
        let tolerance = self.clock_tolerance;
        if let Some(newer) = newer
            && let Some(what) = backwards(newer, record, tolerance)
        {
            if newer.entry.operation == EntryKind::Checkpoint {
                let what = format!("its time is after that of the checkpoint, entry {}", newer.number);
                verified.bridged.push(Flaw { entry: record.number, what });
            } else {
                verified.clocks.push(Flaw { entry: newer.number, what: what.to_string() });
            }
        }
        let wrong = wrong_time(record, tolerance);
        verified.clocks.extend(wrong.map(|what| Flaw { entry: record.number, what: what.to_string() }));
    }

    async fn check_aliases(&self, head: &Record, fate: Fate, verified: &mut Verified) -> Result<()> {
        if fate == Fate::Pending {
            verified.flaw(head.number, "it is not completed".into());
            return Ok(());
        }
        let actual = self.backend.registry.registered_model(&self.model).await?.aliases;
        for (alias, version) in tracked(head.state()).iter() {
            let found = actual.get(alias).copied();
            if found == version || (found.is_none() && self.is_gone(version).await?) {
                continue;
            }
            let text =
                |version: Option<_>| version.map_or_else(|| "unset".to_owned(), |v: Version| v.to_string());
            let what = format!("`{alias}` is {}, but {} in the ledger", text(found), text(version));
            verified.flaw(head.number, what);
        }
        Ok(())
    }

    /// Whether that version was deleted. Its aliases go with it, and no entry says so.
    async fn is_gone(&self, version: Option<Version>) -> Result<bool> {
        let Some(version) = version else { return Ok(false) };
        match self.backend.registry.model_version(&self.model, version).await {
            Err(error) if error.kind() == ErrorKind::VersionNotFound => Ok(true),
            other => other.map(|_| false),
        }
    }
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.flaws.is_empty()
    }

    fn unreadable(&mut self, entry: Number, what: String, bridged: bool) {
        let list = if bridged { &mut self.bridged } else { &mut self.flaws };
        list.push(Flaw { entry, what });
    }

    fn standing_flaw(&mut self, flaw: Option<StandingFlaw>) {
        self.flaws.extend(flaw.map(|(entry, what)| Flaw { entry, what }));
    }

    fn flaw(&mut self, entry: Number, what: String) {
        self.flaws.push(Flaw { entry, what });
    }
}

/// Whether a decision may start from `before` when its predecessor left `state`: versions may have been deleted since, and
/// aliases may come under the ledger's care.
fn follows(state: &AliasState, before: &AliasState) -> bool {
    state.iter().all(|(alias, version)| {
        let seen = before.get(alias);
        before.contains(alias) && (seen.is_none() || seen == version)
    })
}
