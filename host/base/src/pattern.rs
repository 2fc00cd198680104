//! Patterns of names, as a shell has them.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// A pattern of names: `*` stands for any text, `?` for one character, and every other character for itself.
///
/// ```
/// use hydra_base::pattern::NamePattern;
///
/// let pattern: NamePattern = "churn-*".parse()?;
/// assert!(pattern.matches("churn-eu") && !pattern.matches("churn"));
/// # Ok::<(), hydra_base::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// Checks and wraps `text`; `InvalidName` when it is blank.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(Error::new(ErrorKind::InvalidName, "the pattern of names is blank")
                .with_hint("write a name; `*` in it stands for any text: `churn-*`"));
        }
        Ok(Self(text))
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern fits the whole name; upper and lower case differ.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut at, mut seen) = (0, 0);
        // The last `*`, and how much of the name it stands for so far.
        let mut star: Option<(usize, usize)> = None;
        while seen < name.len() {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(c) if *c == '?' || *c == name[seen] => (at, seen) = (at + 1, seen + 1),
                _ => {
                    let Some((star_at, stood_for)) = star else { return false };
                    star = Some((star_at, stood_for + 1));
                    (at, seen) = (star_at + 1, stood_for + 1);
                }
            }
        }
        pattern[at..].iter().all(|c| *c == '*')
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NamePattern {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_whole_names() {
        for (pattern, fits, differs) in [
            ("churn", "churn", "churn-eu"),
            ("churn-*", "churn-", "churn"),
            ("*", "any thing", ""),
            ("*-eu", "a-eu-eu", "a-eu-"),
            ("a*b*c", "abxbc", "abxb"),
            ("m?dèle", "modèle", "mdèle"),
            ("a_b%", "a_b%", "axb%"),
        ] {
            let pattern = NamePattern::new(pattern).expect("a pattern");
            assert!(pattern.matches(fits), "{pattern} {fits}");
            assert!(!pattern.matches(differs) || differs.is_empty(), "{pattern} {differs}");
        }
        assert_eq!(NamePattern::new(" ").expect_err("blank").kind(), ErrorKind::InvalidName);
    }
}
