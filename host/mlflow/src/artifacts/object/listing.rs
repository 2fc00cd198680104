//! Listings of object stores: page by page, in bounded memory, to an end.

use object_store::list::{PaginatedListOptions, PaginatedListResult};
use object_store::path::Path as Key;

use super::Bucket;
use crate::entities::{ArtifactInfo, Page};
use crate::listing::Listing;
use hydra_base::error::{Error, ErrorKind};

/// The most files and directories of a directory.
const MAX_ITEMS: usize = 250_000;
/// The most pages that they are listed on.
const MAX_PAGES: usize = 2_500;
/// The most bytes of their names and stamps.
const MAX_BYTES: usize = 48 << 20;
/// How many a page is asked for.
const PAGE: usize = 1_000;

/// Why there is no listing.
pub(super) enum Failure {
    /// The answers are not those of a store: they do not end, or are too large.
    Refused(Error),
    /// The store refused, or did not answer.
    Failed(object_store::Error),
}

/// The files and directories in `directory`, which is `path` below the root, sorted by their names.
pub(super) async fn of(
    store: &dyn Bucket,
    directory: &Key,
    path: &str,
) -> Result<Vec<ArtifactInfo>, Failure> {
    let prefix = match directory.as_ref() {
        "" => None,
        directory => Some(format!("{directory}/")),
    };
    let mut listing = Listing::at_most(MAX_ITEMS).of_pages(MAX_PAGES);
    let (mut infos, mut bytes) = (Vec::new(), 0);
    while !listing.is_at_end() {
        let options = PaginatedListOptions {
            delimiter: Some("/".into()),
            max_keys: Some(PAGE),
            page_token: listing.token().map(str::to_owned),
            ..PaginatedListOptions::default()
        };
        let found = store.list_paginated(prefix.as_deref(), options).await.map_err(Failure::Failed)?;
        let next = found.page_token.clone();
        let page = Page::new(infos_of(found, directory, path), next);
        listing.advance(&page).map_err(Failure::Refused)?;
        let size = |info: &ArtifactInfo| info.path.len() + info.stamp.as_ref().map_or(0, String::len);
        bytes += page.items.iter().map(size).sum::<usize>();
        if bytes > MAX_BYTES {
            let what = format!("the names in a directory have more than {MAX_BYTES} bytes");
            return Err(Failure::Refused(Error::new(ErrorKind::AnswerSize, what)));
        }
        infos.extend(page.items);
    }
    infos.sort_by(|a, b| (&a.path, a.is_dir).cmp(&(&b.path, b.is_dir)));
    // A directory may be listed on several pages.
    infos.dedup_by(|a, b| a.is_dir && b.is_dir && a.path == b.path);
    Ok(infos)
}

fn infos_of(found: PaginatedListResult, directory: &Key, path: &str) -> Vec<ArtifactInfo> {
    let relative = |key: &Key| {
        let name = key.filename()?;
        Some(if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") })
    };
    // Some tools mark a directory by an empty object with the directory's own key.
    let objects = found.result.objects.into_iter().filter(|object| object.location != *directory);
    let files = objects.filter_map(|object| {
        let file = ArtifactInfo::file(relative(&object.location)?, object.size);
        let stamp = object.e_tag.unwrap_or_else(|| object.last_modified.to_rfc3339());
        Some(ArtifactInfo { stamp: Some(stamp), ..file })
    });
    let directories = found.result.common_prefixes.iter().filter_map(|prefix| {
        Some(ArtifactInfo { path: relative(prefix)?, is_dir: true, size: None, stamp: None })
    });
    files.chain(directories).collect()
}
