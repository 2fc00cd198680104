//! `policy backtest`: repeats the recorded decisions of a model with another policy.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;

use crate::policy::args::BacktestArgs;
use crate::policy::{load, with_progress};
use crate::report::BacktestReport;
use crate::{ExitStatus, Printer, Settings};
use hydra_lifecycle::backtest::Backtest;
use hydra_policy::Policy;
use hydra_registry::{ModelRegistry, Panel};

/// Asks the policy, or the policies together, about every recorded decision. Differences are a result, not a failure: exit status 0.
pub async fn run(
    args: &BacktestArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let options = settings.options.clone().with_quoted_panics();
    let registry = ModelRegistry::connect(options.clone()).await?;
    let panel = match &args.file {
        Some(file) => {
            let policy = load(Some(file), settings, printer).await?;
            let own_settings = settings_for(&policy, settings, printer);
            Panel::alone(policy, own_settings)
        }
        None => with_progress(&options, printer, Box::pin(registry.policies_to_compare())).await?,
    };
    panel.check_settings()?;
    let mut report = BacktestReport::new(registry.model(), &panel);
    match registry.existing_ledger().await? {
        None => printer.note(format!("{} has no recorded decisions yet", registry.model())),
        Some(ledger) => {
            let bar = printer.progress(None, false, "repeating decisions");
            let backtest = Backtest { panel: &panel, managed: registry.managed_aliases() };
            let mut comparisons = backtest.run(&ledger, args.since);
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

/// The settings for the tested policy. `hydra.toml` may be for another policy, so only those of its settings apply that
/// the tested policy declares.
pub(super) fn settings_for(
    policy: &Policy,
    settings: &Settings,
    printer: &Printer,
) -> BTreeMap<String, String> {
    let has = |key: &String| policy.descriptor().settings.iter().any(|setting| setting.key == *key);
    let (mut given, left_out): (BTreeMap<_, _>, BTreeMap<_, _>) =
        settings.configured.clone().into_iter().partition(|(key, _)| has(key));
    for key in left_out.keys() {
        printer.note(format!("ignoring the setting `{key}` of hydra.toml: this policy does not declare it"));
    }
    given.extend(settings.set.clone());
    given
}
