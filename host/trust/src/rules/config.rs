//! Trust rules as they are written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Signatory, TrustRules, Trusted, end_of_validity, invalid};
use crate::key::PublicKey;
use crate::keyless::{self, Identity};
use crate::pem;
use hydra_base::error::Result;

/// The most bytes of the name of a key.
const MAX_NAME_BYTES: usize = 64;

/// The most keys of a rule.
const MAX_KEYS: usize = 32;

/// Trust rules as `hydra.toml` has them: `all-of` and `any-of`, with the names of Kubewarden's verification config.
///
/// ```
/// let rules: hydra_trust::TrustConfig = toml::from_str(r#"
///     all-of = [{ pub-key = "keys/release.pub", name = "release" }]
///     any-of = { minimum = 1, signatures = [{ pub-key = "keys/ann.pub" }, { pub-key = "keys/bob.pub", expires = "2027-06-30" }] }
/// "#)?;
/// assert_eq!(rules.all_of.len(), 1);
/// # Ok::<_, toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct TrustConfig {
    /// The keys that must all have signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub all_of: Vec<KeyConfig>,
    /// Keys of which some must have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any_of: Option<AnyOfConfig>,
}

/// Keys of which some must have signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct AnyOfConfig {
    /// How many of them: 1 if it is not set.
    #[serde(default = "one")]
    pub minimum: usize,
    /// The keys.
    pub signatures: Vec<KeyConfig>,
}

fn one() -> usize {
    1
}

/// A key or an identity in trust rules: either `pub-key`, or `issuer` and `subject`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct KeyConfig {
    /// The public key: a path, or PEM itself. Empty for an identity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pub_key: String,
    /// The issuer of an identity, as its certificate names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The subject of an identity: the alternative name in its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The `trusted_root.json` of an identity: a path, or the JSON itself. Default: that of Sigstore's public instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_root: Option<String>,
    /// The name of its holder, for reports and policies. Default: the key's id, or the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The end of its validity: a date such as `2027-06-30` (its end, UTC) or a time such as `2027-06-30T12:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

impl KeyConfig {
    /// A key, by its path or in PEM.
    #[must_use]
    pub fn new(pub_key: impl Into<String>) -> Self {
        Self { pub_key: pub_key.into(), ..Self::default() }
    }

    /// A subject that an issuer vouches for.
    #[must_use]
    pub fn keyless(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { issuer: Some(issuer.into()), subject: Some(subject.into()), ..Self::default() }
    }

    /// The same identity by the trust root in a file, or in the text itself.
    #[must_use]
    pub fn with_trust_root(mut self, root: impl Into<String>) -> Self {
        self.trust_root = Some(root.into());
        self
    }

    fn resolved(self, directory: &Path) -> Self {
        let path = |path: &String| directory.join(path).to_string_lossy().into_owned();
        let is_path = !self.pub_key.is_empty() && !pem::is_pem(&self.pub_key);
        let pub_key = if is_path { path(&self.pub_key) } else { self.pub_key };
        let root = |root: String| if keyless::is_root(&root) { root } else { path(&root) };
        Self { pub_key, trust_root: self.trust_root.map(root), ..self }
    }

    /// The same entry with the key and the trust root themselves.
    fn inlined(&self) -> Result<Self> {
        match self.signatory()? {
            Signatory::Key(key) => Ok(Self { pub_key: key.to_pem(), ..self.clone() }),
            Signatory::Identity(_) => {
                let trust_root = self.trust_root.as_deref().map(keyless::read_root).transpose()?;
                Ok(Self { trust_root, ..self.clone() })
            }
        }
    }

    fn is_inlined(&self) -> bool {
        let is_key = self.pub_key.is_empty() || pem::is_pem(&self.pub_key);
        is_key && self.trust_root.as_deref().is_none_or(keyless::is_root)
    }

    fn signatory(&self) -> Result<Signatory> {
        match (self.pub_key.as_str(), &self.issuer, &self.subject, &self.trust_root) {
            ("", Some(issuer), Some(subject), root) => {
                Identity::load(issuer, subject, root.as_deref()).map(Signatory::Identity)
            }
            ("", ..) => Err(invalid("an entry of the trust rules names neither a key nor an identity")
                .with_hint("write `pub-key = \"FILE\"`, or `issuer` and `subject`")),
            (key, None, None, None) => {
                let read = || PublicKey::read(&PathBuf::from(key));
                let key = if pem::is_pem(key) { PublicKey::from_pem(key) } else { read() };
                key.map(Signatory::Key)
            }
            _ => Err(invalid("an entry of the trust rules names a key and an identity")
                .with_hint("write an entry for each: `pub-key` in one, `issuer` and `subject` in another")),
        }
    }

    fn load(&self) -> Result<Trusted> {
        let signatory = self.signatory()?;
        let name = match &self.name {
            Some(name) => {
                if name.trim().is_empty() || name.len() > MAX_NAME_BYTES {
                    let message = format!("the name of a key does not have 1 to {MAX_NAME_BYTES} bytes");
                    return Err(invalid(message).with_context("name", name));
                }
                name.clone()
            }
            None => signatory.signer(&signatory.id().to_string()).identity,
        };
        let expires = self.expires.as_deref().map(end_of_validity).transpose()?;
        Ok(Trusted { signatory, name, expires })
    }
}

impl TrustConfig {
    /// Rules that are met by the signatures of all these keys.
    #[must_use]
    pub fn all_of(keys: impl IntoIterator<Item = KeyConfig>) -> Self {
        Self { all_of: keys.into_iter().collect(), any_of: None }
    }

    /// The same rules with absolute paths of keys, which are relative to `directory`. So are trust roots.
    #[must_use]
    pub fn resolved(self, directory: &Path) -> Self {
        let all = |keys: Vec<KeyConfig>| keys.into_iter().map(|key| key.resolved(directory)).collect();
        let any_of =
            self.any_of.map(|any| AnyOfConfig { minimum: any.minimum, signatures: all(any.signatures) });
        Self { all_of: all(self.all_of), any_of }
    }

    /// The same rules with the keys and trust roots themselves instead of their paths, so that they mean the same on every machine.
    pub fn inlined(&self) -> Result<Self> {
        let all = |keys: &[KeyConfig]| keys.iter().map(KeyConfig::inlined).collect::<Result<Vec<_>>>();
        let any_of = match &self.any_of {
            Some(any) => Some(AnyOfConfig { minimum: any.minimum, signatures: all(&any.signatures)? }),
            None => None,
        };
        Ok(Self { all_of: all(&self.all_of)?, any_of })
    }

    /// Whether the rules hold the keys and trust roots themselves, as [`inlined`](Self::inlined) makes them.
    #[must_use]
    pub fn is_inlined(&self) -> bool {
        let any_of = self.any_of.iter().flat_map(|any| &any.signatures);
        self.all_of.iter().chain(any_of).all(KeyConfig::is_inlined)
    }

    /// Reads the keys. [`ErrorKind::InvalidTrust`](hydra_base::ErrorKind::InvalidTrust) for rules that cannot be meant, [`ErrorKind::InvalidKey`](hydra_base::ErrorKind::InvalidKey) for keys that cannot be
    /// used.
    pub fn load(&self) -> Result<TrustRules> {
        let load = |keys: &[KeyConfig]| keys.iter().map(KeyConfig::load).collect::<Result<Vec<_>>>();
        let all_of = load(&self.all_of)?;
        let (minimum, any_of) = match &self.any_of {
            Some(any) => (any.minimum, load(&any.signatures)?),
            None => (0, Vec::new()),
        };
        if all_of.is_empty() && any_of.is_empty() {
            return Err(invalid("the trust rules name no key"));
        }
        if all_of.len() > MAX_KEYS || any_of.len() > MAX_KEYS {
            return Err(invalid(format!("the trust rules name more than {MAX_KEYS} keys")));
        }
        // A key of both would meet `any-of` by what `all-of` asks for anyway, and one holder would count as two signers.
        let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
        for trusted in all_of.iter().chain(&any_of) {
            if !ids.insert(trusted.signatory.id()) {
                return Err(
                    invalid("the trust rules name a key twice").with_context("key", trusted.signatory.id())
                );
            }
            if !names.insert(&trusted.name) {
                return Err(invalid("the trust rules give two keys the same name")
                    .with_context("name", &trusted.name)
                    .with_hint("name each key for itself, such as `ann-laptop` and `ann-token`"));
            }
        }
        if self.any_of.is_some() && !(1..=any_of.len()).contains(&minimum) {
            let message = format!("`minimum` is not a number from 1 to {}: `{minimum}`", any_of.len());
            return Err(invalid(message));
        }
        Ok(TrustRules { all_of, minimum, any_of, at: None })
    }
}
