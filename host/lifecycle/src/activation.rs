//! Activations: the ledger makes a panel of policies the one by which every host decides.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use uuid::Uuid;

use crate::ledger::active::PolicyDocument;
use crate::ledger::decide::ActiveFiles;
use crate::ledger::entry::{Activation, EntryKind};
use crate::ledger::head::Head;
use crate::ledger::{
    Decide, DecideOutcome, Ledger, LedgerView, LedgerWriter, Proposal, Recorded, Standing,
    names_active_policy,
};
use crate::panel::Panel;
use crate::statement::check_reason;
use hydra_base::actor;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::ModelName;
use hydra_base::{Sha256, Timestamp};

/// What is stated about the active policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PolicyVerb {
    /// A panel becomes the active one.
    Activate,
    /// No policy is active any more.
    Deactivate,
    /// A panel may become the active one, or none may be.
    Approve,
}

impl fmt::Display for PolicyVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Approve => "approve",
        })
    }
}

/// A statement about the active policy of a model.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "a statement is not recorded until it is passed to `record`"]
pub struct PolicyStatement {
    /// What is said.
    pub verb: PolicyVerb,
    /// The SHA-256 of the document of the policy; none: that no policy is active.
    pub sha256: Option<Sha256>,
    /// Why, for the ledger.
    pub reason: Option<String>,
    /// How long an approval lasts; none if only its use ends it.
    pub expires: Option<Duration>,
    /// The newest entry that the ledger must have when it is recorded.
    pub expected_head: Option<Head>,
    /// The approvals that the policy asks for before it changes, and its files.
    activation: Option<(u32, ActiveFiles)>,
    /// The ids of the keys that signed its policies.
    signers: Vec<String>,
    /// The digests of the manifests of its policies from registries.
    manifests: Vec<String>,
}

impl PolicyStatement {
    /// That `panel` becomes the active one. Before another takes its place, `approvals` people other than the requester must
    /// approve. The settings are checked.
    pub fn activate(panel: &Panel, approvals: u32) -> Result<Self> {
        let document = PolicyDocument::of(panel, approvals)?;
        let files = document.files(panel)?;
        let sha256 = Sha256::of(&files.document);
        Ok(Self {
            activation: Some((approvals, files)),
            signers: panel.recorded_signers(),
            manifests: panel.recorded_manifests(),
            ..Self::new(PolicyVerb::Activate, Some(sha256))
        })
    }

    /// That no policy is active any more.
    pub fn deactivate() -> Self {
        Self::new(PolicyVerb::Deactivate, None)
    }

    /// That the policy with this document may become the active one; none: that none may be.
    pub fn approve(sha256: Option<Sha256>) -> Self {
        Self::new(PolicyVerb::Approve, sha256)
    }

    fn new(verb: PolicyVerb, sha256: Option<Sha256>) -> Self {
        Self {
            verb,
            sha256,
            reason: None,
            expires: None,
            expected_head: None,
            activation: None,
            signers: Vec::new(),
            manifests: Vec::new(),
        }
    }
}

/// A statement about the active policy, on record or tried out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PolicyStated {
    /// The registered model.
    pub model: ModelName,
    /// What was said.
    pub verb: PolicyVerb,
    /// The SHA-256 of the document of the policy; none: that no policy is active.
    pub sha256: Option<Sha256>,
    /// The SHA-256 of the document of the policy that was active before.
    pub former: Option<Sha256>,
    /// How many people must approve before the policy that is active afterwards changes.
    pub asks_for: u32,
    /// The approvals of this change that count; of an approval, those that count with it.
    pub approved_by: Vec<String>,
    /// What it means, for people.
    pub explanation: String,
    /// When an approval ends.
    pub expires: Option<Timestamp>,
    /// Who said it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Whether it was only tried out.
    pub dry_run: bool,
    /// Whether it held already.
    pub holds: bool,
    /// Whether the ledger records it; otherwise it held already, or was tried out.
    pub recorded: bool,
    /// The number of the ledger entry, if it is recorded.
    pub sequence: Option<u64>,
}

/// Records a statement about the active policy.
///
/// `ActivationApprovals` if the policy that is active asks for more approvals before it changes, `TooManyApprovals` beyond the
/// limit of approvals, `TextTooLong` for a reason that is too long, and the errors of [`LedgerWriter::transition`].
pub async fn record(ledger: &LedgerWriter, statement: &PolicyStatement) -> Result<PolicyStated> {
    check_reason(statement.reason.as_deref())?;
    let operation_id = Uuid::new_v4().simple().to_string();
    let mut decider = PolicyDecider { ledger, statement, stated: None };
    let recorded = ledger.transition(&operation_id, &mut decider).await?;
    let mut stated = decider.stated.ok_or_else(|| {
        Error::new(ErrorKind::Internal, "the ledger recorded a statement that was not made")
    })?;
    if let Recorded::Now(record) = recorded {
        stated.recorded = true;
        stated.sequence = Some(record.number);
        stated.at = record.entry.at;
    }
    tracing::info!(
        model = %stated.model,
        verb = %stated.verb,
        policy = stated.sha256.map(tracing::field::display),
        sequence = stated.sequence,
        actor = %stated.actor,
        explanation = %stated.explanation,
        "statement about the active policy"
    );
    Ok(stated)
}

/// What [`record`] would do. Nothing is written. `ledger` is none for a model without one.
pub async fn try_out(
    model: &ModelName,
    ledger: Option<&Ledger>,
    who: (&str, Option<&str>),
    now: Timestamp,
    statement: &PolicyStatement,
) -> Result<PolicyStated> {
    check_reason(statement.reason.as_deref())?;
    let (standing, lost) = match ledger {
        Some(ledger) => {
            let view = ledger.view().await?;
            if let Some(expected) = &statement.expected_head {
                expected.ensure(Some(&view))?;
            }
            (view.standing, names_active_policy(&view.registered.tags))
        }
        None => (Standing::none(""), false),
    };
    let mut stated = stated(model, &standing, lost, who, now, statement)?;
    stated.dry_run = true;
    if !stated.holds && statement.verb != PolicyVerb::Approve {
        standing.ensure_may_become_active(statement.sha256.unwrap_or(Sha256::NONE), who, now)?;
    }
    Ok(stated)
}

/// Makes one statement, again whenever another writer was faster.
struct PolicyDecider<'a> {
    ledger: &'a LedgerWriter,
    statement: &'a PolicyStatement,
    stated: Option<PolicyStated>,
}

#[async_trait]
impl Decide for PolicyDecider<'_> {
    async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome> {
        if let Some(expected) = &self.statement.expected_head {
            expected.ensure(Some(view))?;
        }
        let statement = self.statement;
        let (standing, at) = (&view.standing, view.moment.now);
        let who = (self.ledger.actor(), self.ledger.user());
        let lost = names_active_policy(&view.registered.tags);
        let stated = stated(self.ledger.ledger().model(), standing, lost, who, at, statement)?;
        let (holds, expires, explanation) = (stated.holds, stated.expires, stated.explanation.clone());
        self.stated = Some(stated);
        if holds {
            if let (Some(active), Some((_, files))) = (standing.panel(), &statement.activation) {
                self.ledger.restore_active(active, files).await?;
            }
            return Ok(DecideOutcome::Nothing);
        }
        let (approvals, files) = statement.activation.clone().unzip();
        let activation = match (statement.verb, statement.sha256) {
            (PolicyVerb::Deactivate, _) => None,
            (_, sha256) => Some(Activation {
                approvals: approvals.unwrap_or_default(),
                expires,
                signers: statement.signers.clone(),
                manifests: statement.manifests.clone(),
                ..Activation::of(sha256.unwrap_or(Sha256::NONE))
            }),
        };
        Ok(DecideOutcome::Propose(Box::new(Proposal {
            reason: statement.reason.clone(),
            activation,
            files,
            ..Proposal::statement(statement.verb.into(), explanation)
        })))
    }
}

/// What a statement comes to. `lost`: a tag of the model names an active policy.
fn stated(
    model: &ModelName,
    standing: &Standing,
    lost: bool,
    who: (&str, Option<&str>),
    at: Timestamp,
    statement: &PolicyStatement,
) -> Result<PolicyStated> {
    let PolicyStatement { verb, sha256, reason, expires, .. } = statement;
    let (verb, sha256) = (*verb, *sha256);
    let former = standing.panel().map(|active| active.sha256);
    let named = sha256.unwrap_or(Sha256::NONE);
    let holds = match verb {
        PolicyVerb::Activate => former == sha256,
        PolicyVerb::Deactivate => former.is_none() && !lost,
        PolicyVerb::Approve => {
            standing.ensure_room_for_panel_approval(named, who.0, at)?;
            false
        }
    };
    let asks_for = match (verb, &statement.activation) {
        (PolicyVerb::Activate, Some((approvals, _))) => *approvals,
        (PolicyVerb::Deactivate, _) => 0,
        _ => standing.panel().map_or(0, |active| active.approvals),
    };
    // An approver does not request the change: another person does, whose approval would not count.
    let requester = if verb == PolicyVerb::Approve { ("", None) } else { who };
    let counting = standing.counting_panel_approvals(named, requester, at);
    let mut approved_by: Vec<String> = counting.into_iter().map(|approval| approval.by.clone()).collect();
    if verb == PolicyVerb::Approve && !approved_by.iter().any(|by| actor::is_same(by, who.0)) {
        approved_by.push(who.0.to_owned());
    }
    let ends = |expires: Duration| at.saturating_add(i64::try_from(expires.as_millis()).unwrap_or(i64::MAX));
    Ok(PolicyStated {
        model: model.clone(),
        verb,
        sha256,
        former,
        asks_for,
        approved_by,
        explanation: explanation(verb, sha256, former, holds),
        expires: expires.map(ends),
        actor: who.0.to_owned(),
        reason: reason.clone(),
        at,
        dry_run: false,
        holds,
        recorded: false,
        sequence: None,
    })
}

fn explanation(verb: PolicyVerb, sha256: Option<Sha256>, former: Option<Sha256>, holds: bool) -> String {
    let policy = sha256.map_or_else(|| "no policy".to_owned(), |sha256| format!("the policy {sha256}"));
    match (verb, former) {
        (PolicyVerb::Activate, _) if holds => format!("{policy} is active already"),
        (PolicyVerb::Activate, None) => format!("{policy} becomes the active one: every host decides by it"),
        (PolicyVerb::Activate, Some(former)) => {
            format!("{policy} becomes the active one instead of {former}: every host decides by it")
        }
        (PolicyVerb::Deactivate, _) if holds => "no policy is active".to_owned(),
        (PolicyVerb::Deactivate, None) => "no policy is active: each host decides by its own".to_owned(),
        (PolicyVerb::Deactivate, Some(former)) => {
            format!("the policy {former} is not active any more: each host decides by its own")
        }
        (PolicyVerb::Approve, _) if sha256.is_none() => "it is approved that no policy is active".to_owned(),
        (PolicyVerb::Approve, _) => format!("{policy} is approved as the active one"),
    }
}

impl From<PolicyVerb> for EntryKind {
    fn from(verb: PolicyVerb) -> Self {
        match verb {
            PolicyVerb::Activate => Self::Activate,
            PolicyVerb::Deactivate => Self::Deactivate,
            PolicyVerb::Approve => Self::Approve,
        }
    }
}
