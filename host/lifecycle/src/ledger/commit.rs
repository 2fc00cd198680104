//! A transition: decide on a quiet registry, archive, append, carry out; and all of it again if somebody else was faster.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join;

use crate::ledger::chain::{APPLIED_TAG, ENTRY_TAG, Record, source_uri};
use crate::ledger::entry::{Decided, Entry, Kind, SCHEMA, SideMove};
use crate::ledger::settle::{Quiet, Settler};
use crate::ledger::view::View;
use crate::ledger::{HOST, Ledger};
use hydra_base::Sha256;
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::failpoint::failpoint;
use hydra_base::names::{Alias, Version};
use hydra_base::text::printable;
use hydra_base::time::now;
use hydra_ledger_rules::Number;
use hydra_mlflow::entities::{ModelVersion, NewModelVersion, Tags};
use hydra_mlflow::store::{AtomicOutcome, AtomicTransition};
use hydra_policy::VerdictKind;

/// What to record, and what to do if that commits.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// [`Kind::Promote`] or [`Kind::Rollback`].
    pub operation: Kind,
    /// The version it is about.
    pub target: Option<Version>,
    /// Why it was asked for.
    pub reason: Option<String>,
    /// Why the policy decided so.
    pub explanation: String,
    /// The policy's part. Its `input_sha256` is filled in from `input`.
    pub decided: Decided,
    /// The moves, already guarded; none unless approved.
    pub moves: Vec<AliasMove>,
    /// The policy's full input, for the archive.
    pub input: Vec<u8>,
    /// The policy component, for the archive.
    pub component: Arc<[u8]>,
}

/// The caller's part of a transition.
#[async_trait]
pub trait Decide: Send {
    /// Decides on evidence that [agrees](View::agrees) with the view. Called again, on a new view, whenever somebody else
    /// was faster. An error ends the transition; nothing was recorded then.
    async fn decide(&mut self, view: &View) -> Result<Answer>;
}

/// What a [`Decide`] answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// There is nothing to decide.
    Nothing,
    /// The evidence is of another moment than the view. To be asked again.
    Stale,
    /// Record this.
    Propose(Box<Proposal>),
}

/// A decision in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// There was nothing to decide.
    Nothing,
    /// The policy refused as it had just refused on equal evidence; that is not recorded again. This is the earlier entry.
    Before(Box<Record>),
    /// Recorded, and carried out or superseded by later entries.
    Now(Box<Record>),
}

/// For how long what opened the ledger may serve the first decision.
const FRESH: std::time::Duration = std::time::Duration::from_secs(5);

impl Ledger {
    /// Carries out one operation. `operation_id` recognises it in all its attempts: an id that the newest entries hold
    /// already is not carried out again.
    ///
    /// `Contention` when others kept winning until the deadline, or when the decision was recorded and then declared
    /// aborted; `LedgerBroken` when damage in the ledger has to be repaired first.
    pub async fn transition(&self, operation_id: &str, decider: &mut dyn Decide) -> Result<Recorded> {
        let mut settler = Settler::new(self);
        match self.attempt(operation_id, decider, &mut settler).await {
            Ok(outcome) => outcome,
            Err(error) if settler.reach == Number::MAX => Err(error),
            // Once an entry was sent, a failure does not mean that nothing happened.
            Err(error) => Err(error.with_context("operation id", operation_id).with_hint(
                "run `hydra-registry history` before you repeat the request; the decision may be recorded, and then the next command completes it",
            )),
        }
    }

    /// What became of the operation; the outer error says that it could not be found out.
    async fn attempt(
        &self,
        operation_id: &str,
        decider: &mut dyn Decide,
        settler: &mut Settler<'_>,
    ) -> Result<Result<Recorded>> {
        let mut first = self.opened.lock().await.take().filter(|snapshot| snapshot.is_fresh(FRESH));
        loop {
            let quiet = settler.settle(first.take()).await?;
            if let Some(own) = find_own(&quiet, operation_id) {
                // Somebody else carried it out: only aliases read after the mark prove it.
                if own.number == quiet.head.number && !quiet.own_work && !quiet.snapshot.confirmed {
                    first = self.confirm(&quiet.snapshot).await?;
                    continue;
                }
                return Ok(fate(&quiet, own));
            }
            let view = self.view_of(&quiet).await?;
            // Where the archive is, is found out meanwhile.
            let (proposal, artifacts) = join(decider.decide(&view), self.artifact_uri()).await;
            let proposal = match proposal? {
                Answer::Nothing => return Ok(Ok(Recorded::Nothing)),
                Answer::Propose(proposal) => *proposal,
                Answer::Stale => {
                    settler.pause().await?;
                    continue;
                }
            };
            artifacts?;
            if let Some(earlier) = repeated(&proposal, &quiet.head) {
                return Ok(Ok(Recorded::Before(Box::new(earlier))));
            }
            failpoint("ledger.decided");
            self.archive(operation_id, &proposal).await?;
            failpoint("ledger.archived");
            let mut entry = self.decision_entry(operation_id, proposal, &quiet);
            settler.reach = settler.reach.min(quiet.head.number);
            match self.commit(&mut entry, &quiet).await {
                Ok(true) => failpoint("ledger.appended"),
                Ok(false) => settler.pause().await?,
                // It may have been appended; the operation id will tell.
                Err(error) => settler.bear(error).await?,
            }
        }
    }

    /// An entry on top of `base`.
    pub(super) fn entry(
        &self,
        operation: Kind,
        base: Number,
        previous: Option<Sha256>,
        before: AliasState,
        after: AliasState,
        why: String,
    ) -> Entry {
        let at = now();
        Entry {
            schema: SCHEMA,
            ledger: self.id.clone(),
            operation,
            operation_id: uuid::Uuid::new_v4().simple().to_string(),
            base,
            previous,
            target: None,
            actor: self.settings.actor.clone(),
            reason: None,
            at,
            expires: at.saturating_add(i64::try_from(self.settings.windows.expiry).unwrap_or(i64::MAX)),
            explanation: why,
            before,
            after,
            side: BTreeMap::new(),
            decided: None,
            origin: None,
            bridge: None,
            host: HOST.into(),
        }
    }

    /// Appends an entry.
    pub(super) async fn append(&self, entry: &mut Entry) -> Result<ModelVersion> {
        self.backend.registry.create_model_version(&self.new_version(entry, false)?).await
    }

    fn decision_entry(&self, operation_id: &str, proposal: Proposal, quiet: &Quiet) -> Entry {
        let head = &quiet.head;
        let mut before = quiet.snapshot.existing(head.state());
        let mut after = before.clone();
        let mut side = BTreeMap::new();
        for AliasMove { alias, version } in proposal.moves {
            let from = quiet.snapshot.registered.aliases.get(&alias).copied();
            if alias == Alias::CANDIDATE {
                side.insert(alias, SideMove { from, to: version });
            } else {
                before.set_if_missing(alias.clone(), from);
                after.set(alias, version);
            }
        }
        for (alias, version) in before.iter() {
            after.set_if_missing(alias.clone(), version);
        }
        let entry = self.entry(
            proposal.operation,
            head.number,
            Some(head.digest),
            before,
            after,
            proposal.explanation,
        );
        let input_sha256 = Sha256::of(&proposal.input);
        Entry {
            operation_id: operation_id.to_owned(),
            target: proposal.target,
            reason: proposal.reason,
            side,
            decided: Some(Decided { input_sha256, ..proposal.decided }),
            ..entry
        }
    }

    /// Appends; on a local store together with the alias moves. `false` when somebody else was faster.
    async fn commit(&self, entry: &mut Entry, quiet: &Quiet) -> Result<bool> {
        let registry = &self.backend.registry;
        let Some(atomic) = registry.atomic() else {
            return self.append(entry).await.map(|_| true);
        };
        let aliases = &quiet.snapshot.registered.aliases;
        let mut moves = entry.before.moves_to(&entry.after);
        let sides = entry.side.iter().filter(|(alias, side)| aliases.get(*alias).copied() == side.from);
        moves.extend(sides.map(|(alias, side)| AliasMove { alias: alias.clone(), version: side.to }));
        let touched = entry.after.aliases().chain(entry.side.keys());
        let expected_aliases = touched
            .map(|alias| AliasMove { alias: alias.clone(), version: aliases.get(alias).copied() })
            .collect();
        let mut transition = AtomicTransition::new(self.model.clone(), self.new_version(entry, true)?);
        transition.expected_aliases = expected_aliases;
        transition.moves = moves;
        transition.expected_newest = Version::new(quiet.snapshot.window.newest()).ok();
        match atomic.commit(&transition).await? {
            AtomicOutcome::Committed(_) => Ok(true),
            AtomicOutcome::Conflict => Ok(false),
        }
    }

    fn new_version(&self, entry: &mut Entry, applied: bool) -> Result<NewModelVersion> {
        let mut tags = Tags::from([(ENTRY_TAG.to_owned(), entry.encode()?)]);
        if applied {
            tags.insert(APPLIED_TAG.to_owned(), entry.at.to_string());
        }
        Ok(NewModelVersion::new(self.name.clone(), source_uri(&self.id))
            .tags(tags)
            .description(sentence(entry)))
    }
}

fn find_own<'q>(quiet: &'q Quiet, operation_id: &str) -> Option<&'q Record> {
    let mut valid = quiet.snapshot.window.valid_from(quiet.head.number);
    valid.find(|record| record.entry.operation_id == operation_id)
}

/// What became of an operation that is in the chain.
fn fate(quiet: &Quiet, own: &Record) -> Result<Recorded> {
    let valid = quiet.snapshot.window.valid_from(quiet.head.number);
    let newer = valid.take_while(|record| record.number != own.number).last();
    match newer {
        Some(newer) if newer.entry.operation == Kind::Aborted => {
            Err(Error::new(ErrorKind::Contention, "the decision was recorded but did not take effect")
                .with_context("entry", own.number)
                .with_context("why", &newer.entry.explanation)
                .with_hint("try again"))
        }
        _ => Ok(Recorded::Now(Box::new(own.clone()))),
    }
}

/// The head, if it is the same refusal on the same evidence.
fn repeated(proposal: &Proposal, head: &Record) -> Option<Record> {
    let earlier = head.entry.decided.as_ref()?;
    let refused = proposal.decided.verdict != VerdictKind::Approve;
    let same = earlier.verdict == proposal.decided.verdict
        && earlier.evidence_sha256 == proposal.decided.evidence_sha256
        && earlier.policy == proposal.decided.policy
        && head.entry.operation == proposal.operation
        && head.entry.explains(&proposal.explanation);
    (refused && same).then(|| head.clone())
}

/// The sentence that people see in MLflow's own pages.
fn sentence(entry: &Entry) -> String {
    let target = entry.target.map_or_else(String::new, |version| format!(" of version {version}"));
    let verdict = entry.decided.as_ref().map_or_else(String::new, |decided| match decided.verdict {
        VerdictKind::Approve => " approved".into(),
        VerdictKind::Reject => " rejected".into(),
        VerdictKind::Hold => " held".into(),
    });
    // Databases refuse NUL, and pages need no control characters.
    printable(&format!(
        "{}{target}{verdict}, requested by {}: {}",
        entry.operation, entry.actor, entry.explanation
    ))
}
