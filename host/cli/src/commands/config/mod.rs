//! `config show` and `config check`.

mod check;
mod show;

use crate::args::ConfigCommand;
use crate::{ExitStatus, Printer, Settings};

pub(crate) use check::ConfigCheckReport;
pub(crate) use show::ConfigReport;

/// Shows or checks the settings.
pub async fn run(
    command: &ConfigCommand,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let view = printer.view();
    match command {
        ConfigCommand::Show => {
            let report = ConfigReport::new(settings)?;
            printer.report(&report, |report| report.text(&view))?;
            Ok(ExitStatus::Done)
        }
        ConfigCommand::Check => {
            let check = ConfigCheckReport::new(settings);
            let report = printer.waiting("checking the settings", check).await;
            printer.report(&report, ConfigCheckReport::text)?;
            Ok(if report.sound { ExitStatus::Done } else { ExitStatus::Rejected })
        }
    }
}
