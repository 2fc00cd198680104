//! MLflow's three kinds of URI, as three types: the location of a store ([`TrackingUri`]), the location of files
//! ([`ArtifactUri`]), and the reference to a model ([`ModelUri`]).

mod artifact;
mod model;
mod tracking;

use hydra_base::text::printable;

pub use artifact::{ArtifactUri, Location};
pub use model::ModelUri;
pub use tracking::{GivenUri, TrackingUri};

/// `text` without control characters and without the parts of a URI that may be secret (user information, query).
#[must_use]
pub fn redact(text: &str) -> String {
    let text = printable(text);
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    if scheme.eq_ignore_ascii_case("file") {
        return text.clone();
    }
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) => (rest, "?***"),
        None => (rest, ""),
    };
    // Search the last `@`, not that of the authority: a password may contain a slash that is not encoded.
    match rest.rsplit_once('@') {
        Some((_, rest)) => format!("{scheme}://***@{rest}{query}"),
        None => format!("{scheme}://{rest}{query}"),
    }
}

/// The scheme of a URI in lower case, without a `+driver`; `None` for a plain path. One letter is a Windows drive.
fn scheme_of(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once(':')?;
    let letters = scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let base = scheme.split('+').next().unwrap_or(scheme);
    (letters && starts && scheme.len() > 1).then(|| base.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
