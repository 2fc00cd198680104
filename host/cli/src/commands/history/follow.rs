//! `history --follow`: the newest entries, then each new one as it comes.

use std::time::Duration;

use futures_util::TryStreamExt as _;

use super::filter::Filter;
use crate::args::HistoryArgs;
use crate::report::EntryReport;
use crate::{ExitStatus, Printer, View};
use hydra_base::Result;
use hydra_lifecycle::ledger::Ledger;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::history::Fate;
use hydra_registry::ModelRegistry;

/// How many entries are shown at first, unless the user sets another number.
const AT_FIRST: usize = 10;

/// How long to wait before looking again.
const EVERY: Duration = Duration::from_secs(2);

/// The entries that one request fetches: most looks find nothing new.
const PAGE: usize = 20;

/// Shows entries as they come, oldest first, until the command is interrupted or the reader goes away.
pub(super) async fn follow(
    args: &HistoryArgs,
    registry: &ModelRegistry,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let filter = Filter::new(args);
    let mut ledger = registry.existing_ledger().await?;
    if ledger.is_none() {
        printer.note(format!("{} has no history yet; waiting for it", registry.model()));
    }
    // The number of the newest entry that was shown or left out.
    let mut last = None;
    loop {
        if let Some(ledger) = &ledger {
            let (head, fresh) = fresh(ledger, args, &filter, last).await?;
            last = head.or(last);
            for (record, fate) in fresh.into_iter().rev() {
                let answers = ledger.answers(&record).await;
                let report = EntryReport::new(ledger.model(), &record, fate, answers);
                // Ages would be wrong soon.
                printer.item(&report, |report| report.text(&View::default()))?;
            }
            printer.flush()?;
        } else {
            ledger = registry.existing_ledger().await?;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The newest complete entry, and those above `last` that fit, newest first; at first, the newest ones that fit. An entry that is not
/// complete yet waits.
async fn fresh(
    ledger: &Ledger,
    args: &HistoryArgs,
    filter: &Filter<'_>,
    last: Option<u64>,
) -> Result<(Option<u64>, Vec<(Record, Fate)>)> {
    let wanted = if last.is_none() { args.limit.unwrap_or(AT_FIRST) } else { usize::MAX };
    let mut entries = ledger.pages(PAGE);
    let (mut head, mut fresh) = (None, Vec::new());
    while let Some((record, fate)) = entries.try_next().await? {
        if fate == Fate::Pending {
            continue;
        }
        head = head.or(Some(record.number));
        let is_known = last.is_some_and(|last| record.number <= last);
        let is_old = last.is_none() && args.since.is_some_and(|since| record.created_at < since);
        if is_known || is_old || fresh.len() >= wanted {
            break;
        }
        if filter.fits(&record) {
            fresh.push((record, fate));
        }
    }
    Ok((head, fresh))
}
