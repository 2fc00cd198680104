//! `policy backtest`: a policy on the recorded decisions of a model.

use std::pin::pin;

use futures_util::TryStreamExt as _;

use crate::cli::policy::args::BacktestArgs;
use crate::cli::policy::load;
use crate::cli::report::BacktestReport;
use crate::cli::{ExitStatus, Printer, Settings};
use crate::{ModelRegistry, OpenOptions, PolicySource};

/// Asks the policy about every recorded decision. Differences are a result, not a failure: exit status 0.
pub async fn run(
    args: &BacktestArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let policy = load(Some(&args.file), settings, printer).await?;
    // It is another policy than the one in use, whichever file that is.
    let own = OpenOptions { policy: Some(PolicySource::File(args.file.clone())), ..settings.options.clone() };
    let own_settings = policy.descriptor().resolve(&own.policy_settings(policy.descriptor()))?;
    let registry = ModelRegistry::open_existing(settings.options.clone())?;
    let mut report = BacktestReport::new(registry.model(), &policy);
    match registry.existing_ledger().await? {
        None => printer.note(format!("{} has no recorded decisions yet", registry.model())),
        Some(ledger) => {
            let bar = printer.progress(None, false, "asking again");
            let managed: Vec<String> =
                settings.options.managed_aliases()?.into_iter().map(String::from).collect();
            let mut comparisons = pin!(ledger.backtest(&policy, &own_settings, &managed, args.since));
            while let Some(comparison) = comparisons.try_next().await? {
                report.add(&comparison);
                bar.inc(1);
            }
            bar.finish_and_clear();
        }
    }
    printer.report(&report, BacktestReport::text)?;
    Ok(ExitStatus::Done)
}
