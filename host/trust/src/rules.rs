//! Trust rules: which keys and identities must have signed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

pub use self::config::{AnyOfConfig, KeyConfig, TrustConfig};
pub use self::signatory::{Signatory, Signer};
use crate::key::PublicKey;
use crate::signature::Signature;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::time::now;
use hydra_base::{Sha256, Timestamp};

mod config;
mod signatory;

#[derive(Debug, Clone)]
struct Trusted {
    signatory: Signatory,
    name: String,
    expires: Option<Timestamp>,
}

/// Trust rules with their keys and identities.
#[derive(Debug, Clone)]
pub struct TrustRules {
    all_of: Vec<Trusted>,
    minimum: usize,
    any_of: Vec<Trusted>,
    /// The time for which they are checked; none for the present.
    at: Option<Timestamp>,
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
        let trusted = |key: PublicKey| Trusted {
            name: key.id().to_string(),
            signatory: Signatory::Key(key),
            expires: None,
        };
        let any_of: Vec<_> = keys.into_iter().map(trusted).collect();
        Self { all_of: Vec::new(), minimum: 1, any_of, at: None }
    }

    /// The same rules as they were at a time, in milliseconds: keys that had not expired then count.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.at = Some(time);
        self
    }

    /// The keys and identities whose validity ends before a time, in milliseconds: their names with their ends.
    #[must_use]
    pub fn ending(&self, before: Timestamp) -> Vec<(String, Timestamp)> {
        let ends = self.all().filter_map(|trusted| Some((trusted.name.clone(), trusted.expires?)));
        ends.filter(|(_, end)| *end < before).collect()
    }

    /// Who signed `message`, if the rules are met. [`ErrorKind::SignatureNotFound`] without signatures,
    /// [`ErrorKind::UntrustedSigner`] if none is by a key of the rules, [`ErrorKind::ExpiredKey`] if a signature is by a key that is
    /// not valid any more, [`ErrorKind::SignersMissing`] if more must have signed.
    pub fn check(&self, message: &[u8], signatures: &[Signature]) -> Result<Vec<Signer>> {
        if signatures.is_empty() {
            return Err(Error::new(ErrorKind::SignatureNotFound, "there is no signature"));
        }
        let signed = |by: &Signatory| signatures.iter().any(|signature| by.verifies(message, signature));
        self.check_with(signed).map_err(|error| self.explained(error, signatures, message))
    }

    /// An error about foreign signatures with the reason why a keyless one does not count, if there is one.
    pub(crate) fn explained<'a>(
        &self,
        error: Error,
        signatures: impl IntoIterator<Item = &'a Signature>,
        message: &[u8],
    ) -> Error {
        if error.kind() != ErrorKind::UntrustedSigner {
            return error;
        }
        let Some(bundle) = signatures.into_iter().find(|signature| signature.is_bundle()) else {
            return error;
        };
        match self.all().find_map(|trusted| trusted.signatory.flaw(message, bundle)) {
            Some(flaw) => error.with_context("keyless signature", flaw),
            None => error,
        }
    }

    /// Which keys of the rules signed `message` and are valid, even if the rules ask for more.
    #[must_use]
    pub fn signers(&self, message: &[u8], signatures: &[Signature]) -> Vec<Signer> {
        let signed = |by: &Signatory| signatures.iter().any(|signature| by.verifies(message, signature));
        let at = self.at.unwrap_or_else(now);
        let trusted = self.all().filter(|trusted| trusted.state(signed, at) == State::Signed);
        trusted.map(Trusted::signer).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// [`check`](Self::check), given who has signed.
    pub fn check_with(&self, signed: impl Fn(&Signatory) -> bool) -> Result<Vec<Signer>> {
        let at = self.at.unwrap_or_else(now);
        let states: BTreeMap<Sha256, bool> =
            self.all().map(|trusted| (trusted.signatory.id(), signed(&trusted.signatory))).collect();
        let signed = |by: &Signatory| states.get(&by.id()).copied().unwrap_or_default();
        let state = |trusted: &Trusted| trusted.state(signed, at);
        let missing: Vec<&Trusted> =
            self.all_of.iter().filter(|trusted| state(trusted) != State::Signed).collect();
        let met = self.any_of.iter().filter(|trusted| state(trusted) == State::Signed).count();
        if missing.is_empty() && met >= self.minimum {
            let signers = self.all().filter(|trusted| state(trusted) == State::Signed);
            return Ok(signers.map(Trusted::signer).collect::<BTreeSet<_>>().into_iter().collect());
        }
        Err(self.refusal(&missing, met, state))
    }

    /// The ids of those of whom something holds, whether they are valid or not.
    pub(crate) fn ids(&self, holds: impl Fn(&Signatory) -> bool) -> BTreeSet<Sha256> {
        let holding = self.all().map(|trusted| &trusted.signatory).filter(|by| holds(by));
        holding.map(Signatory::id).collect()
    }

    /// Whether something holds for any key or identity of the rules.
    pub(crate) fn any(&self, holds: impl Fn(&Signatory) -> bool) -> bool {
        self.all().any(|trusted| holds(&trusted.signatory))
    }

    fn refusal(&self, missing: &[&Trusted], met: usize, state: impl Fn(&Trusted) -> State) -> Error {
        let too_few = if met < self.minimum { &self.any_of[..] } else { &[] };
        let wanted = missing.iter().copied().chain(too_few);
        if let Some(expired) = wanted.clone().find(|trusted| state(trusted) == State::Expired) {
            let message = format!("the signature is by a key that is not valid any more: `{}`", expired.name);
            return Error::new(ErrorKind::ExpiredKey, message)
                .with_context("key", expired.signatory.id())
                .with_hint("sign again with a key that is valid");
        }
        if self.all().all(|trusted| state(trusted) == State::Absent) {
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

    fn all(&self) -> impl Iterator<Item = &Trusted> {
        self.all_of.iter().chain(&self.any_of)
    }
}

impl Trusted {
    fn state(&self, signed: impl Fn(&Signatory) -> bool, at: Timestamp) -> State {
        match signed(&self.signatory) {
            false => State::Absent,
            true if self.expires.is_some_and(|end| end <= at) => State::Expired,
            true => State::Signed,
        }
    }

    fn signer(&self) -> Signer {
        self.signatory.signer(&self.name)
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
