//! `list`: every version with its aliases, streamed.

use futures_util::StreamExt as _;

use crate::args::ListArgs;
use crate::report::VersionReport;
use crate::{ExitStatus, Printer, Settings};
use hydra_registry::ModelRegistry;

/// Lists versions, newest first: a table, or one JSON document per line.
pub async fn run(args: &ListArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let mut versions = registry.list_versions().take(args.limit.unwrap_or(usize::MAX));
    let mut empty = true;
    while let Some(version) = versions.next().await {
        let version = version?;
        if empty && !printer.is_json() {
            printer.line(&VersionReport::heading())?;
        }
        empty = false;
        printer.item(&VersionReport::from(version), VersionReport::text)?;
    }
    // Print no message for `--limit 0`.
    if empty && args.limit != Some(0) {
        printer.note(format!(
            "{} has no versions yet; `hydra-registry log-candidate` creates one",
            registry.model()
        ));
    }
    Ok(ExitStatus::Done)
}
