//! `promote` and `rollback`: send a request and report the transition.

use std::future::ready;
use std::path::PathBuf;
use std::pin::pin;

use futures_util::future::{Either, select};

use crate::args::{DecisionArgs, PromoteArgs, RollbackArgs};
use crate::evaluate::{self, record};
use crate::report::TransitionReport;
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::error::{Error, ErrorKind};
use hydra_evaluation::Request;
use hydra_registry::{DecisionRequest, ModelRegistry, Outcome, Target};
use hydra_tables::RowFiles;

/// Requests a promotion.
pub async fn promote(
    args: &PromoteArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let target = args.version.map_or(Target::Candidate, Target::Version);
    let Some(rows) = &args.evaluate else {
        let registry = connect(&args.decision, settings).await?;
        return decide(registry.promote(target), &args.decision, printer).await;
    };
    // What is wrong with the arguments shows before anything is asked of the server.
    let rows = std::slice::from_ref(rows);
    let (files, question) = (args.measure.files(rows, &settings.environment)?, args.measure.request(rows)?);
    let registry = connect(&args.decision, settings).await?;
    let request = measured(&registry, rows, files, &question, args, printer).await?;
    decide(request, &args.decision, printer).await
}

/// A request to promote the version that was measured, in comparison with the champion.
async fn measured(
    registry: &ModelRegistry,
    rows: &[PathBuf],
    files: RowFiles,
    question: &Request,
    args: &PromoteArgs,
    printer: &Printer,
) -> anyhow::Result<DecisionRequest> {
    let (request, subjects) = evaluate::promotion(registry, args.version).await?;
    if subjects.is_empty() {
        return Ok(request);
    }
    let evaluated = evaluate::run(subjects, 0, files, question, &args.measure.categories, printer)?;
    if !args.decision.dry_run {
        let mut interrupted = pin!(interrupt::first()?);
        record(registry, rows, &evaluated, interrupted.as_mut()).await?;
        // A signal that came after everything was recorded, too, means that nothing is to be decided.
        if let Either::Left(_) = select(interrupted, ready(())).await {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted: nothing was decided").into());
        }
    }
    Ok(request.first_hand(evaluated.evaluation))
}

/// Requests a rollback.
pub async fn rollback(
    args: &RollbackArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let target = args.to.map_or(Target::PolicyChoice, Target::Version);
    let registry = connect(&args.decision, settings).await?;
    let mut request = registry.rollback(target);
    if args.quarantine {
        request = request.quarantine();
    }
    decide(request, &args.decision, printer).await
}

async fn connect(args: &DecisionArgs, settings: &Settings) -> anyhow::Result<ModelRegistry> {
    Ok(ModelRegistry::connect(settings.acting_as(&args.actor)).await?)
}

async fn decide(
    mut request: DecisionRequest,
    args: &DecisionArgs,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    if let Some(reason) = &args.reason {
        request = request.reason(reason);
    }
    if let Some(head) = &args.actor.expect_head {
        request = request.expect_head(head.clone());
    }
    if args.dry_run {
        request = request.dry_run();
    }
    if args.allow_unloadable {
        request = request.allow_unloadable();
    }
    if args.override_policy {
        request = request.override_policy();
    }
    let transition = printer.waiting("deciding", request.into_future()).await?;
    let status = match transition.outcome {
        Outcome::Done | Outcome::Staged | Outcome::Unchanged => ExitStatus::Done,
        Outcome::Held => ExitStatus::Held,
        // `Rejected`, and outcomes of later releases.
        _ => ExitStatus::Rejected,
    };
    let report = TransitionReport::from(&transition);
    if printer.is_json() {
        for warning in report.warnings() {
            printer.note(format!("WARNING: {warning}"));
        }
    }
    printer.report(&report, TransitionReport::text)?;
    Ok(status)
}
