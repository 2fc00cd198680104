//! `policy activate`, `deactivate`, `approve`, `active` and `history`: the policy by which every host decides.

use futures_util::TryStreamExt as _;

use crate::args::ActorArgs;
use crate::policy::args::{
    ActivateArgs, ActiveArgs, ApprovePolicyArgs, DeactivateArgs, PolicyHistoryArgs, ScopeArgs,
};
use crate::report::{ActivePolicyReport, EntryReport, PolicyStatementReport};
use crate::settings::panel;
use crate::{ExitStatus, Printer, Settings};
use hydra_base::error::{Error, ErrorKind};
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_policy::OverrideKind;
use hydra_registry::{ModelRegistry, OpenOptions, PolicyRequest, PolicyVerb, Sha256};

/// Makes policies the active ones of a model, or of every model that fits a pattern.
pub async fn activate(
    args: &ActivateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let options = named(&args.files, args.activation_approvals, &args.actor, settings);
    let activated = match args.scope.models {
        // Policies that cannot be loaded are one error, and not one of each model.
        Some(_) => Some(ModelRegistry::connect(options.clone()).await?.policy_digest().await?),
        None => None,
    };
    state(options, &args.scope, (PolicyVerb::Activate, activated), printer, |registry| {
        let mut request = registry.activate_policy();
        if let Some(reason) = &args.reason {
            request = request.reason(reason);
        }
        expecting(request, &args.actor)
    })
    .await
}

/// Ends the active policy of a model, or of every model that fits a pattern.
pub async fn deactivate(
    args: &DeactivateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let about = (PolicyVerb::Deactivate, None);
    state(settings.acting_as(&args.actor), &args.scope, about, printer, |registry| {
        let mut request = registry.deactivate_policy();
        if let Some(reason) = &args.reason {
            request = request.reason(reason);
        }
        expecting(request, &args.actor)
    })
    .await
}

/// Approves that a policy becomes the active one, or that none is.
pub async fn approve(
    args: &ApprovePolicyArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let digest = match &args.policies[..] {
        [only] => only.to_str().and_then(|text| text.parse::<Sha256>().ok()),
        _ => None,
    };
    let files = if digest.is_some() { &[] } else { &args.policies[..] };
    let options = named(files, args.activation_approvals, &args.actor, settings);
    let sha256 = match digest {
        _ if args.deactivation => None,
        Some(Sha256::NONE) => {
            let message = "the digest is not that of a policy";
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .with_hint("approve that no policy is active any more with `--deactivation`")
                .into());
        }
        Some(digest) => Some(digest),
        None => Some(ModelRegistry::connect(options.clone()).await?.policy_digest().await?),
    };
    state(options, &args.scope, (PolicyVerb::Approve, sha256), printer, |registry| {
        let mut request = registry.approve_policy(sha256);
        if let Some(reason) = &args.reason {
            request = request.reason(reason);
        }
        if let Some(after) = args.expires {
            request = request.expires(after);
        }
        expecting(request, &args.actor)
    })
    .await
}

/// Shows the active policy. Exit status 1 if no policy is active.
pub async fn active(
    args: &ActiveArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let Some(pattern) = &args.models else {
        let report = active_of(&registry).await?;
        printer.report(&report, ActivePolicyReport::text)?;
        return Ok(if report.policy.is_some() { ExitStatus::Done } else { ExitStatus::Rejected });
    };
    let mut active = Vec::new();
    printer.begin_list("hydra-registry/active-policies/1", None, "models")?;
    for model in registry.models(pattern).await? {
        let options = settings.options.clone().with_model(model.as_str());
        let report = active_of(&ModelRegistry::connect(options).await?).await?;
        active.push(report.policy.is_some());
        printer.item(&report, ActivePolicyReport::text)?;
    }
    printer.end_list()?;
    Ok(crate::commands::status_of(pattern, &active, printer))
}

async fn active_of(registry: &ModelRegistry) -> anyhow::Result<ActivePolicyReport> {
    let (active, approvals) = (registry.active_policy().await?, registry.policy_approvals().await?);
    Ok(ActivePolicyReport::new(registry.model(), active.as_ref(), &approvals))
}

/// The schema of a list of entries.
const HISTORY_SCHEMA: &str = "hydra-registry/history/1";

/// The entries about the active policy, and the decisions that set it aside, newest first.
pub async fn history(
    args: &PolicyHistoryArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let Some(ledger) = registry.existing_ledger().await? else {
        printer.note(format!("no policy was ever active for {}", registry.model()));
        printer.begin_list(HISTORY_SCHEMA, registry.model(), "entries")?;
        printer.end_list()?;
        return Ok(ExitStatus::Done);
    };
    let view = printer.view();
    printer.begin_list(HISTORY_SCHEMA, ledger.model(), "entries")?;
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut entries = ledger.entries(None, args.since);
    while left > 0
        && let Some((record, fate)) = entries.try_next().await?
    {
        let entry = &record.entry;
        let changes = matches!(entry.operation, EntryKind::Activate | EntryKind::Deactivate);
        let is_about =
            changes || entry.activation.is_some() || entry.overrides.contains(&OverrideKind::InactivePolicy);
        if is_about {
            left -= 1;
            let answers = ledger.answers(&record).await;
            let report = EntryReport::new(ledger.model(), &record, fate, answers);
            printer.item(&report, |report| report.text(&view))?;
        }
    }
    printer.end_list()?;
    Ok(ExitStatus::Done)
}

/// The options with the policies of these files, if there are some.
fn named(
    files: &[std::ffi::OsString],
    approvals: Option<u32>,
    actor: &ActorArgs,
    settings: &Settings,
) -> OpenOptions {
    let mut options = settings.acting_as(actor);
    if let Some(panel) = panel(files) {
        options = options.with_panel(panel);
    }
    match approvals {
        Some(approvals) => options.with_activation_approvals(approvals),
        None => options,
    }
}

fn expecting(request: PolicyRequest, actor: &ActorArgs) -> PolicyRequest {
    match &actor.expect_head {
        Some(head) => request.expect_head(head.clone()),
        None => request,
    }
}

/// Makes the statement `about` the model, or about every model that fits the pattern: exit status 1 if one of several refuses it, or
/// if none fits.
async fn state(
    options: OpenOptions,
    scope: &ScopeArgs,
    (verb, sha256): (PolicyVerb, Option<Sha256>),
    printer: &mut Printer,
    request: impl Fn(&ModelRegistry) -> PolicyRequest,
) -> anyhow::Result<ExitStatus> {
    let asked = |registry: &ModelRegistry| {
        let request = request(registry);
        if scope.dry_run { request.dry_run() } else { request }
    };
    let registry = ModelRegistry::connect(options.clone()).await?;
    let Some(pattern) = &scope.models else {
        let stated = asked(&registry).await?;
        printer.report(&PolicyStatementReport::from(&stated), PolicyStatementReport::text)?;
        return Ok(ExitStatus::Done);
    };
    let mut done = Vec::new();
    printer.begin_list("hydra-registry/policy-statements/1", None, "models")?;
    for model in registry.models(pattern).await? {
        let registry = ModelRegistry::connect(options.clone().with_model(model.as_str())).await?;
        match asked(&registry).await {
            Ok(stated) => {
                printer.item(&PolicyStatementReport::from(&stated), PolicyStatementReport::text)?;
                done.push(true);
            }
            // The store does not answer, so the other models cannot be asked either.
            Err(error) if error.retryable() => {
                printer.end_list()?;
                return Err(error.into());
            }
            Err(error) => {
                let refused = PolicyStatementReport::refused(&model, verb, sha256, scope.dry_run, &error);
                printer.item(&refused, PolicyStatementReport::text)?;
                done.push(false);
            }
        }
    }
    printer.end_list()?;
    Ok(crate::commands::status_of(pattern, &done, printer))
}
