//! A transition: decide on a quiet registry, archive, append, carry out; and all of it again if another writer was faster.

use futures_util::future::join;
use tokio::time::Instant;

use crate::clock::{exceeds, in_words};
use crate::ledger::LedgerWriter;
use crate::ledger::chain::{ENTRY_TAG, Record, source_uri};
use crate::ledger::decide::{Decide, DecideOutcome, Proposal, Recorded};
use crate::ledger::entry::{Entry, EntryKind};
use crate::ledger::look::Appended;
use crate::ledger::mark::{APPLIED_TAG, Mark};
use crate::ledger::mirror::{Mirror, POLICY_TAG, QUARANTINE_TAG};
use crate::ledger::numbering::Numbering;
use crate::ledger::settle::{Quiet, Settler};
use crate::ledger::view::Basis;
use hydra_base::aliases::AliasMove;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::failpoint::failpoint;
use hydra_base::names::{Key, Version};
use hydra_base::text::printable;
use hydra_mlflow::entities::{ModelVersion, NewModelVersion, Tags};
use hydra_mlflow::store::{AtomicOutcome, AtomicTransition, ModelTag, VersionTag};
use hydra_policy::VerdictKind;

/// What became of an operation, once that is known for certain.
enum Attempt {
    /// It is in the ledger, or there was nothing to record.
    Recorded(Recorded),
    /// It was recorded and then declared aborted: it took no effect.
    Aborted(Error),
}

/// What came of an append.
enum Commit {
    /// A local store took the entry and moved the aliases.
    Atomic,
    /// A server took the entry, whose aliases are still to be moved.
    Appended(Box<Appended>),
    /// Another writer was faster.
    Conflict,
}

impl LedgerWriter {
    /// Carries out one operation: a decision, or a statement about a version. `operation_id` recognises it in all its attempts: an id that the newest entries hold
    /// already is not carried out again.
    ///
    /// `Contention` when other writers kept winning until the deadline, or when the decision was recorded and then declared
    /// aborted; `Quarantined` when it would make a version champion that is in quarantine; `LedgerBroken` when damage in the ledger has to be repaired first; `LedgerNewer` when a newer release wrote
    /// an entry.
    pub async fn transition(&self, operation_id: &str, decider: &mut dyn Decide) -> Result<Recorded> {
        let mut settler = Settler::new(self);
        match self.attempt(operation_id, decider, &mut settler).await {
            Ok(Attempt::Recorded(recorded)) => Ok(recorded),
            Ok(Attempt::Aborted(error)) => Err(error),
            Err(error) if !settler.may_be_recorded() => Err(error),
            // An entry was sent: the failure does not say whether the store took it.
            Err(error) => Err(with_doubt(error.with_context("operation id", operation_id))),
        }
    }

    /// Attempts the operation until its outcome is known; an error says that it could not be found out.
    async fn attempt(
        &self,
        operation_id: &str,
        decider: &mut dyn Decide,
        settler: &mut Settler<'_>,
    ) -> Result<Attempt> {
        let mut first = self.ledger.take_opened().await;
        loop {
            let quiet = settler.settle(first.take()).await?;
            if let Some(own) = find_own(&quiet, operation_id) {
                // Another writer carried it out: only aliases read after the mark prove it.
                if own.number == quiet.head.number && !quiet.own_work && !quiet.snapshot.confirmed {
                    first = settler.confirm(&quiet.snapshot).await?;
                    continue;
                }
                return Ok(fate(&quiet, own));
            }
            let then = Instant::now();
            settler.is_not_recorded(quiet.head.number);
            let view = self.ledger.view_of(&Basis::settled(&quiet.snapshot, &quiet.head)).await?;
            let (proposal, located) = join(decider.decide(&view), self.ledger.locate_archive()).await;
            let proposal = match proposal? {
                DecideOutcome::Nothing => return Ok(Attempt::Recorded(Recorded::Nothing)),
                DecideOutcome::Propose(proposal) => *proposal,
                DecideOutcome::Stale => {
                    settler.pause().await?;
                    continue;
                }
            };
            located?;
            if let Some(earlier) = repeated(&proposal, &quiet.head) {
                return Ok(Attempt::Recorded(Recorded::Before(Box::new(earlier))));
            }
            failpoint("ledger.decided");
            let mut draft = self.draft(operation_id, proposal, &quiet, (&view.standing, view.moment))?;
            self.archive(&draft, &view.policies).await?;
            failpoint("ledger.archived");
            if !self.may_append_above(&quiet.head, then).await? {
                settler.pause().await?;
                continue;
            }
            settler.will_append_above(quiet.head.number);
            match self.commit(&mut draft.entry, &quiet).await {
                Ok(Commit::Atomic) => failpoint("ledger.appended"),
                Ok(Commit::Appended(appended)) => {
                    failpoint("ledger.appended");
                    first = self.ledger.appended(&quiet.snapshot, *appended).await?;
                }
                Ok(Commit::Conflict) => {
                    settler.was_refused();
                    settler.pause().await?;
                }
                // It may have been appended; the next look finds it by its operation id.
                Err(error) => settler.pause_if_transient(error).await?,
            }
        }
    }

    /// Whether `head`, which was read before `then`, is still the entry of its number, where a later one may have overwritten it.
    pub(super) async fn may_append_above(&self, head: &Record, then: Instant) -> Result<bool> {
        match self.ledger.numbering().await? {
            Numbering::Ambiguous => {
                let found = self.ledger.read_back(head, then, Numbering::Ambiguous).await?;
                Ok(found.is_some())
            }
            Numbering::Unique | Numbering::Unknown => Ok(true),
        }
    }

    /// Appends an entry.
    pub(super) async fn append(&self, entry: &mut Entry) -> Result<ModelVersion> {
        self.ledger.backend.registry.create_model_version(&self.new_version(entry, false)?).await
    }

    /// Appends; on a local store together with the alias moves.
    async fn commit(&self, entry: &mut Entry, quiet: &Quiet) -> Result<Commit> {
        let registry = &self.ledger.backend.registry;
        let Some(atomic) = registry.atomic() else {
            let asked_at = Instant::now();
            let moves_aside = !entry.side.is_empty();
            let registered = async {
                if moves_aside {
                    return registry.registered_model(&self.ledger.model).await;
                }
                Ok(quiet.snapshot.registered.clone())
            };
            let version = self.new_version(entry, false)?;
            let (version, registered) = join(registry.create_model_version(&version), registered).await;
            let (version, registered) = (version?, registered?);
            self.warn_of_clock();
            return Ok(Commit::Appended(Box::new(Appended { version, registered, asked_at })));
        };
        let aliases = &quiet.snapshot.registered.aliases;
        let mut moves = entry.before.moves_to(&entry.after);
        moves.extend(entry.side_moves(aliases));
        let touched = entry.after.aliases().chain(entry.side.keys());
        let expected_aliases = touched
            .map(|alias| AliasMove { alias: alias.clone(), version: aliases.get(alias).copied() })
            .collect();
        let mut transition = AtomicTransition::new(self.ledger.model.clone(), self.new_version(entry, true)?);
        transition.expected_aliases = expected_aliases;
        transition.moves = moves;
        transition.tags = version_tags(entry)?;
        if let Some(value) = entry.policy_mirror() {
            transition.model_tags = vec![ModelTag { key: Key::new(POLICY_TAG)?, value }];
        }
        transition.expected_newest = Version::new(quiet.snapshot.window.newest()).ok();
        match atomic.commit(&transition).await? {
            AtomicOutcome::Committed(_) => Ok(Commit::Atomic),
            AtomicOutcome::Conflict => Ok(Commit::Conflict),
        }
    }

    /// Says so if the time at which the server took the entry contradicts the clock that its answers had shown when the decision
    /// was made.
    fn warn_of_clock(&self) {
        let Some(clock) = self.ledger.backend.registry.clock() else { return };
        let difference = clock.certain();
        if exceeds(difference, self.ledger.clock_tolerance) {
            tracing::warn!(
                model = %self.ledger.model,
                "this machine's clock is {} the server's, by the entry that the server just took; its earlier answers had another time",
                in_words(difference)
            );
        }
    }

    /// The version that holds an entry. `atomic`: its alias moves are part of the same transaction.
    fn new_version(&self, entry: &mut Entry, atomic: bool) -> Result<NewModelVersion> {
        let mut tags = Tags::from([(ENTRY_TAG.to_owned(), entry.encode()?)]);
        if atomic {
            tags.insert(APPLIED_TAG.to_owned(), Mark::ATOMIC.to_owned());
        }
        Ok(NewModelVersion::new(self.ledger.name.clone(), source_uri(&self.ledger.id))
            .tags(tags)
            .description(sentence(entry)))
    }
}

/// The error of a request whose decision may be recorded. Damage has to be repaired before anything else.
fn with_doubt(error: Error) -> Error {
    if error.kind() == ErrorKind::LedgerBroken {
        return error;
    }
    error.with_hint(
        "run `hydra-registry history` before you repeat the request; the decision may be recorded, and then the next command completes it",
    )
}

fn find_own<'q>(quiet: &'q Quiet, operation_id: &str) -> Option<&'q Record> {
    let mut valid = quiet.snapshot.window.valid_from(quiet.head.number);
    valid.find(|record| record.entry.operation_id == operation_id)
}

/// What became of an operation that is in the chain.
fn fate(quiet: &Quiet, own: &Record) -> Attempt {
    let valid = quiet.snapshot.window.valid_from(quiet.head.number);
    let newer = valid.take_while(|record| record.number != own.number).last();
    match newer {
        Some(newer) if newer.entry.operation == EntryKind::Aborted => {
            let error =
                Error::new(ErrorKind::Contention, "the decision was recorded but did not take effect")
                    .with_context("entry", own.number)
                    .with_context("why", &newer.entry.explanation)
                    .with_hint("try again");
            Attempt::Aborted(error)
        }
        _ => Attempt::Recorded(Recorded::Now(Box::new(own.clone()))),
    }
}

/// The tags that carrying an entry out sets or deletes.
fn version_tags(entry: &Entry) -> Result<Vec<VersionTag>> {
    let mirrors = entry.mirrors().into_iter();
    let key = Key::new(QUARANTINE_TAG)?;
    Ok(mirrors.map(|Mirror { version, value }| VersionTag { version, key: key.clone(), value }).collect())
}

/// The head, if it is the same refusal on the same evidence.
fn repeated(proposal: &Proposal, head: &Record) -> Option<Record> {
    let earlier = head.entry.decided.as_ref()?;
    let decided = &proposal.decision.as_ref()?.decided;
    let refused = decided.verdict != VerdictKind::Approve;
    let same = earlier.verdict == decided.verdict
        && earlier.evidence_sha256 == decided.evidence_sha256
        && earlier.policy == decided.policy
        && earlier.panel == decided.panel
        && head.entry.operation == proposal.operation
        && head.entry.explains(&proposal.explanation);
    (refused && same).then(|| head.clone())
}

/// The description of the entry's version, which MLflow's own pages show.
fn sentence(entry: &Entry) -> String {
    let target = entry.target.map_or_else(String::new, |version| format!(" of version {version}"));
    let verdict = entry.decided.as_ref().map_or_else(String::new, |decided| match decided.verdict {
        VerdictKind::Approve => " approved".into(),
        VerdictKind::Reject => " rejected".into(),
        VerdictKind::Hold => " held".into(),
    });
    // Databases refuse NUL, and control characters would distort MLflow's pages.
    let role = entry.operation.role_of_actor();
    printable(&format!("{}{target}{verdict}, {role} {}: {}", entry.operation, entry.actor, entry.explanation))
}
