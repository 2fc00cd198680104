//! `promote` and `rollback`: a request, a decision, its effect.

use std::fmt::Write as _;

use crate::ModelRegistry;
use crate::cli::args::{DecisionArgs, PromoteArgs, RollbackArgs};
use crate::cli::report::TransitionReport;
use crate::cli::{ExitStatus, Printer, Settings};
use crate::lifecycle::evidence::Target;
use crate::lifecycle::transition::{Outcome, Request};

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
    printer.report(&TransitionReport::from(&transition), text)?;
    Ok(status)
}

/// What happened, to which version, decided by which policy, and what to do next.
fn text(report: &TransitionReport) -> String {
    let mut text = String::new();
    let subject = report
        .target
        .map_or_else(|| report.model.clone(), |version| format!("{} version {version}", report.model));
    let what = match (report.outcome, report.dry_run) {
        (Outcome::Done, false) => format!("{} of {subject}: done", report.operation),
        (Outcome::Done, true) => {
            format!("{} of {subject} would be done (dry run: nothing changed)", report.operation)
        }
        (Outcome::Staged, false) => format!("{} of {subject}: staged, the champion stays", report.operation),
        (Outcome::Staged, true) => {
            format!("{} of {subject} would be staged (dry run: nothing changed)", report.operation)
        }
        (Outcome::Unchanged, _) => format!("{} of {subject}: nothing to do", report.operation),
        (Outcome::Rejected, _) => format!("{} of {subject}: rejected", report.operation),
        (Outcome::Held, _) => format!("{} of {subject}: on hold", report.operation),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
    let _ = writeln!(text, "  why     {}", report.explanation);
    for change in &report.changes {
        let from = change.from.map_or_else(|| "none".to_owned(), |version| version.to_string());
        let to = change.to.map_or_else(|| "none".to_owned(), |version| version.to_string());
        let _ = writeln!(text, "  alias   {}: {from} -> {to}", change.alias);
    }
    if let Some(policy) = &report.policy {
        let digest: String = policy.sha256.chars().take(12).collect();
        let _ = writeln!(
            text,
            "  policy  {} {} ({digest}), {} instructions",
            policy.name, policy.version, report.fuel
        );
    }
    if let Some(sequence) = report.sequence {
        let _ = writeln!(text, "  ledger  entry {sequence}");
    }
    let _ = match (report.outcome, report.dry_run) {
        (Outcome::Done | Outcome::Staged, true) => writeln!(text, "next: the same command without --dry-run"),
        (Outcome::Done, false) => writeln!(text, "next: hydra-registry champion, or hydra-registry history"),
        (Outcome::Held, _) => {
            writeln!(text, "next: try again later; exit status 3 tells a hold from a rejection")
        }
        _ => Ok(()),
    };
    text
}
