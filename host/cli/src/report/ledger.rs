//! The JSON forms of the ledger's commands, and their text for people.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::evaluations::note_text;
use super::schema;
use super::{AnswerReport, ChangeReport, time};
use crate::printer::View;
use hydra_base::aliases::AliasState;
use hydra_base::error::Result;
use hydra_base::names::{Alias, ModelName, Version};
use hydra_base::text::printable;
use hydra_base::{PolicyIdentity, Sha256, Timestamp};
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::decision::DecisionDocument;
use hydra_lifecycle::ledger::entry::{Activation, Decided, Entry, EntryKind, EvaluationNote};
use hydra_lifecycle::ledger::history::Fate;
use hydra_policy::VerdictKind;

/// One entry of `history`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EntryReport {
    /// `hydra-registry/entry/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// Its number in the ledger.
    pub sequence: u64,
    /// The time at which the store created it.
    pub at: String,
    /// A decision (`promote`, `rollback`), a statement (`nominate`, `approve`, `quarantine`, `release`), or an entry of the
    /// ledger itself: `genesis`, `external`, `aborted`, `reassert`, `checkpoint`.
    pub operation: String,
    /// The version that it is about.
    #[schemars(with = "Option<u64>")]
    pub target: Option<Version>,
    /// The verdict; `None` for an entry of the ledger itself.
    pub verdict: Option<VerdictKind>,
    /// `done`, `aborted` or `pending`.
    pub fate: &'static str,
    /// The aliases that it moves.
    pub changes: Vec<ChangeReport>,
    /// The versions that it puts in quarantine.
    #[schemars(with = "Vec<u64>")]
    pub quarantined: Vec<Version>,
    /// When an approval ends.
    pub expires: Option<String>,
    /// Whether an approver also logged the version.
    pub own: bool,
    /// The SHA-256 of the model file that a decision or an approval is about.
    pub model_sha256: Option<String>,
    /// The rules of the host that the request set aside.
    pub overrides: Vec<String>,
    /// What changes for the users of the predictions: `output`, `classes`, `columns`. `history show` says how.
    pub model_change_kinds: Vec<String>,
    /// Why.
    pub explanation: String,
    /// What a person should conclude, if it is not plain.
    pub conclusion: Option<String>,
    /// Who asked; for an `external` entry, who found the move.
    pub actor: String,
    /// The user that the server said the author is authenticated as; `None` where it said nothing.
    pub user: Option<String>,
    /// The server's clock minus the author's, in milliseconds; `None` where the store has no clock of its own.
    pub clock_difference_ms: Option<i64>,
    /// The requester's reason.
    pub reason: Option<String>,
    /// The policy that decided, or that leads the policies that decided.
    #[schemars(with = "Option<schema::Identity>")]
    pub policy: Option<PolicyIdentity>,
    /// The SHA-256 of the document of the policy that it makes the active one, or approves as such.
    #[schemars(with = "Option<String>")]
    pub policy_document: Option<Sha256>,
    /// How many approvals that policy asks for before it changes; none in other entries.
    pub activation_approvals: Option<u32>,
    /// The ids of the keys that signed the policies of a decision or an activation, by the trust rules; at most 4.
    pub signers: Vec<String>,
    /// The SHA-256 of the manifests of the artifacts in registries that these policies came from; at most 4.
    pub manifests: Vec<String>,
    /// The answers of all policies, if several decided together.
    pub panel: Vec<AnswerReport>,
    /// Why the archived answers cannot be shown in full.
    pub panel_flaw: Option<String>,
    /// The instructions that the decision used; those of the leader, if several policies decided.
    pub fuel: Option<u64>,
    /// The evaluations that the host found: those that it left out have a flaw, the policy received the others.
    #[schemars(with = "Vec<schema::Note>")]
    pub evaluations: Vec<EvaluationNote>,
    /// The number of evaluations that the entry had no room for.
    pub more_evaluations: u32,
    /// The id of the request, equal in all its attempts.
    pub operation_id: String,
    /// What the actor did.
    #[serde(skip)]
    pub role: &'static str,
}

impl EntryReport {
    /// An entry with its effect, and with the archived answers if several policies decided together.
    #[must_use]
    pub fn new(
        model: &ModelName,
        record: &Record,
        fate: Fate,
        answers: Result<Option<DecisionDocument>>,
    ) -> Self {
        let entry = &record.entry;
        let decided = entry.decided.as_ref();
        let (panel, panel_flaw) = panel_of(decided, answers);
        let (activation, expires) =
            (entry.activation.as_ref(), entry.subject.as_ref().and_then(|subject| subject.expires));
        let either = |of_decision: fn(&Decided) -> &Vec<String>,
                      of_activation: fn(&Activation) -> &Vec<String>| {
            decided.map(of_decision).or(activation.map(of_activation)).cloned().unwrap_or_default()
        };
        Self {
            schema: "hydra-registry/entry/1",
            model: model.to_string(),
            sequence: record.number,
            at: time(record.created_at),
            operation: entry.operation.to_string(),
            target: entry.target,
            verdict: decided.map(|decided| decided.verdict),
            fate: fate_text(fate),
            changes: changes(entry),
            quarantined: entry.quarantined().into_iter().collect(),
            expires: expires.or_else(|| activation?.expires).map(time),
            own: entry.subject.as_ref().is_some_and(|subject| subject.own),
            model_sha256: decided
                .and_then(|decided| decided.model_sha256.clone())
                .or_else(|| entry.subject.as_ref()?.model_sha256.clone()),
            overrides: entry.overrides.iter().map(ToString::to_string).collect(),
            model_change_kinds: decided
                .map(|decided| decided.changes.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            conclusion: conclusion(entry),
            explanation: entry.explanation.clone(),
            actor: entry.actor.clone(),
            user: entry.user.clone(),
            clock_difference_ms: entry.clock_ms,
            reason: entry.reason.clone(),
            policy: decided.map(|decided| decided.policy.clone()),
            policy_document: activation
                .map(|activation| activation.panel_sha256)
                .filter(|sha256| *sha256 != Sha256::NONE),
            activation_approvals: activation.map(|activation| activation.approvals),
            signers: either(|decided| &decided.signers, |activation| &activation.signers),
            manifests: either(|decided| &decided.manifests, |activation| &activation.manifests),
            panel,
            panel_flaw,
            fuel: decided.map(|decided| decided.usage.fuel),
            evaluations: decided.map(|decided| decided.evaluations.clone()).unwrap_or_default(),
            more_evaluations: decided.map_or(0, |decided| decided.more_evaluations),
            operation_id: entry.operation_id.clone(),
            role: entry.operation.role_of_actor(),
        }
    }

    /// For people: a headline and the details.
    #[must_use]
    pub fn text(&self, view: &View) -> String {
        let mut text = format!("{:>5}  {}  {}", self.sequence, view.time(&self.at), self.operation);
        // Writing to a string cannot fail.
        let _ = self.target.map(|version| write!(text, " version {version}"));
        let _ = self.verdict.map(|verdict| write!(text, ": {}", past(verdict)));
        if self.fate != "done" {
            let _ = write!(text, " ({})", self.fate);
        }
        text.push('\n');
        for change in &self.changes {
            let _ = writeln!(text, "       {}", change.text());
        }
        // Text of other programs may contain line ends, which would result in additional lines.
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!(", because: {reason}"));
        let user = match &self.user {
            Some(user) => format!(" (authenticated as {user})"),
            None => " (unverified)".to_owned(),
        };
        let _ =
            writeln!(text, "       {}", printable(&format!("{} {}{user}{reason}", self.role, self.actor)));
        let _ = writeln!(text, "       {}", printable(&self.explanation));
        for version in &self.quarantined {
            let _ = writeln!(text, "       quarantine: version {version}");
        }
        for rule in &self.overrides {
            let _ = writeln!(text, "       set aside: {rule}");
        }
        if !self.model_change_kinds.is_empty() {
            let _ = writeln!(text, "       changes for users: {}", self.model_change_kinds.join(", "));
        }
        if self.own {
            let _ = writeln!(text, "       the approver also logged the version");
        }
        if let Some(expires) = &self.expires {
            let _ = writeln!(text, "       until {expires}");
        }
        if let Some(sha256) = &self.model_sha256 {
            let _ = writeln!(text, "       model sha256 {}", printable(sha256));
        }
        if let Some(conclusion) = &self.conclusion {
            let _ = writeln!(text, "       {conclusion}");
        }
        for note in &self.evaluations {
            let _ = writeln!(text, "       {}", note_text(note));
        }
        if self.more_evaluations > 0 {
            let _ = writeln!(text, "       and {} more evaluations", self.more_evaluations);
        }
        if let Some(policy) = &self.policy {
            let _ = writeln!(text, "       policy {}", printable(&policy.to_string()));
        }
        for manifest in &self.manifests {
            let _ = writeln!(text, "       from the artifact sha256:{}", printable(manifest));
        }
        for signer in &self.signers {
            let who = if signer.parse::<Sha256>().is_ok() { "key " } else { "" };
            let _ = writeln!(text, "       signed by {who}{}", printable(signer));
        }
        for answer in &self.panel {
            let _ = writeln!(text, "       {}", answer.text());
        }
        if let Some(flaw) = &self.panel_flaw {
            let _ = writeln!(text, "       cannot show the answers: {}", printable(flaw));
        }
        text
    }
}

impl ChangeReport {
    /// The aliases whose version in `after` differs from that in `before`.
    #[must_use]
    pub fn between(before: &AliasState, after: &AliasState) -> Vec<Self> {
        let changes =
            after.iter().map(|(alias, to)| Self { alias: alias.to_string(), from: before.get(alias), to });
        changes.filter(|change| change.from != change.to).collect()
    }

    /// For people: `champion: 3 -> 4`.
    #[must_use]
    pub fn text(&self) -> String {
        let version = |version: Option<Version>| version.map_or_else(|| "none".to_owned(), |v| v.to_string());
        format!("{}: {} -> {}", self.alias, version(self.from), version(self.to))
    }
}

/// `champion --as-of`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AsOfReport {
    /// `hydra-registry/champion-as-of/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// The requested time.
    pub as_of: String,
    /// The champion at that time.
    #[schemars(with = "Option<u64>")]
    pub version: Option<Version>,
    /// The archived version at that time.
    #[schemars(with = "Option<u64>")]
    pub archived: Option<Version>,
    /// The number of the entry with this state.
    pub sequence: u64,
    /// The time of that entry.
    pub since: String,
}

impl AsOfReport {
    /// The state after an entry.
    #[must_use]
    pub fn new(model: &ModelName, as_of: Timestamp, record: &Record, state: &AliasState) -> Self {
        Self {
            schema: "hydra-registry/champion-as-of/1",
            model: model.to_string(),
            as_of: time(as_of),
            version: state.get(&Alias::CHAMPION),
            archived: state.get(&Alias::ARCHIVED),
            sequence: record.number,
            since: time(record.created_at),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let version =
            |version: Option<Version>| version.map_or_else(|| "none".to_owned(), |v| format!("version {v}"));
        format!(
            "champion of {} at {}: {}\n  archived {}\n  ledger   entry {} of {}",
            self.model,
            self.as_of,
            version(self.version),
            version(self.archived),
            self.sequence,
            self.since
        )
    }
}

/// What follows from a champion that was moved without the ledger.
fn conclusion(entry: &Entry) -> Option<String> {
    if entry.operation != EntryKind::External {
        return None;
    }
    let (before, after) = (entry.before.get(&Alias::CHAMPION), entry.after.get(&Alias::CHAMPION));
    match (before, after) {
        _ if before == after => None,
        (Some(before), Some(_)) => Some(format!(
            "the champion was moved by another program than hydra-registry; `hydra-registry rollback` returns to version {before}"
        )),
        (_, None) => Some("there was no champion any more; promote a version, or roll back".to_owned()),
        (None, Some(_)) => {
            Some("the champion was set by another program than hydra-registry, without a decision".to_owned())
        }
    }
}

/// The answers of the policies of an entry: in full, or in brief with the reason.
fn panel_of(
    decided: Option<&Decided>,
    answers: Result<Option<DecisionDocument>>,
) -> (Vec<AnswerReport>, Option<String>) {
    let Some(decided) = decided else { return (Vec::new(), None) };
    let flaw = match answers {
        Ok(None) => None,
        Ok(Some(document)) => match document.flaw(decided) {
            None => return (AnswerReport::all(&document.policies), None),
            Some(flaw) => Some(flaw.to_owned()),
        },
        Err(error) => Some(error.to_string()),
    };
    (AnswerReport::brief(&decided.panel), flaw)
}

fn changes(entry: &Entry) -> Vec<ChangeReport> {
    let side = entry.side.iter().map(|(alias, side)| ChangeReport {
        alias: alias.to_string(),
        from: side.from,
        to: side.to,
    });
    let mut changes = ChangeReport::between(&entry.before, &entry.after);
    changes.extend(side.filter(|change| change.from != change.to));
    changes
}

pub(super) fn fate_text(fate: Fate) -> &'static str {
    match fate {
        Fate::Done => "done",
        Fate::Aborted => "aborted",
        Fate::Pending => "pending",
    }
}

pub(super) fn past(verdict: VerdictKind) -> &'static str {
    match verdict {
        VerdictKind::Approve => "approved",
        VerdictKind::Reject => "rejected",
        VerdictKind::Hold => "held",
    }
}
