//! `policy what-if`: which single change of the evidence flips a verdict.

pub(crate) mod report;

use std::sync::Arc;

use crate::policy::args::WhatIfArgs;
use crate::policy::backtest::settings_for;
use crate::policy::decide::{Policies, read};
use crate::policy::{load_panel_of, load_quoting_panics, policy_options, with_progress};
use crate::{ExitStatus, Printer, Settings};
use hydra_base::blocking;
use hydra_lifecycle::ledger::no_entry;
use hydra_lifecycle::panel::{Counted, Panel};
use hydra_lifecycle::recording::deciding_panel;
use hydra_policy::Input;
use hydra_policy_kit::{Effort, what_if};
use hydra_registry::{ModelRegistry, Target};
use report::WhatIfReport;

/// A question, and the policies that are asked.
struct Question {
    /// Where the evidence comes from, for people.
    source: String,
    input: Input,
    panel: Panel,
}

/// Searches for changes. That the verdict is a no or a not-yet is not a failure: exit status 0.
pub async fn run(
    args: &WhatIfArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let Question { source, input, panel } = match (&args.case, args.entry) {
        (Some(path), _) => {
            let case = read(path, settings)?;
            let panel = Policies::load(args.file.as_deref(), settings, printer).await?.panel(&case);
            Question { source: format!("the case {}", path.display()), input: case.input, panel }
        }
        (None, Some(number)) => recorded(number, args, settings, printer).await?,
        (None, None) => request(args, settings, printer).await?,
    };
    panel.check_settings()?;
    let counted = Arc::new(Counted::of(&panel));
    let input = counted.evidence(input)?;
    // A question takes a decision of each policy.
    let each = u32::try_from(counted.count()).unwrap_or(u32::MAX).max(1);
    let effort = Effort { decisions: (args.decisions / each).max(1), time: args.time, ..Effort::default() };
    let bar = printer.progress(None, false, "asking the policy");
    let asked = {
        let (input, bar) = (input.clone(), bar.clone());
        blocking(move || {
            let decide = |input: &Input| counted.decide(input);
            what_if(&input, &counted.declared(), effort, &decide, &|| bar.inc(u64::from(each)))
        })
    };
    let found = asked.await;
    bar.finish_and_clear();
    printer.report(&WhatIfReport::new(&source, &input, &panel, each, &found?), WhatIfReport::text)?;
    Ok(ExitStatus::Done)
}

/// A request that has not been made. Nothing is recorded: other policies than the active ones may be asked.
async fn request(args: &WhatIfArgs, settings: &Settings, printer: &Printer) -> anyhow::Result<Question> {
    let own = settings.acting_as(&args.actor).with_quoted_panics();
    let registry = ModelRegistry::connect(own.clone()).await?;
    let panel = match &args.file {
        Some(file) => load_panel_of(policy_options(Some(file), settings), printer).await?,
        None => with_progress(&own, printer, Box::pin(registry.policies_to_compare())).await?,
    };
    let mut request = match (args.rollback, args.version) {
        (true, version) => registry.rollback(version.map_or(Target::PolicyChoice, Target::Version)),
        (false, version) => registry.promote(version.map_or(Target::Candidate, Target::Version)),
    };
    if let Some(reason) = &args.reason {
        request = request.reason(reason);
    }
    let input = request.question_to(&panel).await?;
    Ok(Question { source: format!("the registered model {}", registry.model()), input, panel })
}

/// A recorded decision, by the policies that made it or by the named one.
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
    let (record, input) = ledger.decision(number).await?;
    let panel = if args.file.is_some() {
        let policy = load_quoting_panics(args.file.as_deref(), settings, printer).await?;
        let given = settings_for(&policy, settings, printer);
        Panel::alone(policy, given)
    } else {
        let engine = settings.options.clone().with_quoted_panics().policy_engine()?;
        let bar = printer.spinner("loading the policy that decided");
        let panel = deciding_panel(&ledger, &record, &input, engine).await;
        bar.finish_and_clear();
        panel?.with_settings(&settings.set)
    };
    Ok(Question { source: format!("entry {number} of the ledger of {}", registry.model()), input, panel })
}
