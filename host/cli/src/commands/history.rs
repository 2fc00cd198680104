//! `history`: shows, verifies or exports the ledger.

mod filter;
mod follow;

use std::fs::{self, File, FileType};
use std::io::BufReader;
use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::history_page;
use crate::args::{ExportArgs, HistoryArgs, HistoryCommand, ShowEntryArgs, VerifyArgs};
use crate::report::{EntryDetailsReport, EntryReport, ExportReport, HeadReport, VerifyReport};
use crate::{ExitStatus, Printer, Settings};
use filter::Filter;
use follow::follow;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{blocking, regular_file};
use hydra_lifecycle::doctor::Finding;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::history::Step;
use hydra_lifecycle::ledger::verify::{Flaw, Verified};
use hydra_lifecycle::ledger::witness::Witness;
use hydra_lifecycle::ledger::{Ledger, no_entry};
use hydra_lifecycle::recording::{PolicyReplay, decided, deciding_panel};
use hydra_policy::Input;
use hydra_policy_kit::Case;
use hydra_registry::ModelRegistry;

/// The number of archived decisions that are read side by side.
pub(super) const AT_ONCE: usize = 8;

/// The schema of the document with all entries.
const SCHEMA: &str = "hydra-registry/history/1";

/// Shows, verifies or exports.
pub async fn run(
    args: &HistoryArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    if let Some(file) = &args.html {
        return history_page::run(args, file, settings, printer).await;
    }
    let witness = match &args.command {
        Some(HistoryCommand::Verify(VerifyArgs { against: Some(file), .. })) => {
            let file = file.clone();
            // It may be a pipe, which another program fills or does not.
            Some(blocking(move || witness(&file)).await?)
        }
        _ => None,
    };
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    if args.follow {
        return follow(args, &registry, printer).await;
    }
    let Some(ledger) = registry.existing_ledger().await? else {
        if let Some(HistoryCommand::Show(args)) = &args.command {
            return Err(no_entry(registry.model(), args.number).into());
        }
        let former = registry.former_ledger().await?.map(Finding::from);
        printer.note(match &former {
            Some(found) => format!("{found}; `hydra-registry doctor` says what to do"),
            None => format!(
                "{} has no history yet; the first `hydra-registry promote` creates it",
                registry.model()
            ),
        });
        if args.command.is_none() {
            printer.begin_list(SCHEMA, registry.model(), "entries")?;
            printer.end_list()?;
        }
        // Of an export, an empty history is empty output; a verification is always a document.
        if let Some(HistoryCommand::Verify(_)) = &args.command {
            let lost = witness.map(|witness| witness.without_ledger(registry.model()));
            let former = former.map(|found| Flaw { entry: 1, what: found.to_string() });
            let flaws = lost.into_iter().chain(former).collect();
            let verified = Verified { flaws, ..Verified::default() };
            return report(&VerifyReport::new(registry.model(), &verified), printer);
        }
        return Ok(ExitStatus::Done);
    };
    match &args.command {
        None => show(args, &ledger, printer).await,
        Some(HistoryCommand::Verify(args)) => {
            verify(args, witness.as_ref(), &ledger, settings, printer).await
        }
        Some(HistoryCommand::Export(ExportArgs { head: true })) => {
            printer.report(&HeadReport::new(ledger.model(), &ledger.head().await?), HeadReport::text)?;
            Ok(ExitStatus::Done)
        }
        Some(HistoryCommand::Export(_)) => export(&ledger, printer).await,
        Some(HistoryCommand::Show(args)) if args.as_case => as_case(args, &ledger, settings, printer).await,
        Some(HistoryCommand::Show(args)) => {
            let read = details(&ledger, args.number);
            let report = printer.waiting("reading the entry", read).await?;
            let view = printer.view();
            printer.page()?;
            printer.report(&report, |report| report.text(&view))?;
            Ok(ExitStatus::Done)
        }
    }
}

/// An entry whole, with what the archive has of it.
async fn details(ledger: &Ledger, number: u64) -> hydra_base::Result<EntryDetailsReport> {
    let step = ledger.step(number).await?;
    let (input, answers) = match &step {
        Step::Valid { record, .. } | Step::Void(record) => {
            (input(ledger, record).await, ledger.answers(record).await)
        }
        Step::Newer { .. } | Step::Damaged { .. } => (Ok(None), Ok(None)),
    };
    Ok(EntryDetailsReport::new(ledger.model(), &step, input, answers))
}

/// The archived evidence of an entry; none if it is not a decision.
async fn input(ledger: &Ledger, record: &Record) -> hydra_base::Result<Option<Input>> {
    if record.entry.decided.is_none() {
        return Ok(None);
    }
    Input::from_json(&ledger.input(record).await?).map(Some)
}

/// The entries, newest first, streamed: text for people, one JSON document, or one JSON document per line.
async fn show(args: &HistoryArgs, ledger: &Ledger, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let filter = Filter::new(args);
    // With a filter, it is not known how many entries have to be read.
    let fetched = args.limit.filter(|_| filter.is_empty());
    let entries = ledger.entries(fetched, args.since);
    let entries = entries.try_filter(|(record, _)| std::future::ready(filter.fits(record)));
    let entries = entries.take(args.limit.unwrap_or(usize::MAX));
    let reports = entries.map_ok(|(record, fate)| async move {
        let answers = ledger.answers(&record).await;
        Ok(EntryReport::new(ledger.model(), &record, fate, answers))
    });
    let mut reports = reports.try_buffered(AT_ONCE);
    let view = printer.view();
    printer.begin_list(SCHEMA, ledger.model(), "entries")?;
    let mut is_first = true;
    while let Some(report) = reports.try_next().await? {
        if std::mem::take(&mut is_first) {
            printer.page()?;
        }
        printer.item(&report, |report| report.text(&view))?;
    }
    printer.end_list()?;
    if is_first && !filter.is_empty() {
        printer.note("no entry fits");
    }
    Ok(ExitStatus::Done)
}

/// The ledger as it was, from a file that was kept elsewhere, or from a pipe that another program fills.
fn witness(file: &Path) -> Result<Witness> {
    let unreadable = |source| {
        Error::new(ErrorKind::InvalidArgument, "cannot read the witness")
            .with_context("path", file.display())
            .with_source(source)
    };
    let kind = fs::metadata(file).map_err(unreadable)?.file_type();
    let opened = if is_pipe(kind) {
        File::open(file).map_err(unreadable)?
    } else {
        regular_file::open(file, unreadable)?
    };
    Witness::read(BufReader::new(opened)).map_err(|error| error.with_context("path", file.display()))
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_kind: FileType) -> bool {
    false
}

async fn verify(
    args: &VerifyArgs,
    witness: Option<&Witness>,
    ledger: &Ledger,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let replay =
        if args.no_rerun { None } else { Some(PolicyReplay::new(settings.options.policy_engine()?)) };
    let bar = printer.progress(None, false, "verifying");
    let replay = replay.as_ref().map(|replay| replay as _);
    let verified = ledger.verify_with(replay, witness, &|| bar.inc(1)).await;
    bar.finish_and_clear();
    report(&VerifyReport::new(ledger.model(), &verified?), printer)
}

fn report(report: &VerifyReport, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    printer.report(report, VerifyReport::text)?;
    Ok(match (report.sound, report.bridged.is_empty()) {
        (true, true) => ExitStatus::Done,
        (true, false) => ExitStatus::Bridged,
        (false, _) => ExitStatus::Rejected,
    })
}

/// All contents of the ledger, with entries that lost a race and with damage.
async fn export(ledger: &Ledger, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let mut steps = ledger.read(None);
    while let Some(step) = steps.try_next().await? {
        printer.json_line(&ExportReport::new(&step))?;
    }
    Ok(ExitStatus::Done)
}

/// A recorded decision as a case file.
async fn as_case(
    args: &ShowEntryArgs,
    ledger: &Ledger,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let (record, input) = ledger.decision(args.number).await?;
    let bar = printer.spinner("loading the policy that decided");
    let engine = settings.options.policy_engine()?;
    let panel = deciding_panel(ledger, &record, &input, engine).await;
    bar.finish_and_clear();
    let (panel, verdict) = (panel?, decided(&record)?.verdict);
    let target = record.entry.target.map_or_else(String::new, |version| format!(" of version {version}"));
    let policy = panel.leader().policy.clone();
    let mut case = blocking(move || Ok(Case::recorded(input, &policy, verdict))).await?;
    let others = panel.members().skip(1).flat_map(|member| {
        let name = &member.name;
        member.settings.iter().map(move |(key, value)| (format!("{name}.{key}"), value.clone()))
    });
    case.input.context_mut().settings.extend(others);
    case.description = format!("{record}{target} in the ledger of {}", ledger.model());
    printer.document(&case)?;
    Ok(ExitStatus::Done)
}
