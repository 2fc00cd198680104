//! Trust rules: which keys must have signed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::key::PublicKey;
use crate::pem;
use crate::signature::Signature;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::time::now;
use hydra_base::{Sha256, Timestamp};

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

/// A key in trust rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct KeyConfig {
    /// The public key: a path, or PEM itself.
    pub pub_key: String,
    /// The name of its holder, for reports and policies. Default: the key's id.
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

    fn resolved(self, directory: &Path) -> Self {
        if pem::is_pem(&self.pub_key) {
            return self;
        }
        Self { pub_key: directory.join(&self.pub_key).to_string_lossy().into_owned(), ..self }
    }

    fn key(&self) -> Result<PublicKey> {
        if pem::is_pem(&self.pub_key) {
            PublicKey::from_pem(&self.pub_key)
        } else {
            PublicKey::read(&PathBuf::from(&self.pub_key))
        }
    }

    fn load(&self) -> Result<TrustedKey> {
        let key = self.key()?;
        let name = match &self.name {
            Some(name) => {
                if name.trim().is_empty() || name.len() > MAX_NAME_BYTES {
                    let message = format!("the name of a key does not have 1 to {MAX_NAME_BYTES} bytes");
                    return Err(invalid(message).with_context("name", name));
                }
                name.clone()
            }
            None => key.id().to_string(),
        };
        let expires = self.expires.as_deref().map(end_of_validity).transpose()?;
        Ok(TrustedKey { key, name, expires })
    }
}

impl TrustConfig {
    /// Rules that are met by the signatures of all these keys.
    #[must_use]
    pub fn all_of(keys: impl IntoIterator<Item = KeyConfig>) -> Self {
        Self { all_of: keys.into_iter().collect(), any_of: None }
    }

    /// The same rules with absolute paths of keys, which are relative to `directory`.
    #[must_use]
    pub fn resolved(self, directory: &Path) -> Self {
        let all = |keys: Vec<KeyConfig>| keys.into_iter().map(|key| key.resolved(directory)).collect();
        let any_of =
            self.any_of.map(|any| AnyOfConfig { minimum: any.minimum, signatures: all(any.signatures) });
        Self { all_of: all(self.all_of), any_of }
    }

    /// The same rules with the keys themselves instead of their paths, so that they mean the same on every machine.
    pub fn inlined(&self) -> Result<Self> {
        let all = |keys: &[KeyConfig]| {
            let inlined =
                keys.iter().map(|key| Ok(KeyConfig { pub_key: key.key()?.to_pem(), ..key.clone() }));
            inlined.collect::<Result<Vec<_>>>()
        };
        let any_of = match &self.any_of {
            Some(any) => Some(AnyOfConfig { minimum: any.minimum, signatures: all(&any.signatures)? }),
            None => None,
        };
        Ok(Self { all_of: all(&self.all_of)?, any_of })
    }

    /// Whether the rules hold the keys themselves, as [`inlined`](Self::inlined) makes them.
    #[must_use]
    pub fn is_inlined(&self) -> bool {
        let any_of = self.any_of.iter().flat_map(|any| &any.signatures);
        self.all_of.iter().chain(any_of).all(|key| pem::is_pem(&key.pub_key))
    }

    /// Reads the keys. [`ErrorKind::InvalidTrust`] for rules that cannot be meant, [`ErrorKind::InvalidKey`] for keys that cannot be
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
            if !ids.insert(trusted.key.id()) {
                return Err(invalid("the trust rules name a key twice").with_context("key", trusted.key.id()));
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
        Ok(TrustRules { all_of, minimum, any_of })
    }
}

#[derive(Debug, Clone)]
struct TrustedKey {
    key: PublicKey,
    name: String,
    expires: Option<Timestamp>,
}

/// Trust rules with their keys.
#[derive(Debug, Clone)]
pub struct TrustRules {
    all_of: Vec<TrustedKey>,
    minimum: usize,
    any_of: Vec<TrustedKey>,
}

/// A key that signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a key has a holder and an id")]
pub struct Signer {
    /// The name that the rules give the key, or else its id.
    pub identity: String,
    /// The [id](PublicKey::id) of the key.
    pub key: Sha256,
}

/// What the signatures say about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Signed,
    Expired,
    Absent,
}

impl TrustRules {
    /// Rules that one key meets.
    #[must_use]
    pub fn of_keys(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let trusted = |key: PublicKey| TrustedKey { name: key.id().to_string(), key, expires: None };
        let any_of: Vec<_> = keys.into_iter().map(trusted).collect();
        Self { all_of: Vec::new(), minimum: 1, any_of }
    }

    /// Who signed `message`, if the rules are met. [`ErrorKind::SignatureNotFound`] without signatures,
    /// [`ErrorKind::UntrustedSigner`] if none is by a key of the rules, [`ErrorKind::ExpiredKey`] if a signature is by a key that is
    /// not valid any more, [`ErrorKind::SignersMissing`] if more must have signed.
    pub fn check(&self, message: &[u8], signatures: &[Signature]) -> Result<Vec<Signer>> {
        if signatures.is_empty() {
            return Err(Error::new(ErrorKind::SignatureNotFound, "there is no signature"));
        }
        self.check_with(|key| signatures.iter().any(|signature| key.verifies(message, signature)))
    }

    /// Which keys of the rules signed `message` and are valid, even if the rules ask for more.
    #[must_use]
    pub fn signers(&self, message: &[u8], signatures: &[Signature]) -> Vec<Signer> {
        let signed = |key: &PublicKey| signatures.iter().any(|signature| key.verifies(message, signature));
        let at = now();
        let trusted = self.keys().filter(|trusted| trusted.state(signed, at) == State::Signed);
        trusted.map(TrustedKey::signer).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// [`check`](Self::check), given which keys have signed.
    pub fn check_with(&self, signed: impl Fn(&PublicKey) -> bool) -> Result<Vec<Signer>> {
        let at = now();
        let states: BTreeMap<Sha256, bool> =
            self.keys().map(|trusted| (trusted.key.id(), signed(&trusted.key))).collect();
        let signed = |key: &PublicKey| states.get(&key.id()).copied().unwrap_or_default();
        let state = |trusted: &TrustedKey| trusted.state(signed, at);
        let missing: Vec<&TrustedKey> =
            self.all_of.iter().filter(|trusted| state(trusted) != State::Signed).collect();
        let met = self.any_of.iter().filter(|trusted| state(trusted) == State::Signed).count();
        if missing.is_empty() && met >= self.minimum {
            let signers = self.keys().filter(|trusted| state(trusted) == State::Signed);
            return Ok(signers.map(TrustedKey::signer).collect::<BTreeSet<_>>().into_iter().collect());
        }
        Err(self.refusal(&missing, met, state))
    }

    /// Whether something holds for any key of the rules.
    pub(crate) fn any_key(&self, holds: impl Fn(&PublicKey) -> bool) -> bool {
        self.keys().any(|trusted| holds(&trusted.key))
    }

    fn refusal(&self, missing: &[&TrustedKey], met: usize, state: impl Fn(&TrustedKey) -> State) -> Error {
        let too_few = if met < self.minimum { &self.any_of[..] } else { &[] };
        let wanted = missing.iter().copied().chain(too_few);
        if let Some(expired) = wanted.clone().find(|trusted| state(trusted) == State::Expired) {
            let message = format!("the signature is by a key that is not valid any more: `{}`", expired.name);
            return Error::new(ErrorKind::ExpiredKey, message)
                .with_context("key", expired.key.id())
                .with_hint("sign again with a key that is valid");
        }
        if self.keys().all(|trusted| state(trusted) == State::Absent) {
            let message = "none of the signatures is by a key that the trust rules name";
            return Error::new(ErrorKind::UntrustedSigner, message)
                .with_hint("sign with one of these keys, or find out who signed");
        }
        let names: BTreeSet<&str> = wanted
            .filter(|trusted| state(trusted) != State::Signed)
            .map(|trusted| trusted.name.as_str())
            .collect();
        let message = "some of the keys that the trust rules ask for have not signed";
        let error = Error::new(ErrorKind::SignersMissing, message)
            .with_context("missing", names.into_iter().collect::<Vec<_>>().join(", "));
        if met < self.minimum {
            return error.with_context("signed", format!("{met} of at least {}", self.minimum));
        }
        error
    }

    fn keys(&self) -> impl Iterator<Item = &TrustedKey> {
        self.all_of.iter().chain(&self.any_of)
    }
}

impl TrustedKey {
    fn state(&self, signed: impl Fn(&PublicKey) -> bool, at: Timestamp) -> State {
        match signed(&self.key) {
            false => State::Absent,
            true if self.expires.is_some_and(|end| end <= at) => State::Expired,
            true => State::Signed,
        }
    }

    fn signer(&self) -> Signer {
        Signer { identity: self.name.clone(), key: self.key.id() }
    }
}

/// The time from which a key is not valid.
fn end_of_validity(text: &str) -> Result<Timestamp> {
    let day = || {
        let next = text.parse::<Date>().ok()?.tomorrow().ok()?;
        TimeZone::UTC.to_timestamp(next.to_datetime(Time::midnight())).ok()
    };
    // A time with a zone is also read as a date.
    let time = text.parse::<jiff::Timestamp>().ok().or_else(day);
    time.map(jiff::Timestamp::as_millisecond).ok_or_else(|| {
        invalid(format!("`expires` is not a date or a time: `{text}`"))
            .with_hint("write it like `2027-06-30` or `2027-06-30T12:00:00Z`")
    })
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidTrust, message)
}

#[cfg(test)]
mod tests;
