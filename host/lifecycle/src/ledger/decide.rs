//! The words that the ledger and its caller share: what the ledger shows, what the caller proposes, what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Moment;
use crate::ledger::chain::Record;
use crate::ledger::entry::{Activation, Decided, EntryKind, Subject, tracked};
use crate::ledger::standing::Standing;
use hydra_base::Sha256;
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::error::Result;
use hydra_base::names::{Alias, Version};
use hydra_mlflow::entities::RegisteredModel;
use hydra_policy::{Operation, OverrideKind, Transition};

/// The caller's part of a transition.
#[async_trait]
pub trait Decide: Send {
    /// Decides on evidence that [agrees](LedgerView::agrees) with the view. Called again, on a new view, whenever another
    /// writer was faster. An error ends the transition, and nothing is recorded.
    async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome>;
}

/// The result of [`Decide::decide`].
#[derive(Debug, Clone)]
pub enum DecideOutcome {
    /// There is nothing to decide.
    Nothing,
    /// The evidence and the view show different aliases: the ledger asks again.
    Stale,
    /// An entry to record.
    Propose(Box<Proposal>),
}

/// What to record, and the moves to carry out once it is recorded.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// What the entry records.
    pub operation: EntryKind,
    /// The version that the request is about.
    pub target: Option<Version>,
    /// The requester's reason.
    pub reason: Option<String>,
    /// The policy's explanation, or a sentence about a statement.
    pub explanation: String,
    /// The policy's part, if a policy decided.
    pub decision: Option<ProposedDecision>,
    /// The moves, which passed the guards; none unless approved.
    pub moves: Vec<AliasMove>,
    /// The rules of the host that the request set aside.
    pub overrides: BTreeSet<OverrideKind>,
    /// The part of a statement about one version.
    pub subject: Option<Subject>,
    /// The versions that a rollback puts in quarantine.
    pub quarantines: BTreeSet<Version>,
    /// The part of an activation, and of an approval of one.
    pub activation: Option<Activation>,
    /// What the archive must hold before the entry is appended, beside the files of a decision.
    pub files: Option<ActiveFiles>,
}

impl Proposal {
    /// A statement of that kind: no decision of a policy, and no move.
    #[must_use]
    pub fn statement(operation: EntryKind, explanation: String) -> Self {
        Self {
            operation,
            target: None,
            reason: None,
            explanation,
            decision: None,
            moves: Vec::new(),
            overrides: BTreeSet::new(),
            subject: None,
            quarantines: BTreeSet::new(),
            activation: None,
            files: None,
        }
    }
}

/// The files of an active policy.
#[derive(Debug, Clone)]
pub struct ActiveFiles {
    /// The document.
    pub document: Vec<u8>,
    /// The components by digest.
    pub components: BTreeMap<Sha256, Arc<[u8]>>,
    /// What shows who signed them, if the document has rules about that.
    pub signatures: Option<Vec<u8>>,
}

/// A policy's part of a proposal.
#[derive(Debug, Clone)]
pub struct ProposedDecision {
    /// The policy, its verdict and the resources. The ledger computes `input_sha256` from `input`, and `decision_sha256` from
    /// `document`.
    pub decided: Decided,
    /// The policy's full input, for the archive.
    pub input: Vec<u8>,
    /// The document of the answers, for the archive, if several policies decided.
    pub document: Option<Vec<u8>>,
    /// The policy components by digest, for the archive. Those of the active policy are there already.
    pub components: BTreeMap<Sha256, Arc<[u8]>>,
    /// The digest of the document of the active policy, if that decided.
    pub active: Option<Sha256>,
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

/// The ledger and the aliases, read when they agreed: what a decision is based on.
#[derive(Debug, Clone)]
pub struct LedgerView {
    /// The time of the decision.
    pub moment: Moment,
    /// The head.
    pub head: Record,
    /// The model with its aliases, as read together with the head.
    pub registered: RegisteredModel,
    /// The newest transitions, newest first, in the form that policies see. Aborted ones are left out.
    pub history: Vec<Transition>,
    /// Since when the champion has been champion, in milliseconds.
    pub champion_since: Option<u64>,
    /// The decisions that moved the champion within the last month, each with its time in milliseconds.
    pub crownings: Vec<(Operation, u64)>,
    /// Policies that are in the archive, because entries name them. There may be more.
    pub(super) policies: BTreeSet<Sha256>,
    /// The standing: quarantines, approvals, the active panel.
    pub standing: Standing,
    /// Moves of aliases without the ledger.
    pub outside: Outside,
    /// Whether the champion is where it is because a slow writer's move was undone, and nothing moved it since.
    pub champion_was_restored: bool,
    /// The ledger's alias state, without versions that were deleted.
    pub(super) state: AliasState,
    pub(super) deleted: BTreeSet<Version>,
}

/// Moves of `champion` and `archived` without the ledger, after its own decision about the alias.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside {
    /// If there were some: the versions that were champion before the present one, the newest first. They may be deleted.
    pub former_champions: Vec<Version>,
    /// Whether `archived` is where the ledger did not put it, so that it does not say which version was champion.
    pub archived: bool,
}

impl LedgerView {
    /// Whether evidence with these aliases shows the state that the ledger is in, and the same candidate.
    #[must_use]
    pub fn agrees(&self, aliases: &BTreeMap<Alias, Version>) -> bool {
        let seen =
            |alias: &Alias| aliases.get(alias).copied().filter(|version| !self.deleted.contains(version));
        let candidate = Alias::CANDIDATE;
        tracked(&self.state).iter().all(|(alias, version)| seen(alias) == version)
            && aliases.get(&candidate) == self.registered.aliases.get(&candidate)
    }
}
