//! `history --html`: the history as one page.

use std::io::Write as _;
use std::path::Path;

use crate::args::HistoryArgs;
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_page::{Extent, history_page, read};
use hydra_registry::ModelRegistry;
use hydra_tables::{NewFile, is_dash};

/// Reads the history and writes the page, which appears only when it is complete.
pub async fn run(
    args: &HistoryArgs,
    file: &Path,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let spinner = printer.spinner("reading the history");
    let extent = Extent { since: args.since, limit: args.limit, evidence: args.evidence };
    let read = read(&registry, &extent).await;
    spinner.finish_and_clear();
    let (history, now) = read?;
    let page = history_page(&history, &now)?;
    if is_dash(file) {
        printer.data().write_all(page.as_bytes())?;
        return Ok(ExitStatus::Done);
    }
    interrupt::remove_partial_files()?;
    NewFile::create(file)?.write(page.as_bytes())?;
    printer.note(format!("wrote {}: {}", file.display(), history.summary()));
    Ok(ExitStatus::Done)
}
