//! Listings of several pages, followed to their end.
//!
//! Each page names the next one, so a server that is damaged or hostile could keep a reader busy for ever.

use std::collections::BTreeSet;

use crate::entities::Page;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};

/// The most pages of a listing.
const MAX_PAGES: usize = 20_000;
/// The most items of a listing, unless fewer are expected.
const MAX_ITEMS: usize = 1_000_000;

/// The position in a listing.
///
/// ```
/// use hydra_mlflow::entities::{ModelFilter, Tags};
/// use hydra_mlflow::listing::Listing;
/// use hydra_mlflow::memory::MemoryStore;
/// use hydra_mlflow::store::RegistryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> hydra_base::Result<()> {
/// let store = MemoryStore::new()?;
/// for name in ["a", "b", "c"] {
///     store.create_registered_model(&name.parse()?, &Tags::new(), "").await?;
/// }
/// let (mut listing, mut names) = (Listing::default(), Vec::new());
/// while !listing.is_at_end() {
///     let page = store.registered_models(&ModelFilter::Name("*".parse()?), 2, listing.token()).await?;
///     listing.advance(&page)?;
///     names.extend(page.items.into_iter().map(|model| model.name.to_string()));
/// }
/// assert_eq!(names, ["a", "b", "c"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listing {
    token: Option<String>,
    at_end: bool,
    /// The digests of the tokens, which may be long.
    seen: BTreeSet<Sha256>,
    items: usize,
    most: usize,
    most_pages: usize,
}

impl Default for Listing {
    fn default() -> Self {
        Self::at_most(MAX_ITEMS)
    }
}

impl Listing {
    /// The beginning of a listing of at most that many items: of which more would not fit in memory.
    #[must_use]
    pub fn at_most(items: usize) -> Self {
        Self {
            token: None,
            at_end: false,
            seen: BTreeSet::new(),
            items: 0,
            most: items,
            most_pages: MAX_PAGES,
        }
    }

    /// The same listing with at most that many pages.
    #[must_use]
    pub fn of_pages(self, most_pages: usize) -> Self {
        Self { most_pages, ..self }
    }

    /// The token of the page to read next.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whether the last page was read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Takes note of the page that was read. `EndlessListing` if it names a page that was read before, or if there were more pages
    /// or items than any store has.
    pub fn advance<T>(&mut self, page: &Page<T>) -> Result<()> {
        self.items = self.items.saturating_add(page.items.len());
        self.token.clone_from(&page.next);
        if self.items > self.most {
            return Err(self.endless("does not end"));
        }
        let Some(token) = &page.next else {
            self.at_end = true;
            return Ok(());
        };
        if !self.seen.insert(Sha256::of(token.as_bytes())) {
            return Err(self.endless("repeats its pages"));
        }
        if self.seen.len() >= self.most_pages {
            return Err(self.endless("does not end"));
        }
        Ok(())
    }

    fn endless(&self, why: &str) -> Error {
        Error::new(ErrorKind::EndlessListing, format!("the listing of the store {why}"))
            .with_context("pages", self.seen.len())
            .with_context("items", self.items)
            .with_hint("check that the tracking URI is the address of an MLflow server, with its path prefix")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: usize, next: &str) -> Page<()> {
        Page::new(vec![(); items], Some(next.to_owned()))
    }

    #[test]
    fn a_listing_ends_or_is_an_error() {
        let mut listing = Listing::default();
        for token in ["a", "b", "c"] {
            listing.advance(&page(1, token)).expect("a new page");
            assert_eq!(listing.token(), Some(token));
        }
        let error = listing.advance(&page(1, "a")).expect_err("a circle");
        assert_eq!(error.kind(), ErrorKind::EndlessListing);

        let mut listing = Listing::default();
        let mut pages = 0;
        let error = loop {
            match listing.advance(&page(1, &pages.to_string())) {
                Ok(()) => pages += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), pages), (ErrorKind::EndlessListing, MAX_PAGES - 1));

        let mut listing = Listing::default();
        listing.advance(&page(MAX_ITEMS, "1")).expect("as many as there may be");
        assert_eq!(listing.advance(&page(1, "2")).expect_err("more").kind(), ErrorKind::EndlessListing);

        let mut listing = Listing::default();
        listing.advance(&Page::new(vec![()], None)).expect("the only page");
        assert!(listing.is_at_end());
    }
}
