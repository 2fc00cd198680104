//! The JSON shapes of the active policy and of statements about it, and their texts for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{schema, time};
use hydra_base::error::Error;
use hydra_base::names::ModelName;
use hydra_base::text::printable;
use hydra_base::time::now;
use hydra_base::{PolicyIdentity, Sha256};
use hydra_lifecycle::ledger::standing::PanelApproval;
use hydra_policy::{Budget, PanelRole};
use hydra_registry::trust::PublicKey;
use hydra_registry::trust::rules::{KeyConfig, TrustConfig};
use hydra_registry::{ActivePolicy, DocumentedPolicy, PolicyStated, PolicyVerb};

/// `policy activate`, `policy deactivate` and `policy approve`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PolicyStatementReport {
    /// `hydra-registry/policy-statement/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// `activate`, `deactivate` or `approve`.
    pub operation: String,
    /// The SHA-256 of the document of the policy; none: that no policy is active.
    #[schemars(with = "Option<String>")]
    pub policy: Option<Sha256>,
    /// The SHA-256 of the document of the policy that was active before.
    #[schemars(with = "Option<String>")]
    pub former: Option<Sha256>,
    /// `done`, `unchanged` if it held already, or `refused` if one of several models refuses it.
    pub outcome: &'static str,
    /// What it means.
    pub explanation: String,
    /// How many people must approve before the policy that is active afterwards changes.
    pub activation_approvals: u32,
    /// Whose approvals of this change count.
    pub approved_by: Vec<String>,
    /// When an approval ends; none if only its use ends it.
    pub expires: Option<String>,
    /// Who said it; none of what was refused.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: String,
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// The number of the ledger entry; none if there was nothing to record.
    pub sequence: Option<u64>,
}

impl From<&PolicyStated> for PolicyStatementReport {
    fn from(stated: &PolicyStated) -> Self {
        Self {
            schema: "hydra-registry/policy-statement/1",
            model: stated.model.to_string(),
            operation: stated.verb.to_string(),
            policy: stated.sha256,
            former: stated.former,
            outcome: if stated.holds { "unchanged" } else { "done" },
            explanation: stated.explanation.clone(),
            activation_approvals: stated.asks_for,
            approved_by: stated.approved_by.clone(),
            expires: stated.expires.map(time),
            actor: Some(stated.actor.clone()),
            reason: stated.reason.clone(),
            at: time(stated.at),
            dry_run: stated.dry_run,
            sequence: stated.sequence,
        }
    }
}

impl PolicyStatementReport {
    /// A statement about several models that this one refuses: nothing is recorded.
    #[must_use]
    pub fn refused(
        model: &ModelName,
        verb: PolicyVerb,
        policy: Option<Sha256>,
        dry_run: bool,
        error: &Error,
    ) -> Self {
        let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
        Self {
            schema: "hydra-registry/policy-statement/1",
            model: model.to_string(),
            operation: verb.to_string(),
            policy,
            former: None,
            outcome: "refused",
            explanation: format!("{error}{hint}"),
            activation_approvals: 0,
            approved_by: Vec::new(),
            expires: None,
            actor: None,
            reason: None,
            at: time(now()),
            dry_run,
            sequence: None,
        }
    }

    /// For people: what holds now, and what to do next.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let what = match (self.outcome, self.dry_run) {
            ("done", true) => " would be done (dry run: nothing changed)",
            ("done", false) => ": done",
            ("refused", _) => ": refused",
            _ => ": nothing to do",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} of a policy for {}{what}", self.operation, self.model);
        let _ = writeln!(text, "  what    {}", printable(&self.explanation));
        if let Some(policy) = &self.policy {
            let _ = writeln!(text, "  sha256  {policy}");
        }
        if !self.approved_by.is_empty() {
            let _ = writeln!(text, "  approved by {}", printable(&self.approved_by.join(", ")));
        }
        if self.activation_approvals > 0 {
            let _ =
                writeln!(text, "  a change of it needs the approval of {} others", self.activation_approvals);
        }
        if let Some(expires) = &self.expires {
            let _ = writeln!(text, "  until   {expires}");
        }
        if let Some(sequence) = self.sequence {
            let _ = writeln!(text, "  ledger  entry {sequence}");
        }
        let next = match (self.operation.as_str(), self.dry_run) {
            _ if self.outcome == "refused" => return text.trim_end().to_owned(),
            (_, true) => "next: the same command without --dry-run",
            ("activate", _) => {
                "next: hydra-registry promote decides by it, on every host that names no other policy"
            }
            ("approve", _) => {
                "next: another person than the approvers runs policy activate or policy deactivate"
            }
            _ => "",
        };
        text + next
    }
}

/// `policy active`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ActivePolicyReport {
    /// `hydra-registry/active-policy/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// The SHA-256 of the document of the active policy; none if no policy is active.
    #[schemars(with = "Option<String>")]
    pub policy: Option<Sha256>,
    /// Since when it is active.
    pub since: Option<String>,
    /// Who activated it.
    pub actor: Option<String>,
    /// The user that the server said was authenticated.
    pub user: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// How many people must approve before it changes.
    pub activation_approvals: u32,
    /// The policies, the leader first.
    pub policies: Vec<ActiveMemberReport>,
    /// The rules about signatures.
    pub trust: Option<Map<String, Value>>,
    /// The approvals of policies that were not used yet.
    pub approvals: Vec<PolicyApprovalReport>,
}

/// One of the policies that are active together.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ActiveMemberReport {
    /// Its name.
    pub name: String,
    /// Its part.
    pub mode: PanelRole,
    /// The policy.
    #[schemars(with = "schema::Identity")]
    pub policy: PolicyIdentity,
    /// Its settings, as it receives them.
    pub settings: BTreeMap<String, String>,
    /// Its limits.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub budget: Budget,
}

/// An approval of a policy as the active one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PolicyApprovalReport {
    /// The SHA-256 of the document of the policy; none: that no policy is active.
    #[schemars(with = "Option<String>")]
    pub policy: Option<Sha256>,
    /// Who approved.
    pub actor: String,
    /// The user that the server said was authenticated.
    pub user: Option<String>,
    /// When.
    pub at: String,
    /// When it ends; none if only its use ends it.
    pub expires: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl ActivePolicyReport {
    /// The active policy of a model, if there is one, and the approvals of others.
    #[must_use]
    pub fn new(model: &ModelName, active: Option<&ActivePolicy>, approvals: &[PanelApproval]) -> Self {
        let activation = active.map(|active| &active.activation);
        let policies = active.map(|active| active.document.policies.as_slice()).unwrap_or_default();
        Self {
            schema: "hydra-registry/active-policy/1",
            model: model.to_string(),
            policy: activation.map(|activation| activation.sha256),
            since: activation.map(|activation| time(activation.at)),
            actor: activation.map(|activation| activation.by.clone()),
            user: activation.and_then(|activation| activation.user.clone()),
            reason: activation.and_then(|activation| activation.reason.clone()),
            activation_approvals: activation.map_or(0, |activation| activation.approvals),
            policies: policies.iter().map(ActiveMemberReport::from).collect(),
            trust: active.and_then(|active| active.document.trust.clone()),
            approvals: approvals.iter().map(PolicyApprovalReport::from).collect(),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        match &self.policy {
            None => {
                let _ =
                    writeln!(text, "no policy is active for {}: each host decides by its own", self.model);
            }
            Some(policy) => {
                let _ = writeln!(text, "active policy of {}: {policy}", self.model);
                let since = self.since.as_deref().unwrap_or_default();
                let actor = self.actor.as_deref().unwrap_or_default();
                let reason = self.reason.as_ref().map_or_else(String::new, |why| format!(", because: {why}"));
                let _ = writeln!(text, "  since   {since} by {}", printable(&format!("{actor}{reason}")));
            }
        }
        for ActiveMemberReport { name, mode, policy, settings, .. } in &self.policies {
            let _ = writeln!(text, "  {mode:7} {}", printable(&format!("{name}: {policy}")));
            for (key, value) in settings {
                let _ = writeln!(text, "          {}", printable(&format!("{key} = {value}")));
            }
        }
        for rule in self.trust.iter().flat_map(rules) {
            let _ = writeln!(text, "  signed  {}", printable(&rule));
        }
        if self.activation_approvals > 0 {
            let _ =
                writeln!(text, "  a change of it needs the approval of {} others", self.activation_approvals);
        }
        for PolicyApprovalReport { policy, actor, at, expires, .. } in &self.approvals {
            let of = policy.map_or_else(|| "no active policy".to_owned(), |policy| policy.to_string());
            let until = expires.as_ref().map_or_else(String::new, |end| format!(", until {end}"));
            let _ = writeln!(text, "  approved  {}", printable(&format!("{of} by {actor}, {at}{until}")));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Who must have signed, in words.
fn rules(trust: &Map<String, Value>) -> Vec<String> {
    let Ok(config) = serde_json::from_value::<TrustConfig>(Value::Object(trust.clone())) else {
        return vec!["by rules that this release cannot read".to_owned()];
    };
    let names = |keys: &[KeyConfig]| {
        let name = |key: &KeyConfig| {
            let id = || match (&key.subject, &key.issuer) {
                (Some(subject), Some(issuer)) => Ok(format!("{subject} ({issuer})")),
                _ => PublicKey::from_pem(&key.pub_key).map(|key| key.id().to_string()),
            };
            let name = key.name.clone().unwrap_or_else(|| id().unwrap_or_else(|_| "?".to_owned()));
            key.expires.as_ref().map_or(name.clone(), |end| format!("{name} (until {end})"))
        };
        keys.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let all = Some(&config.all_of).filter(|keys| !keys.is_empty()).map(|keys| format!("by {}", names(keys)));
    let any = config.any_of.map(|any| format!("by {} of {}", any.minimum, names(&any.signatures)));
    all.into_iter().chain(any).collect()
}

impl From<&DocumentedPolicy> for ActiveMemberReport {
    fn from(policy: &DocumentedPolicy) -> Self {
        Self {
            name: policy.name.to_string(),
            mode: policy.mode,
            policy: policy.policy.clone(),
            settings: policy.settings.clone(),
            budget: policy.budget.clone(),
        }
    }
}

impl From<&PanelApproval> for PolicyApprovalReport {
    fn from(approval: &PanelApproval) -> Self {
        Self {
            policy: Some(approval.sha256).filter(|sha256| *sha256 != Sha256::NONE),
            actor: approval.by.clone(),
            user: approval.user.clone(),
            at: time(approval.at),
            expires: approval.expires.map(time),
            reason: approval.reason.clone(),
        }
    }
}
