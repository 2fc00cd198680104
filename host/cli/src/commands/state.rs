//! `nominate`, `approve`, `quarantine` and `release`: a statement about one version, on record.

use crate::args::{ActorArgs, ApproveArgs, NominateArgs, QuarantineArgs, ReleaseArgs};
use crate::report::StatementReport;
use crate::{ExitStatus, Printer, Settings};
use hydra_registry::{ModelRegistry, Result, Stated};

/// Makes a version the candidate.
pub async fn nominate(
    args: &NominateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let mut request = connect(&args.actor, settings).await?.nominate(args.version);
    if let Some(head) = &args.actor.expect_head {
        request = request.expect_head(head.clone());
    }
    if let Some(reason) = &args.reason {
        request = request.reason(reason);
    }
    report(request, printer).await
}

/// Approves a version.
pub async fn approve(
    args: &ApproveArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let mut request = connect(&args.actor, settings).await?.approve(args.version);
    if let Some(head) = &args.actor.expect_head {
        request = request.expect_head(head.clone());
    }
    if let Some(reason) = &args.reason {
        request = request.reason(reason);
    }
    if let Some(after) = args.expires {
        request = request.expires(after);
    }
    report(request, printer).await
}

/// Puts a version in quarantine.
pub async fn quarantine(
    args: &QuarantineArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let mut request = connect(&args.actor, settings).await?.quarantine(args.version, &args.reason);
    if let Some(head) = &args.actor.expect_head {
        request = request.expect_head(head.clone());
    }
    report(request, printer).await
}

/// Ends the quarantine of a version.
pub async fn release(
    args: &ReleaseArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let mut request = connect(&args.actor, settings).await?.release(args.version);
    if let Some(head) = &args.actor.expect_head {
        request = request.expect_head(head.clone());
    }
    if let Some(reason) = &args.reason {
        request = request.reason(reason);
    }
    report(request, printer).await
}

async fn connect(args: &ActorArgs, settings: &Settings) -> anyhow::Result<ModelRegistry> {
    Ok(ModelRegistry::connect(settings.acting_as(args)).await?)
}

async fn report(
    request: impl IntoFuture<Output = Result<Stated>>,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let stated = printer.waiting("recording it", request.into_future()).await?;
    printer.report(&StatementReport::from(&stated), StatementReport::text)?;
    Ok(ExitStatus::Done)
}
