//! `history --html`: the history as one page.

use std::io::Write as _;
use std::path::Path;

use crate::again::Again;
use crate::args::HistoryArgs;
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::error::ErrorKind;
use hydra_page::{Extent, History, Now, history_page};
use hydra_registry::{Alias, ModelRegistry};
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
    let read = read(args, &registry).await;
    spinner.finish_and_clear();
    let (mut history, now) = read?;
    let page = history_page(&mut history, &now)?;
    if is_dash(file) {
        printer.data().write_all(page.as_bytes())?;
        return Ok(ExitStatus::Done);
    }
    interrupt::remove_partial_files()?;
    NewFile::create(file)?.write(page.as_bytes())?;
    printer.note(format!("wrote {}: {}", file.display(), history.summary()));
    Ok(ExitStatus::Done)
}

async fn read(args: &HistoryArgs, registry: &ModelRegistry) -> anyhow::Result<(History, Now)> {
    let extent = Extent { since: args.since, limit: args.limit, evidence: args.evidence };
    let history = match registry.existing_ledger().await? {
        Some(ledger) => History::read(&ledger, &extent).await?,
        None => History::default(),
    };
    let model = registry.model();
    let registered = registry.backend().registry.registered_model(model).await?;
    let champion = match registry.champion_info().await {
        Ok(champion) => Some(champion),
        // The page says that there is none.
        Err(error) if matches!(error.kind(), ErrorKind::NoChampion | ErrorKind::VersionNotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let (metrics, quarantine) =
        champion.map_or_else(Default::default, |champion| (champion.metrics, champion.quarantine));
    let now = Now {
        model: model.to_string(),
        aliases: registered.aliases.into_iter().map(|(alias, version)| (alias, version.get())).collect(),
        managed: registry
            .managed_aliases()
            .iter()
            .filter(|alias| **alias != Alias::CHAMPION)
            .cloned()
            .collect(),
        metrics,
        quarantine,
        verify: Again::on_model(model.as_str()).complete("hydra-registry history verify"),
    };
    Ok((history, now))
}
