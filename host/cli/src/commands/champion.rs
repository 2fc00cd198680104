//! `champion`: shows the champion without loading its model.

use crate::args::ChampionArgs;
use crate::report::{AsOfReport, ChampionReport};
use crate::{ExitStatus, Printer, Settings};
use hydra_base::error::{Error, ErrorKind};
use hydra_registry::ModelRegistry;

/// Shows the champion.
pub async fn run(
    args: &ChampionArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    if let Some(as_of) = args.as_of {
        let then = match registry.existing_ledger().await? {
            Some(ledger) => ledger.as_of(as_of).await?,
            None => None,
        };
        let (record, state) = then.ok_or_else(|| {
            Error::new(ErrorKind::NoChampion, "the ledger did not exist at that time")
                .with_hint("run `hydra-registry history` to see when it began")
        })?;
        let report = AsOfReport::new(registry.model(), as_of, &record, &state);
        printer.report(&report, AsOfReport::text)?;
        return Ok(ExitStatus::Done);
    }
    let info = printer.waiting("reading the champion", registry.champion_info()).await?;
    printer.report(&ChampionReport::new(registry.model(), &info), ChampionReport::text)?;
    Ok(ExitStatus::Done)
}
