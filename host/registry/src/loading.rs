//! The policies of a registry, resolved from its options, and loading them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use crate::open::{OpenOptions, PolicySource};
use crate::panel::{PanelOptions, PanelPolicy};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::PolicyName;
use hydra_base::{Sha256, blocking};
use hydra_lifecycle::governing::Configured;
use hydra_lifecycle::panel::{Member, Origin, Panel, address, check_parts};
use hydra_mlflow::environment;
use hydra_policy::{Budget, EngineOptions, PanelRole, Policy, PolicyEngine};
use hydra_trust::oci::{Oci, Reference};
use hydra_trust::{Proof, Signer, TrustConfig, TrustRules, detached};

/// The parameters for loading the policies.
#[derive(Debug, Clone)]
pub(crate) struct PolicySettings {
    /// One or more, the leader first.
    pub policies: Vec<MemberSettings>,
    pub engine: EngineOptions,
    /// Who must have signed the policies that are loaded; the embedded one, and those that the caller loaded, are trusted like the
    /// program itself.
    pub trust: Option<TrustRules>,
    /// Where policies in OCI registries come from.
    pub oci: Oci,
    /// What the caller says of policies, in comparison with the active one.
    pub configured: Configured,
    /// How many people must approve before another policy takes the place of these, if they become the active ones.
    pub activation_approvals: u32,
}

/// The parameters for loading one policy.
#[derive(Debug, Clone)]
pub(crate) struct MemberSettings {
    pub name: PolicyName,
    pub role: PanelRole,
    pub source: PolicySource,
    /// The digest that the component must have.
    pub sha256: Option<Sha256>,
    /// The settings as they were given.
    pub settings: BTreeMap<String, String>,
    pub budget: Budget,
}

impl PolicySettings {
    /// Loads all policies, side by side, on `engine`, which is made if a policy needs it. Those of the same file and limits share
    /// their compiled code.
    pub async fn load(&self, engine: &OnceCell<PolicyEngine>) -> Result<Panel> {
        let mut sources: Vec<&MemberSettings> = Vec::new();
        let mut places = Vec::with_capacity(self.policies.len());
        for policy in &self.policies {
            let known = sources.iter().position(|known| known.is_the_component_of(policy));
            places.push(known.unwrap_or(sources.len()));
            if known.is_none() {
                sources.push(policy);
            }
        }
        let loaded = try_join_all(sources.into_iter().map(|source| self.load_one(source, engine))).await?;
        let members = self.policies.iter().zip(places).filter_map(|(member, place)| {
            let (policy, origin) = loaded.get(place)?.clone();
            let MemberSettings { name, role, settings, .. } = member.clone();
            Some(Member { name, role, policy, settings, origin })
        });
        Ok(Panel::new(members.collect())?.with_trust(self.configured.trust.clone()))
    }

    pub fn start_engine(&self) -> impl Future<Output = Result<PolicyEngine>> + use<> {
        let options = self.engine.clone();
        blocking(move || PolicyEngine::new(&options))
    }

    /// A policy, and where it came from.
    async fn load_one(
        &self,
        of: &MemberSettings,
        engine: &OnceCell<PolicyEngine>,
    ) -> Result<(Policy, Origin)> {
        let MemberSettings { source, budget, sha256, .. } = of.clone();
        if let PolicySource::Loaded(policy) = source {
            check_digest(policy.sha256(), sha256)?;
            return Ok((policy, Origin::default()));
        }
        let engine = engine.get_or_try_init(|| self.start_engine()).await?.clone();
        let (bytes, origin, from) = match source {
            PolicySource::Oci(reference) => {
                let reference: Reference = reference.parse()?;
                let component = self.oci.component(&reference, budget.component_bytes).await?;
                check_digest(Sha256::of(&component.bytes), sha256)?;
                let proved = match &self.trust {
                    Some(rules) => Some(self.oci.prove(&component, rules).await?),
                    None => None,
                };
                tracing::info!(reference = %component.reference, "the policy comes from a registry");
                let origin = Origin { manifest: Some(component.manifest), ..origin(proved) };
                (component.bytes, origin, component.reference.to_string())
            }
            PolicySource::File(path) => {
                let (rules, budget) = (self.trust.clone(), budget.clone());
                let from = path.display().to_string();
                let read = blocking(move || {
                    let bytes = Policy::read_file(&path, sha256, &budget)
                        .map_err(|error| with_digest_hint(error, &path))?;
                    if bytes.len() as u64 > budget.component_bytes {
                        // Not all of it was read. Loading refuses it for its size, before anything else.
                        return Ok((bytes, None));
                    }
                    let proved = rules.map(|rules| prove_policy_file(&rules, &path, &bytes)).transpose()?;
                    Ok((bytes, proved))
                });
                let (bytes, proved) = read.await?;
                (bytes, origin(proved), from)
            }
            _ => {
                let policy = blocking(move || Policy::load_default(&engine, &budget)).await?;
                check_digest(policy.sha256(), sha256)?;
                return Ok((policy, Origin::default()));
            }
        };
        let load = blocking(move || Policy::load(&engine, &bytes, &budget));
        let policy = load.await.map_err(|error| error.with_context("policy", from))?;
        Ok((policy, origin))
    }
}

/// Who signed the component in a file, by the signatures [beside](detached) it. Fails like [`TrustRules::check`].
pub fn check_policy_file(rules: &TrustRules, path: &Path, bytes: &[u8]) -> Result<Vec<Signer>> {
    prove_policy_file(rules, path, bytes).map(|(signers, _)| signers)
}

/// [`check_policy_file`], with what shows that they signed it.
fn prove_policy_file(rules: &TrustRules, path: &Path, bytes: &[u8]) -> Result<(Vec<Signer>, Proof)> {
    let about = |error: Error| error.with_context("path", path.display());
    let signatures = detached::beside(path)?;
    let checked = rules.check(bytes, &signatures).map_err(|error| {
        let hint = format!("sign it: `hydra-registry policy sign {} --key KEY`", path.display());
        let is_unsigned = error.kind() == ErrorKind::SignatureNotFound;
        about(if is_unsigned { error.with_hint(hint) } else { error })
    })?;
    Ok((checked, Proof::of_file(rules, bytes, &signatures)))
}

/// Who signed a component, and what shows it; nothing without trust rules.
fn origin(proved: Option<(Vec<Signer>, Proof)>) -> Origin {
    let (signers, proof) = proved.unzip();
    Origin { manifest: None, signers: signers.unwrap_or_default(), proof }
}

impl MemberSettings {
    /// Whether both certainly are the same component under the same limits.
    fn is_the_component_of(&self, other: &Self) -> bool {
        let same_source = match (&self.source, &other.source) {
            (PolicySource::Embedded, PolicySource::Embedded) => true,
            (PolicySource::File(one), PolicySource::File(other)) => one == other,
            (PolicySource::Oci(one), PolicySource::Oci(other)) => one == other,
            _ => false,
        };
        same_source && self.budget == other.budget && self.sha256 == other.sha256
    }
}

/// Trust rules as the ledger records them: with the keys instead of their paths.
fn written(rules: &TrustConfig) -> Result<Map<String, Value>> {
    match serde_json::to_value(rules.inlined()?) {
        Ok(Value::Object(rules)) => Ok(rules),
        _ => Err(Error::new(ErrorKind::Internal, "cannot write trust rules as JSON")),
    }
}

/// A text after `@sha256:` that is not a digest makes the whole argument a path.
fn with_digest_hint(error: Error, path: &Path) -> Error {
    let looks_pinned = path.to_string_lossy().contains("@sha256:");
    if error.kind() == ErrorKind::PolicyNotFound && looks_pinned {
        return error.with_hint("write the digest as 64 hexadecimal digits: `FILE@sha256:DIGEST`");
    }
    error
}

/// Refuses a policy with another digest than the one that was named with it.
fn check_digest(found: Sha256, pinned: Option<Sha256>) -> Result<()> {
    match pinned {
        Some(pinned) if pinned != found => Err(hydra_policy::other_digest(pinned, found)),
        _ => Ok(()),
    }
}

impl OpenOptions {
    /// Loads the policies of a registry with these options: compiles them, or takes them from the cache of compiled policies.
    /// Does not check the other settings.
    pub async fn load_panel(&self) -> Result<Panel> {
        self.policy_settings()?.load(&OnceCell::new()).await
    }

    /// [`load_panel`](Self::load_panel), on an engine of these options.
    pub async fn load_panel_on(&self, engine: PolicyEngine) -> Result<Panel> {
        self.policy_settings()?.load(&OnceCell::from(engine)).await
    }

    /// Loads the policy of a registry with these options, like [`load_panel`](Self::load_panel).
    /// [`ErrorKind::SeveralPolicies`] if several decide together.
    pub async fn load_policy(&self) -> Result<Policy> {
        Ok(self.load_panel().await?.only()?.policy.clone())
    }

    /// The component files of the policies of these options.
    #[must_use]
    pub fn policy_files(&self) -> Vec<PathBuf> {
        let sources = self.panel_options().policies.into_iter().map(|(_, policy)| policy.source);
        let files = sources.filter_map(|source| match source {
            PolicySource::File(file) => Some(file),
            _ => None,
        });
        files.collect()
    }

    /// The policies with their settings and limits: `PanelSize`, `PanelRoles` or `PanelNames` if they do not form a panel.
    pub(crate) fn policy_settings(&self) -> Result<PolicySettings> {
        let PanelOptions { policies } = self.panel_options();
        let names: Vec<PolicyName> = policies.iter().map(|(_, policy)| policy.own_name()).collect();
        check_parts(names.iter().zip(policies.iter().map(|(role, _)| *role)))?;
        let mut members = Vec::with_capacity(policies.len());
        for (index, (name, (role, policy))) in names.iter().cloned().zip(policies).enumerate() {
            let (settings, budget) =
                (self.settings_of(index, &names, &policy), self.budget_of(index, &names, &policy)?);
            let PanelPolicy { source, sha256, .. } = policy;
            members.push(MemberSettings { name, role, source, sha256, settings, budget });
        }
        let engine = self.engine_options()?;
        let activation_approvals =
            self.activation_approvals.or(self.config.activation_approvals).unwrap_or_default();
        for member in &members {
            if let PolicySource::Oci(reference) = &member.source {
                reference.parse::<Reference>()?;
            }
        }
        let configured = self.configured(&members)?;
        let trust = self.policy_rules()?;
        let oci = self.oci()?;
        Ok(PolicySettings { policies: members, engine, trust, oci, configured, activation_approvals })
    }

    /// The embedded policy alone counts as no policy that the host names.
    fn configured(&self, members: &[MemberSettings]) -> Result<Configured> {
        let is_embedded = |member: &MemberSettings| matches!(member.source, PolicySource::Embedded);
        let names_policies = !matches!(members, [only] if is_embedded(only));
        let trust = self.policy_trust().map(written).transpose()?;
        let Some(only) = members.first().filter(|_| !names_policies) else {
            return Ok(Configured { names_policies, trust, ..Configured::default() });
        };
        let mut settings = only.settings.clone();
        // Keys with the name of a policy may be for one of the active policy.
        settings.extend(self.policy_settings.clone());
        let mut budget = self.config.budget.clone();
        budget.extend(self.budget.clone());
        Ok(Configured { names_policies, settings, budget, trust })
    }

    /// Who must have signed the policies that are loaded; none without such rules.
    pub fn policy_rules(&self) -> Result<Option<TrustRules>> {
        self.policy_trust().map(TrustConfig::load).transpose()
    }

    /// The most bytes of a component in a registry: the limit of these options for a policy that decides alone.
    pub fn component_bytes(&self) -> Result<u64> {
        Ok(self.budget_of(0, &[], &PanelPolicy::new(PolicySource::Embedded))?.component_bytes)
    }

    fn policy_trust(&self) -> Option<&TrustConfig> {
        self.policy_trust.as_ref().or(self.config.policy.trust.as_ref())
    }

    fn panel_options(&self) -> PanelOptions {
        let variable = || self.variable(environment::POLICY).map(PanelPolicy::from_argument);
        let chosen = self.panel.clone().or_else(|| variable().map(PanelOptions::led_by));
        let embedded = || PanelOptions::led_by(PanelPolicy::new(PolicySource::Embedded));
        let chosen = chosen.or_else(|| self.config.panel()).unwrap_or_else(embedded);
        self.monitors.iter().cloned().fold(chosen, PanelOptions::with_monitor)
    }

    /// The settings of a policy. Keys that name no policy are for the leader.
    fn settings_of(
        &self,
        index: usize,
        names: &[PolicyName],
        policy: &PanelPolicy,
    ) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        if index == 0 {
            settings.extend(self.config.settings.clone());
        }
        settings.extend(policy.settings.clone());
        for (key, value) in &self.policy_settings {
            let (of, key) = address(names, key);
            if of.unwrap_or(0) == index {
                settings.insert(key.to_owned(), value.clone());
            }
        }
        settings
    }

    /// The limits of a policy. Keys that name no policy are for all.
    fn budget_of(&self, index: usize, names: &[PolicyName], policy: &PanelPolicy) -> Result<Budget> {
        let given = || self.budget.iter().map(|(key, value)| (address(names, key), value));
        let common = given().filter_map(|((of, key), value)| of.is_none().then_some((key, value)));
        let own = given().filter_map(|((of, key), value)| (of == Some(index)).then_some((key, value)));
        let mut budget = Budget::default();
        let configured = self.config.budget.iter().chain(&policy.budget);
        for (key, value) in configured.map(|(key, value)| (key.as_str(), value)).chain(common) {
            budget.set(key, value)?;
        }
        let has_own = !policy.budget.is_empty() || own.clone().next().is_some();
        if has_own && matches!(policy.source, PolicySource::Loaded(_)) {
            let message = format!("the limits of the policy `{}` cannot be set", policy.own_name());
            return Err(Error::new(ErrorKind::Config, message)
                .with_hint("load the policy with these limits; it is loaded already"));
        }
        for (key, value) in own {
            budget.set(key, value)?;
        }
        Ok(budget)
    }
}
