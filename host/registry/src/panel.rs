//! Policies that decide together, as the caller or `hydra.toml` names them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::open::PolicySource;
use hydra_base::Sha256;
use hydra_base::names::PolicyName;
use hydra_policy::PanelRole;
use hydra_trust::oci::Reference;

/// A policy with its own name, settings and limits, to decide together with others.
#[derive(Debug, Clone)]
#[must_use]
pub struct PanelPolicy {
    pub(crate) name: Option<PolicyName>,
    pub(crate) source: PolicySource,
    pub(crate) sha256: Option<Sha256>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) budget: BTreeMap<String, String>,
}

/// Policies that decide together: the leader's moves count, the yes or no of each gate counts, and the answers of monitors are
/// recorded only. A request is approved if the leader and all gates approve it.
///
/// ```
/// use hydra_registry::{OpenOptions, PanelOptions, PanelPolicy, PolicySource};
///
/// let gate = PanelPolicy::new(PolicySource::File("fairness.wasm".into())).with_settings([("max-gap", "0.05")]);
/// let panel = PanelOptions::led_by(PanelPolicy::new(PolicySource::Embedded)).with_gate(gate);
/// let options = OpenOptions::new().with_panel(panel);
/// # drop(options);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct PanelOptions {
    pub(crate) policies: Vec<(PanelRole, PanelPolicy)>,
}

impl PanelPolicy {
    /// A policy with default settings, named after its file, or after itself if it is loaded already.
    pub fn new(source: impl Into<PolicySource>) -> Self {
        Self {
            name: None,
            source: source.into(),
            sha256: None,
            settings: BTreeMap::new(),
            budget: BTreeMap::new(),
        }
    }

    /// A policy as an argument or `HYDRA_POLICY` names it: `NAME=FILE`, or a path, each with `@sha256:DIGEST` after it if the file
    /// must have that digest; or `oci://…` in the place of the path, where a digest is that of the manifest. A path may contain a sign
    /// of equality if the text before it is not a valid name, and `@sha256:` if the text after it is not a digest.
    pub fn from_argument(given: impl Into<OsString>) -> Self {
        let given = given.into();
        let named = given.to_str().and_then(|text| text.split_once('='));
        match named.and_then(|(name, file)| Some((PolicyName::new(name).ok()?, file))) {
            Some((name, file)) => Self::from_file(file).with_name(name),
            None => Self::from_file(given),
        }
    }

    /// A policy as a path names it, with `@sha256:DIGEST` after it if the file must have that digest; or as `oci://…` does.
    pub fn from_file(given: impl Into<PathBuf>) -> Self {
        let (file, sha256) = pinned_file(&given.into());
        Self { sha256, ..Self::new(file) }
    }

    /// Sets the SHA-256 that the component must have. Another file is an error of kind
    /// [`ErrorKind::PolicyDigest`](crate::ErrorKind::PolicyDigest) before it is parsed or compiled.
    pub fn with_sha256(mut self, sha256: Sha256) -> Self {
        self.sha256 = Some(sha256);
        self
    }

    /// The same policy, with a relative path of its file made absolute against the directory `base`.
    pub fn relative_to(mut self, base: &Path) -> Self {
        if let PolicySource::File(path) = &self.source {
            self.source = PolicySource::File(base.join(path));
        }
        self
    }

    /// Names the policy, which is necessary if two of a panel come from files of one name.
    pub fn with_name(mut self, name: PolicyName) -> Self {
        self.name = Some(name);
        self
    }

    /// Adds settings of this policy, by key.
    pub fn with_settings<K, V>(mut self, settings: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.settings.extend(settings.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Adds limits of this policy's decisions, by name. A policy that is [loaded](PolicySource::Loaded) already has its limits:
    /// these are an error of kind [`ErrorKind::Config`](crate::ErrorKind::Config) then.
    pub fn with_budget<K, V>(mut self, limits: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.budget.extend(limits.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// The name by which its settings are addressed.
    pub(crate) fn own_name(&self) -> PolicyName {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        PolicyName::of_stem(&match &self.source {
            PolicySource::Embedded => "default".to_owned(),
            PolicySource::File(path) => stem(path),
            PolicySource::Oci(text) => text
                .parse::<Reference>()
                .map_or_else(|_| text.clone(), |reference| reference.name().to_owned()),
            PolicySource::Loaded(policy) => policy.descriptor().name.clone(),
        })
    }
}

impl PanelOptions {
    /// A panel of one policy, which leads: its moves count.
    pub fn led_by(leader: PanelPolicy) -> Self {
        Self { policies: vec![(PanelRole::Leader, leader)] }
    }

    /// Adds a policy whose yes or no counts.
    pub fn with_gate(self, gate: PanelPolicy) -> Self {
        self.with(PanelRole::Gate, gate)
    }

    /// Adds a policy whose answer is recorded and does not count.
    pub fn with_monitor(self, monitor: PanelPolicy) -> Self {
        self.with(PanelRole::Monitor, monitor)
    }

    pub(crate) fn with(mut self, role: PanelRole, policy: PanelPolicy) -> Self {
        self.policies.push((role, policy));
        self
    }
}

/// The path and the digest in `PATH@sha256:DIGEST`; the path alone if the text after `@sha256:` is not a digest, and for `oci://…`,
/// where a digest is that of the manifest.
#[must_use]
pub fn pinned_file(given: &Path) -> (PathBuf, Option<Sha256>) {
    let pinned = || {
        let (file, digest) =
            given.to_str().filter(|text| !Reference::is_meant(text))?.rsplit_once("@sha256:")?;
        Some((PathBuf::from(file), digest.to_ascii_lowercase().parse().ok()?))
    };
    pinned().map_or_else(|| (given.to_owned(), None), |(file, sha256)| (file, Some(sha256)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_has_a_name_only_if_the_text_before_the_sign_is_one() {
        for (given, name, file) in [
            ("gate.wasm", None, "gate.wasm"),
            ("strict=gate.wasm", Some("strict"), "gate.wasm"),
            ("strict=a=b.wasm", Some("strict"), "a=b.wasm"),
            ("./a=b.wasm", None, "./a=b.wasm"),
            ("", None, ""),
        ] {
            let PanelPolicy { name: found, source, sha256, .. } = PanelPolicy::from_argument(given);
            assert_eq!(sha256, None, "{given}");
            assert_eq!(found.as_ref().map(PolicyName::as_str), name, "{given}");
            let PolicySource::File(path) = source else { panic!("{given}: {source:?}") };
            assert_eq!(path.to_str(), Some(file), "{given}");
        }
    }

    #[test]
    fn an_argument_has_a_digest_only_if_the_text_after_the_sign_is_one() {
        let digest = "ab".repeat(32);
        for (given, name, file, pinned) in [
            (format!("gate.wasm@sha256:{digest}"), None, "gate.wasm", true),
            (format!("strict=a@b.wasm@sha256:{}", digest.to_uppercase()), Some("strict"), "a@b.wasm", true),
            ("gate.wasm@sha256:ab".to_owned(), None, "gate.wasm@sha256:ab", false),
            ("gate.wasm@latest".to_owned(), None, "gate.wasm@latest", false),
        ] {
            if name.is_none() {
                let PanelPolicy { name: found, source, sha256, .. } = PanelPolicy::from_file(&given);
                let PolicySource::File(path) = source else { panic!("{given}: {source:?}") };
                assert_eq!((found, path.to_str(), sha256.is_some()), (None, Some(file), pinned), "{given}");
            }
            let PanelPolicy { name: found, source, sha256, .. } = PanelPolicy::from_argument(&given);
            assert_eq!(found.as_ref().map(PolicyName::as_str), name, "{given}");
            assert_eq!(sha256, digest.parse().ok().filter(|_| pinned), "{given}");
            let PolicySource::File(path) = source else { panic!("{given}: {source:?}") };
            assert_eq!(path.to_str(), Some(file), "{given}");
        }
    }
}
