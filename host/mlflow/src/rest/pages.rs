//! Pages of listings: requested so that they fit, and checked so that a listing ends.

use serde::de::DeserializeOwned;

use super::RestStore;
use super::failure::Failure;
use super::transport::Call;
use hydra_base::error::ErrorKind;
use hydra_base::names::Version;

/// The most items that one request asks for.
pub(super) const MAX_ITEMS: usize = 1000;
/// The longest page token. MLflow's own have less than 100 characters.
const MAX_TOKEN_BYTES: usize = 4096;
/// What a page that is too large is divided by.
const SMALLER: usize = 8;

/// A page as it was asked for.
pub(super) struct Asked<'a> {
    /// The request, for errors.
    pub(super) request: &'a str,
    /// The number of items.
    pub(super) items: usize,
    /// The token of the page.
    pub(super) token: Option<&'a str>,
}

impl Asked<'_> {
    /// The token of the next page, if the answer of `found` items names one.
    pub(super) fn next(&self, found: usize, token: Option<String>) -> Result<Option<String>, Failure> {
        let refuse = |why: &str| Err(Failure::listing(self.request, why));
        if found > self.items {
            return refuse(&format!("has {found} items on a page of {}", self.items));
        }
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
        if found == 0 {
            return refuse("has an empty page that names a next one");
        }
        if token.len() > MAX_TOKEN_BYTES {
            return refuse(&format!("has a page token of more than {MAX_TOKEN_BYTES} bytes"));
        }
        if Some(token.as_str()) == self.token {
            return refuse("repeats a page token");
        }
        Ok(Some(token))
    }
}

/// Refuses versions that are not in descending order between `lowest` and `highest`: each page has to begin below the one
/// before it.
pub(super) fn check_descending(
    request: &str,
    versions: impl Iterator<Item = Version>,
    lowest: Version,
    highest: Option<Version>,
) -> Result<(), Failure> {
    let mut above = None;
    for version in versions {
        let descends = above.is_none_or(|above| version < above);
        if !descends || version < lowest || highest.is_some_and(|highest| version > highest) {
            return Err(Failure::listing(
                request,
                "has versions that were not asked for, or not in their order",
            ));
        }
        above = Some(version);
    }
    Ok(())
}

impl RestStore {
    /// Sends a search for at most `items` items. If the answer is too large, sends it again for fewer. Returns the answer and the
    /// number of items that was asked for.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        items: usize,
        search: impl Fn(usize) -> Call,
    ) -> Result<(T, usize), Failure> {
        let mut items = items.clamp(1, MAX_ITEMS);
        loop {
            match self.call(&search(items)).await {
                Err(failure) if failure.kind() == ErrorKind::AnswerSize && items > 1 => {
                    items = (items / SMALLER).max(1);
                }
                answer => return answer.map(|answer| (answer, items)),
            }
        }
    }
}
