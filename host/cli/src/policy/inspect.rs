//! `policy inspect`.

use crate::policy::args::InspectArgs;
use crate::policy::{load, refuse_settings, report::InspectReport};
use crate::{ExitStatus, Printer, Settings};

/// Describes a policy.
pub async fn run(
    args: &InspectArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    refuse_settings(settings, "use `policy run`; settings apply only to decisions")?;
    let policy = load(args.file.as_deref(), settings, printer).await?;
    printer.report(&InspectReport::new(&policy), InspectReport::text)?;
    Ok(ExitStatus::Done)
}
