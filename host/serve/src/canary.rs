//! Which version answers a request: a share of the keys, always the same ones for the same version.

use std::fmt;
use std::str::FromStr;

use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Version;

/// A share of all keys, greater than none, at most all: in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(f64);

impl Share {
    /// Whether the canary answers a request with this key. The version is a part of the hash, so that every rollout starts with
    /// other keys.
    pub(crate) fn has(self, key: &[u8], version: Version) -> bool {
        let mut bytes = Vec::with_capacity(key.len() + 24);
        bytes.extend_from_slice(version.to_string().as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(key);
        let digest = Sha256::of(&bytes);
        let first =
            digest.as_bytes().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (first as f64) < self.0 / 100.0 * 2_f64.powi(64)
    }
}

impl FromStr for Share {
    type Err = Error;

    /// Reads a percentage such as `5%` or `0.5%`.
    fn from_str(text: &str) -> Result<Self> {
        let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        match percent.filter(|percent| *percent > 0.0 && *percent <= 100.0) {
            Some(percent) => Ok(Self(percent)),
            None => Err(Error::new(
                ErrorKind::InvalidCanary,
                format!("the share is not a percentage above 0 and up to 100: `{text}`"),
            )
            .with_hint("write it as in `candidate=5%`")),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> Version {
        Version::new(number).expect("a version")
    }

    #[test]
    fn the_same_key_stays_and_a_new_version_draws_other_keys() {
        let share: Share = "5%".parse().expect("a share");
        let keys = |of: u64| {
            (0..20_000_u32)
                .filter(move |key| share.has(key.to_string().as_bytes(), version(of)))
                .collect::<Vec<_>>()
        };
        let (first, again, other) = (keys(1), keys(1), keys(2));
        assert_eq!(first, again);
        assert!((850..1150).contains(&first.len()), "{}", first.len());
        let both = first.iter().filter(|key| other.contains(key)).count();
        assert!(both < 150, "{both}");
        assert!("100%".parse::<Share>().expect("all").has(b"x", version(1)));
    }

    #[test]
    fn shares_are_percentages() {
        for wrong in ["5", "0%", "-1%", "101%", "NaN%", "%", ""] {
            assert_eq!(wrong.parse::<Share>().expect_err(wrong).kind(), ErrorKind::InvalidCanary);
        }
        assert_eq!("0.5 %".parse::<Share>().expect("a share").to_string(), "0.5%");
    }
}
