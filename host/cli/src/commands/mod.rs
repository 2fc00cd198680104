//! One file per command: arguments in, a report out.

mod champion;
mod completions;
pub(crate) mod config;
mod copy;
mod decide;
mod diff;
mod doctor;
mod download;
mod evaluate;
mod history;
mod history_page;
mod list;
mod log_candidate;
mod notify;
mod predict;
mod serve;
mod show;
mod state;
mod status;

use crate::args::Command;
use crate::{ExitStatus, Printer, Settings, policy};
use hydra_base::pattern::NamePattern;

/// Runs a command, and tells the receivers what it recorded.
pub async fn run(command: Command, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let notifier = if command.records() { notify::begin(settings).await } else { None };
    let status = carry_out(command, settings, printer).await;
    if let Some(notifier) = notifier {
        // What was decided shows before the receivers are notified. The last flush reports a problem of the output.
        let _ = printer.flush();
        notifier.deliver().await;
    }
    status
}

async fn carry_out(
    command: Command,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    match command {
        Command::LogCandidate(args) => log_candidate::run(&args, settings, printer).await,
        Command::Promote(args) => decide::promote(&args, settings, printer).await,
        Command::Rollback(args) => decide::rollback(&args, settings, printer).await,
        Command::Nominate(args) => state::nominate(&args, settings, printer).await,
        Command::Approve(args) => state::approve(&args, settings, printer).await,
        Command::Quarantine(args) => state::quarantine(&args, settings, printer).await,
        Command::Release(args) => state::release(&args, settings, printer).await,
        Command::Champion(args) => champion::run(&args, settings, printer).await,
        Command::List(args) => list::run(&args, settings, printer).await,
        Command::History(args) => history::run(&args, settings, printer).await,
        Command::Status(args) => status::run(&args, settings, printer).await,
        Command::Doctor(args) => doctor::run(&args, settings, printer).await,
        Command::Evaluate(args) => evaluate::run(&args, settings, printer).await,
        Command::Show(args) => show::run(&args, settings, printer).await,
        Command::Diff(args) => diff::run(&args, settings, printer).await,
        Command::Copy(args) => copy::run(&args, settings, printer).await,
        Command::Download(args) => download::run(&args, settings, printer).await,
        Command::Predict(args) => predict::run(&args, settings, printer).await,
        Command::Serve(args) => serve::run(&args, settings).await,
        Command::Notify(command) => notify::run(&command, settings, printer).await,
        Command::Config(command) => config::run(&command, settings, printer).await,
        Command::Completions(args) => completions::run(&args, printer),
        Command::Policy(command) => policy::run(&command, settings, printer).await,
        Command::Model(command) => policy::model(&command, settings, printer).await,
    }
}

/// The exit status of a command that looks for problems in the models that fit `pattern`, which are `well` or not. 1 also if no
/// model fits: a pattern with a typing error must not look like models without problems. All models of an empty registry are
/// well.
pub(crate) fn status_of(pattern: &NamePattern, well: &[bool], printer: &Printer) -> ExitStatus {
    if well.is_empty() {
        printer.note(format!("no model fits `{pattern}`; `hydra-registry log-candidate` creates one"));
    }
    let is_missing = well.is_empty() && pattern.to_string() != "*";
    if is_missing || well.contains(&false) { ExitStatus::Rejected } else { ExitStatus::Done }
}
