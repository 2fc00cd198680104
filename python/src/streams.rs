//! Long lists in pages, which a task reads ahead of the caller.

use std::sync::Arc;

use futures_util::{Stream, TryStreamExt as _, pin_mut};
use hydra_base::Timestamp;
use hydra_base::error::Result;
use hydra_registry_cli::report::{EntryReport, VersionReport};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::calls::{Answer, Connection, json};
use crate::errors::Failure;

/// The number of archived decisions that are read side by side.
const AT_ONCE: usize = 8;

/// A list.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Listing {
    /// The versions, newest first.
    Versions,
    /// The entries of the ledger, newest first.
    History { limit: Option<usize>, since: Option<Timestamp> },
}

/// The pages of a list: JSON arrays, not empty; then nothing more, or a failure.
pub struct Pages(mpsc::Receiver<Answer>);

impl Pages {
    /// Begins to read a list in pages of so many items. Requires a runtime.
    pub fn begin(connection: Arc<Connection>, listing: Listing, page: usize) -> Self {
        let (pages, received) = mpsc::channel(1);
        tokio::spawn(async move {
            if let Err(failure) = read(&connection, listing, page.max(1), &pages).await {
                // A caller that is gone does not want it.
                let _ = pages.send(Err(failure)).await;
            }
        });
        Self(received)
    }

    /// The next page.
    pub async fn next(&mut self) -> Option<Answer> {
        self.0.recv().await
    }
}

async fn read(
    connection: &Connection,
    listing: Listing,
    page: usize,
    pages: &mpsc::Sender<Answer>,
) -> Result<(), Failure> {
    let registry = connection.registry().await?;
    match listing {
        Listing::Versions => send(registry.list_versions().map_ok(VersionReport::from), page, pages).await,
        Listing::History { limit, since } => {
            let Some(ledger) = registry.existing_ledger().await? else { return Ok(()) };
            let ledger = &ledger;
            let reports = ledger.entries(limit, since).map_ok(|(record, fate)| async move {
                let answers = ledger.answers(&record).await;
                Ok(EntryReport::new(ledger.model(), &record, fate, answers))
            });
            send(reports.try_buffered(AT_ONCE), page, pages).await
        }
    }
}

async fn send<T: Serialize>(
    items: impl Stream<Item = Result<T>>,
    page: usize,
    pages: &mpsc::Sender<Answer>,
) -> Result<(), Failure> {
    pin_mut!(items);
    let mut chunk = Vec::new();
    loop {
        let item = items.try_next().await;
        let is_last = !matches!(item, Ok(Some(_)));
        if is_last || chunk.len() == page {
            // What comes before a failure is passed on.
            let full = std::mem::take(&mut chunk);
            if !full.is_empty() && pages.send(json(&full)).await.is_err() {
                return Ok(());
            }
        }
        match item? {
            Some(item) => chunk.push(item),
            None => return Ok(()),
        }
    }
}
