//! `promote` and `rollback`: a request, a decision, its effect.

use crate::args::{DecisionArgs, PromoteArgs, RollbackArgs};
use crate::report::TransitionReport;
use crate::{ExitStatus, Printer, Settings};
use hydra_lifecycle::evidence::Target;
use hydra_lifecycle::transition::{Outcome, Request};
use hydra_registry::ModelRegistry;

/// Asks for a promotion.
pub async fn promote(
    args: &PromoteArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let target = args.version.map_or(Target::Candidate, Target::Version);
    decide(Request::promote(target), &args.decision, settings, printer).await
}

/// Asks for a rollback.
pub async fn rollback(
    args: &RollbackArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let target = args.to.map_or(Target::Unnamed, Target::Version);
    decide(Request::rollback(target), &args.decision, settings, printer).await
}

async fn decide(
    request: Request,
    args: &DecisionArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let request = Request { reason: args.reason.clone(), dry_run: args.dry_run, ..request };
    let registry = ModelRegistry::open_existing(settings.acting_as(args.actor.as_ref()))?;
    let transition = registry.decide(request).await?;
    let status = match transition.outcome {
        Outcome::Done | Outcome::Staged | Outcome::Unchanged => ExitStatus::Done,
        Outcome::Rejected => ExitStatus::Rejected,
        Outcome::Held => ExitStatus::Held,
    };
    printer.report(&TransitionReport::from(&transition), TransitionReport::text)?;
    Ok(status)
}
