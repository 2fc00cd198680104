//! `history`: shows, verifies or exports the ledger.

use futures_util::TryStreamExt as _;

use crate::args::{HistoryArgs, HistoryCommand, VerifyArgs};
use crate::report::{EntryReport, ExportReport, VerifyReport};
use crate::{ExitStatus, Printer, Settings};
use hydra_lifecycle::ledger::Ledger;
use hydra_lifecycle::ledger::verify::Verified;
use hydra_lifecycle::recording::PolicyReplay;
use hydra_registry::ModelRegistry;

/// The number of archived decisions that are read side by side.
const AT_ONCE: usize = 8;

/// Shows, verifies or exports.
pub async fn run(
    args: &HistoryArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let Some(ledger) = registry.existing_ledger().await? else {
        printer.note(format!(
            "{} has no history yet; the first `hydra-registry promote` creates it",
            registry.model()
        ));
        // Entries are one line each, so an empty history is empty output; a verification is always a document.
        if let Some(HistoryCommand::Verify(_)) = &args.command {
            printer.report(&VerifyReport::new(registry.model(), &Verified::default()), VerifyReport::text)?;
        }
        return Ok(ExitStatus::Done);
    };
    match &args.command {
        None => show(args, &ledger, printer).await,
        Some(HistoryCommand::Verify(args)) => verify(args, &ledger, settings, printer).await,
        Some(HistoryCommand::Export) => export(&ledger, printer).await,
    }
}

/// The entries, newest first, streamed: text for people, or one JSON document per line.
async fn show(args: &HistoryArgs, ledger: &Ledger, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let entries = ledger.entries(args.limit, args.since);
    let reports = entries.map_ok(|(record, fate)| async move {
        let answers = ledger.answers(&record).await;
        Ok(EntryReport::new(ledger.model(), &record, fate, answers))
    });
    let mut reports = reports.try_buffered(AT_ONCE);
    while let Some(report) = reports.try_next().await? {
        printer.item(&report, EntryReport::text)?;
    }
    Ok(ExitStatus::Done)
}

async fn verify(
    args: &VerifyArgs,
    ledger: &Ledger,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let replay =
        if args.no_rerun { None } else { Some(PolicyReplay::new(settings.options.policy_engine()?)) };
    let bar = printer.progress(None, false, "verifying");
    let verified = ledger.verify_with(replay.as_ref().map(|replay| replay as _), &|| bar.inc(1)).await;
    bar.finish_and_clear();
    let report = VerifyReport::new(ledger.model(), &verified?);
    printer.report(&report, VerifyReport::text)?;
    Ok(if report.sound { ExitStatus::Done } else { ExitStatus::Rejected })
}

/// All contents of the ledger, with entries that lost a race and with damage.
async fn export(ledger: &Ledger, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let mut steps = ledger.read(None);
    while let Some(step) = steps.try_next().await? {
        printer.json_line(&ExportReport::new(&step))?;
    }
    Ok(ExitStatus::Done)
}
