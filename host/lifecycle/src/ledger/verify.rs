//! Verifying the whole ledger: the chain, the aliases, and each decision once more.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;

use crate::ledger::Ledger;
use crate::ledger::archive::is_lost;
use crate::ledger::chain::Record;
use crate::ledger::entry::{Decided, tracked};
use crate::ledger::history::{Fate, Step};
use hydra_base::aliases::AliasState;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::Version;
use hydra_ledger_rules::Number;
use hydra_policy::VerdictKind;

/// What a decision came to when it was run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rerun {
    /// The verdict.
    pub verdict: VerdictKind,
    /// The explanation, in full.
    pub explanation: String,
    /// The fuel; `None` when this host counts fuel differently from the one that decided.
    pub fuel: Option<u64>,
}

/// Runs recorded decisions again.
#[async_trait]
pub trait Replay: Send + Sync {
    /// Runs `component` on the archived `input` of the decision in `record`.
    async fn replay(&self, record: &Record, component: Vec<u8>, input: Vec<u8>) -> Result<Rerun>;
}

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
    /// What is wrong; empty is what one wants.
    pub flaws: Vec<Flaw>,
}

impl Ledger {
    /// Reads the whole ledger in constant memory, compares the aliases with its head, and runs every decision again if
    /// `replay` is given. Nothing is written. What is wrong is in the result; an error only says that it could not be
    /// found out.
    pub async fn verify(&self, replay: Option<&dyn Replay>) -> Result<Verified> {
        self.verify_with(replay, &|| ()).await
    }

    /// [`Self::verify`], calling `progress` for each entry.
    pub async fn verify_with(
        &self,
        replay: Option<&dyn Replay>,
        progress: &(dyn Fn() + Send + Sync),
    ) -> Result<Verified> {
        let mut verified = Verified::default();
        let mut newer: Option<Box<Record>> = None;
        let mut bridged = 0;
        let mut damage_between = false;
        let mut steps = self.read(None);
        while let Some(step) = steps.try_next().await? {
            progress();
            match step {
                Step::Void(_) => verified.void += 1,
                Step::Damaged { number, flaw } => {
                    damage_between = true;
                    if number <= bridged {
                        verified.bridged.push(Flaw { entry: number, what: flaw });
                    } else {
                        verified.flaw(number, flaw);
                    }
                }
                Step::Valid { record, fate } => {
                    verified.valid += 1;
                    if let Some(bridge) = &record.entry.bridge {
                        bridged = bridged.max(bridge.damaged);
                    }
                    match &newer {
                        None => self.check_aliases(&record, fate, &mut verified).await?,
                        Some(newer) if newer.entry.is_decision() && !damage_between => {
                            if !follows(record.state(), &newer.entry.before) {
                                verified
                                    .flaw(newer.number, "it does not start from the state before it".into());
                            }
                        }
                        Some(_) => {}
                    }
                    if let (Some(replay), Some(decided)) = (replay, &record.entry.decided) {
                        match self.rerun(replay, &record, decided).await? {
                            None => verified.rerun += 1,
                            Some(what) => verified.flaw(record.number, what),
                        }
                    }
                    newer = Some(record);
                    damage_between = false;
                }
            }
        }
        if verified.valid == 0 && verified.void > 0 {
            verified.flaw(0, "none of its entries is part of a chain".into());
        }
        Ok(verified)
    }

    async fn check_aliases(&self, head: &Record, fate: Fate, verified: &mut Verified) -> Result<()> {
        if fate == Fate::Pending {
            verified.flaw(head.number, "it is not carried out in full".into());
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
            let what = format!("`{alias}` is {}, the ledger says {}", text(found), text(version));
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

    /// What is wrong with a decision, if anything.
    async fn rerun(&self, replay: &dyn Replay, record: &Record, decided: &Decided) -> Result<Option<String>> {
        let archived = async {
            let component = self.component(decided.policy.sha256).await?;
            Ok((component, self.input(record).await?))
        };
        let (component, input) = match archived.await {
            Ok(found) => found,
            Err(error) if is_lost(&error) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        };
        let rerun = match replay.replay(record, component, input).await {
            Ok(rerun) => rerun,
            Err(error) => return Ok(Some(format!("its policy fails when run again: {error}"))),
        };
        if rerun.verdict != decided.verdict {
            return Ok(Some(format!(
                "run again, the policy answers {}, not {}",
                rerun.verdict, decided.verdict
            )));
        }
        if !record.entry.explains(&rerun.explanation) {
            return Ok(Some("run again, the policy explains itself in other words".into()));
        }
        if rerun.fuel.is_some_and(|fuel| fuel != decided.usage.fuel) {
            return Ok(Some("run again, the policy takes other fuel".into()));
        }
        Ok(None)
    }
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.flaws.is_empty()
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
