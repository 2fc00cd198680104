//! `show`: one version, with its run, its tags, its model, its evaluations and the decisions about it.

use futures_util::future::join;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::args::ShowArgs;
use crate::report::{ApprovalReport, DecisionReport, ModelVersionReport, VersionFigureReport};
use crate::selector::Selected;
use crate::{ExitStatus, Printer, Settings};
use hydra_base::Sha256;
use hydra_base::error::{ErrorKind, Result};
use hydra_lightgbm::Model;
use hydra_models::facts::Facts;
use hydra_models::preflight::Opened;
use hydra_registry::{ModelRegistry, Version, VersionSelector};

/// Shows a version, or a model file.
pub async fn run(args: &ShowArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let named = args.named.clone().map(|named| Selected::Registered(named.0));
    let report = match named.unwrap_or_else(|| args.model.selected()) {
        Selected::File(path) => {
            let (model, bytes) = Model::open_with_bytes(&path)?;
            let facts = Facts::of(&model, None, Sha256::of(&bytes), bytes.len() as u64);
            ModelVersionReport::of_file(&path, &facts)
        }
        Selected::Registered(selector) => {
            let registry = ModelRegistry::connect(settings.options.clone()).await?;
            let read = describe(&registry, &selector, args.decisions);
            printer.waiting("reading the version", read).await?
        }
    };
    let view = printer.view();
    printer.page()?;
    printer.report(&report, |report| report.text(&view))?;
    Ok(ExitStatus::Done)
}

async fn describe(
    registry: &ModelRegistry,
    selector: &VersionSelector,
    decisions: usize,
) -> Result<ModelVersionReport> {
    let details = registry.describe_version(selector).await?;
    let version = details.entity.version;
    let sha256 = match &details.model {
        Opened::Loadable(facts) => Some(facts.sha256),
        Opened::Unloadable(_) => None,
    };
    let of_ledger = of_ledger(registry, version, sha256, decisions);
    let evaluations = registry.evaluations_of(version, &details.entity.tags);
    let (of_ledger, evaluations) = join(of_ledger, evaluations).await;
    let (approvals, decisions) = match of_ledger {
        // An account that serves may read versions, and not the ledger.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            tracing::warn!(%error, "cannot read what the ledger says of the version");
            Default::default()
        }
        read => read?,
    };
    Ok(ModelVersionReport {
        approvals,
        decisions,
        evaluations: evaluations
            .iter()
            .flat_map(|document| VersionFigureReport::all(document, version))
            .collect(),
        ..ModelVersionReport::new(&details)
    })
}

/// The live approvals of a version, and the newest entries about it.
async fn of_ledger(
    registry: &ModelRegistry,
    version: Version,
    sha256: Option<Sha256>,
    limit: usize,
) -> Result<(Vec<ApprovalReport>, Vec<DecisionReport>)> {
    let Some(ledger) = registry.existing_ledger().await? else { return Ok(Default::default()) };
    let newest = ledger.entries(Some(1), None).try_next().await?;
    let approvals = match newest {
        Some((record, _)) => {
            let standing = ledger.standing(&record).await?;
            let of_version = standing.approvals().iter().filter(|approval| approval.version == version);
            of_version.map(|approval| ApprovalReport::new(approval, sha256)).collect()
        }
        None => Vec::new(),
    };
    let about = ledger
        .entries(None, None)
        .try_filter(|(record, _)| std::future::ready(record.entry.target == Some(version)));
    let decisions = about.take(limit).map_ok(|(record, fate)| DecisionReport::new(&record, fate));
    Ok((approvals, decisions.try_collect().await?))
}
