//! `policy what-if`: which single change of the evidence flips a verdict.

pub(crate) mod report;

use std::collections::BTreeMap;

use crate::policy::args::WhatIfArgs;
use crate::policy::backtest::settings_for;
use crate::policy::{decide, load_quoting_panics, with_progress};
use crate::{ExitStatus, Printer, Settings};
use hydra_base::blocking;
use hydra_base::error::ErrorKind;
use hydra_lifecycle::ledger::no_entry;
use hydra_lifecycle::recording::deciding_policy;
use hydra_policy::{Input, Policy};
use hydra_policy_kit::{Effort, what_if};
use hydra_registry::{ModelRegistry, PanelOptions, PanelPolicy, PolicySource, Target};
use report::WhatIfReport;

/// A question, and the policy that is asked.
struct Question {
    /// Where the evidence comes from, for people.
    source: String,
    input: Input,
    policy: Policy,
}

/// Searches for changes. That the verdict is a no or a not-yet is not a failure: exit status 0.
pub async fn run(
    args: &WhatIfArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let Question { source, input, policy } = match (&args.case, args.entry) {
        (Some(path), _) => {
            let case = decide::read(path, settings)?;
            let policy = load_quoting_panics(args.file.as_deref(), settings, printer).await?;
            Question { source: format!("the case {}", path.display()), input: case.resolve(&policy)?, policy }
        }
        (None, Some(number)) => recorded(number, args, settings, printer).await?,
        (None, None) => request(args, settings, printer).await?,
    };
    let effort = Effort { decisions: args.decisions, time: args.time, ..Effort::default() };
    let bar = printer.progress(None, false, "asking the policy");
    let asked = {
        let (input, policy, bar) = (input.clone(), policy.clone(), bar.clone());
        blocking(move || {
            let settings = &policy.descriptor().settings;
            let decide = |input: &Input| policy.decide(input).map(|decision| decision.verdict);
            what_if(&input, settings, effort, &decide, &|| bar.inc(1))
        })
    };
    let found = asked.await;
    bar.finish_and_clear();
    printer.report(&WhatIfReport::new(&source, &input, &policy, &found?), WhatIfReport::text)?;
    Ok(ExitStatus::Done)
}

/// A request that has not been made.
async fn request(args: &WhatIfArgs, settings: &Settings, printer: &Printer) -> anyhow::Result<Question> {
    let own = settings.acting_as(&args.actor).with_quoted_panics();
    let (policy, given) = match &args.file {
        Some(file) => (load_quoting_panics(Some(file), settings, printer).await?, BTreeMap::new()),
        None => {
            let registry = ModelRegistry::connect(own.clone()).await?;
            let panel = with_progress(&own, printer, Box::pin(registry.policies_to_compare())).await?;
            let member = panel.only()?;
            (member.policy.clone(), member.settings.clone())
        }
    };
    let asked = PanelPolicy::new(PolicySource::Loaded(policy.clone())).with_settings(given);
    let registry = ModelRegistry::connect(own.with_panel(PanelOptions::led_by(asked))).await?;
    let mut request = match (args.rollback, args.version) {
        (true, version) => registry.rollback(version.map_or(Target::PolicyChoice, Target::Version)),
        (false, version) => registry.promote(version.map_or(Target::Candidate, Target::Version)),
    };
    if let Some(reason) = &args.reason {
        request = request.reason(reason);
    }
    let source = format!("the registered model {}", registry.model());
    let input = match request.clone().question().await {
        // Nothing is recorded: another policy than the active one may be asked.
        Err(error) if error.kind() == ErrorKind::InactivePolicy => {
            request.override_policy().question().await?
        }
        input => input?,
    };
    Ok(Question { source, input, policy })
}

/// A recorded decision, by the policy that made it or by the named one.
async fn recorded(
    number: u64,
    args: &WhatIfArgs,
    settings: &Settings,
    printer: &Printer,
) -> anyhow::Result<Question> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let Some(ledger) = registry.existing_ledger().await? else {
        return Err(no_entry(registry.model(), number).into());
    };
    let (record, mut input) = ledger.decision(number).await?;
    let policy = if args.file.is_some() {
        load_quoting_panics(args.file.as_deref(), settings, printer).await?
    } else {
        let engine = settings.options.clone().with_quoted_panics().policy_engine()?;
        let bar = printer.spinner("loading the policy that decided");
        let policy = deciding_policy(&ledger, &record, engine).await;
        bar.finish_and_clear();
        policy?
    };
    let descriptor = policy.descriptor();
    let context = input.context_mut();
    let mut given = match &args.file {
        None => descriptor.as_written(&context.settings),
        Some(_) => settings_for(&policy, settings, printer),
    };
    given.extend(settings.set.clone());
    context.settings = descriptor.resolve(&given)?;
    let decided_together = record.entry.decided.as_ref().is_some_and(|decided| !decided.panel.is_empty());
    let of_leader = if decided_together && args.file.is_none() { ", the leader's answer alone" } else { "" };
    let source = format!("entry {number} of the ledger of {}{of_leader}", registry.model());
    Ok(Question { source, input, policy })
}
