//! Which policies decide: those that are active by the ledger of the model, or those of this host.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::ledger::active::PolicyDocument;
use crate::ledger::standing::ActivePanel;
use crate::ledger::{Ledger, Standing, names_active_policy, policy_proofs};
use crate::panel::{Panel, address};
use crate::transition::Request;
use hydra_base::Sha256;
use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{ModelName, PolicyName};
use hydra_mlflow::entities::RegisteredModel;
use hydra_policy::{Budget, OverrideKind, Policy, PolicyEngine};

/// The policies of a host: those that it is configured with, and what it needs to load those that are active.
#[async_trait]
pub trait HostPolicies: fmt::Debug + Send + Sync {
    /// The policies that the host is configured with, or the embedded one. The first call loads them.
    async fn own(&self) -> Result<&Panel>;

    /// What the host is configured with.
    fn configured(&self) -> &Configured;

    /// The engine for components of the archive. The first call makes it.
    async fn engine(&self) -> Result<PolicyEngine>;

    /// The active policy with that digest, if it was loaded before.
    fn remembered(&self, sha256: Sha256) -> Option<Panel>;

    /// Keeps an active policy that was loaded.
    fn remember(&self, sha256: Sha256, panel: &Panel);
}

/// What the configuration of a host says of policies.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// Whether it names a policy. Otherwise the embedded policy decides where none is active.
    pub names_policies: bool,
    /// The settings that it has without naming a policy, with keys as [`address`] takes them.
    pub settings: BTreeMap<String, String>,
    /// The limits that it has without naming a policy, likewise.
    pub budget: BTreeMap<String, String>,
    /// The rules about signatures.
    pub trust: Option<Map<String, Value>>,
}

/// The policies that decide a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InForce {
    /// The policies.
    pub panel: Panel,
    /// The digest of the document of the active policy; none if no policy is active.
    pub active: Option<Sha256>,
    /// Whether the request sets the active policy aside: then `panel` is that of the host.
    pub is_set_aside: bool,
}

impl InForce {
    /// The digest of the document of the active policy, if that decides.
    #[must_use]
    pub fn decides(&self) -> Option<Sha256> {
        self.active.filter(|_| !self.is_set_aside)
    }
}

/// The policies that decide a request about a model, whose ledger has the standing `standing`; `None` for a model without a
/// ledger.
///
/// `InactivePolicy` if the host is configured with other policies, settings or limits than the active ones, `ActivePolicyLost` if
/// these cannot be loaded, `ActivationLost` if a tag of the model names an active policy and the ledger does not have it. A request
/// that sets the active policy aside is decided by the host's own policies.
pub async fn in_force(
    host: &dyn HostPolicies,
    registered: &RegisteredModel,
    ledger: Option<(&Ledger, &Standing)>,
    request: &Request,
) -> Result<InForce> {
    let sets_aside = request.overrides.contains(&OverrideKind::InactivePolicy);
    let active = ledger.and_then(|(ledger, standing)| Some((ledger, standing.panel()?)));
    let Some((ledger, active)) = active else {
        let is_lost = names_active_policy(&registered.tags);
        if is_lost && !sets_aside {
            return Err(activation_lost(&registered.name));
        }
        let panel = host.own().await?.clone();
        return Ok(InForce { panel, active: None, is_set_aside: is_lost });
    };
    if sets_aside {
        return asked(host.own().await?.clone(), Some(active));
    }
    let panel = loaded(host, ledger, active).await?;
    let document = PolicyDocument::of(&panel, active.approvals)?;
    let own = own_document(host, &panel, &document).await?;
    if let Some(own) = own.filter(|own| !own.decides_like(&document)) {
        return Err(inactive(&registered.name, active, &document, &own)?);
    }
    Ok(InForce { panel, active: Some(active.sha256), is_set_aside: false })
}

/// The policies to compare with what was decided, or to ask what they would decide; nothing is recorded. These are the policies that
/// the host names, or else the active ones with the settings and limits of the host, or else the embedded one.
pub async fn to_compare(host: &dyn HostPolicies, ledger: Option<(&Ledger, &Standing)>) -> Result<Panel> {
    let Configured { names_policies, settings, budget, trust } = host.configured();
    let active = ledger.and_then(|(ledger, standing)| Some((ledger, standing.panel()?)));
    let Some((ledger, active)) = active.filter(|_| !names_policies) else {
        return host.own().await.cloned();
    };
    let panel = loaded(host, ledger, active).await?;
    let names: Vec<PolicyName> = panel.members().map(|member| member.name.clone()).collect();
    let mut members = Vec::with_capacity(panel.size());
    for (index, member) in panel.members().enumerate() {
        let mut limits = member.policy.budget().clone();
        set_limits(&mut limits, budget, &names, index)?;
        let mut member = member.clone();
        if limits != *member.policy.budget() {
            let (engine, of) = (host.engine().await?, member.policy.clone());
            member.policy = blocking(move || Policy::load(&engine, of.bytes(), &limits)).await?;
        }
        members.push(member);
    }
    let trust = trust.clone().or_else(|| panel.trust().cloned());
    Ok(Panel::new(members)?.with_settings(settings).with_trust(trust).into_active())
}

/// `panel`, to be asked in the place of the active policy.
pub fn asked(panel: Panel, active: Option<&ActivePanel>) -> Result<InForce> {
    let Some(active) = active else { return Ok(InForce { panel, active: None, is_set_aside: false }) };
    let is_set_aside = PolicyDocument::of(&panel, active.approvals)?.sha256()? != active.sha256;
    let panel = if is_set_aside { panel } else { panel.into_active() };
    Ok(InForce { panel, active: Some(active.sha256), is_set_aside })
}

async fn loaded(host: &dyn HostPolicies, ledger: &Ledger, active: &ActivePanel) -> Result<Panel> {
    if let Some(panel) = host.remembered(active.sha256) {
        policy_proofs::check_again(&panel)?;
        return Ok(panel);
    }
    let panel = Box::pin(ledger.load_active(active, &host.engine().await?)).await?;
    host.remember(active.sha256, &panel);
    Ok(panel)
}

/// Sets those of the `given` limits that are for the policy `index` of those with these names.
fn set_limits(
    budget: &mut Budget,
    given: &BTreeMap<String, String>,
    names: &[PolicyName],
    index: usize,
) -> Result<()> {
    for (key, value) in given {
        let (of, key) = address(names, key);
        if of.is_none_or(|of| of == index) {
            budget.set(key, value)?;
        }
    }
    Ok(())
}

/// What the host would decide by if no policy were active; none if it is not configured.
async fn own_document(
    host: &dyn HostPolicies,
    panel: &Panel,
    document: &PolicyDocument,
) -> Result<Option<PolicyDocument>> {
    let Configured { names_policies, settings, budget, trust } = host.configured();
    if *names_policies {
        return PolicyDocument::of(host.own().await?, document.activation_approvals).map(Some);
    }
    if settings.is_empty() && budget.is_empty() && trust.is_none() {
        return Ok(None);
    }
    // Settings without a policy are those of the policy that is active.
    let varied = panel.clone().with_settings(settings).with_trust(trust.clone());
    let mut own = PolicyDocument::of(&varied, document.activation_approvals)?;
    let names: Vec<PolicyName> = panel.members().map(|member| member.name.clone()).collect();
    for (index, policy) in own.policies.iter_mut().enumerate() {
        set_limits(&mut policy.budget, budget, &names, index)?;
    }
    Ok(Some(own))
}

fn inactive(
    model: &ModelName,
    active: &ActivePanel,
    document: &PolicyDocument,
    own: &PolicyDocument,
) -> Result<Error> {
    let mut without_rules = own.clone();
    without_rules.trust = None;
    let what = if without_rules.decides_like(document) {
        "other trust rules for policies"
    } else {
        "another policy, or other settings of it,"
    };
    let own = own.sha256()?;
    Ok(Error::new(
        ErrorKind::InactivePolicy,
        format!("this host is configured with {what} than the active one of {model}"),
    )
    .with_context("active policy", active.sha256)
    .with_context("configured policy", own)
    .with_hint(
        "remove the policy, its settings, limits and trust rules from flags, environment and hydra.toml to decide by the active one, or make this one active with \
         `hydra-registry policy activate`; `--override-policy --reason REASON` decides by this one, on record",
    ))
}

fn activation_lost(model: &ModelName) -> Error {
    Error::new(
        ErrorKind::ActivationLost,
        format!("a tag of {model} names an active policy, and its ledger does not have it"),
    )
    .with_hint(
        "run `hydra-registry doctor`; `hydra-registry policy activate` makes a policy active again, `policy deactivate` says that none is, \
         and `--override-policy --reason REASON` decides by the policy of this host, on record",
    )
}
