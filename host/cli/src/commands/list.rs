//! `list`: versions with their aliases, streamed; or with their metrics, side by side.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::args::ListArgs;
use crate::report::{ListedReport, VersionReport};
use crate::versions::{Condition, Facts, Listed, Order};
use crate::{ExitStatus, Printer, Settings};
use hydra_base::text::listed;
use hydra_base::{Error, Result};
use hydra_registry::{ModelRegistry, VersionInfo};

/// The number of runs that are read side by side.
const AT_ONCE: usize = 16;

/// Lists versions, newest first: a table, one JSON document, or one JSON document per line.
pub async fn run(args: &ListArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    printer.begin_list("hydra-registry/versions/1", registry.model(), "versions")?;
    let is_plain = args.metrics.is_empty() && args.sort.is_none() && args.conditions.is_empty();
    let shown =
        if is_plain { plain(args, &registry, printer).await } else { full(args, &registry, printer).await };
    let is_empty = shown? == 0;
    printer.end_list()?;
    // Print no message for `--limit 0`.
    if is_empty && args.limit != Some(0) {
        printer.note(if args.conditions.is_empty() {
            format!("{} has no versions yet; `hydra-registry log-candidate` creates one", registry.model())
        } else {
            format!("no version of {} meets the conditions", registry.model())
        });
    }
    Ok(ExitStatus::Done)
}

async fn plain(args: &ListArgs, registry: &ModelRegistry, printer: &mut Printer) -> anyhow::Result<usize> {
    let mut versions = registry.list_versions().take(args.limit.unwrap_or(usize::MAX));
    let view = printer.view();
    let mut shown = 0;
    while let Some(version) = versions.next().await {
        let version = version?;
        if shown == 0 && !printer.is_json() {
            printer.page()?;
            printer.heading(&VersionReport::heading(&view))?;
        }
        shown += 1;
        printer.item(&VersionReport::from(version), |report| report.text(&view))?;
    }
    Ok(shown)
}

/// With what the runs recorded.
async fn full(args: &ListArgs, registry: &ModelRegistry, printer: &mut Printer) -> anyhow::Result<usize> {
    let conditions = args.conditions.iter().filter_map(Condition::metric);
    let named = args.metrics.iter().map(String::as_str).chain(conditions);
    let named: Vec<&str> = named.chain(args.sort.iter().filter_map(Order::metric)).collect();
    let measured = named.iter().any(|name| name.contains('.'));
    let needs_run = !named.is_empty() || args.conditions.iter().any(Condition::needs_run);
    let read = registry.list_versions().map_ok(|info: VersionInfo| async move {
        let mut facts = Facts::default();
        if needs_run {
            facts = Facts::of_run(registry, info.run_id.as_ref()).await?;
        }
        if measured {
            facts = facts.measured(registry, info.version, &info.tags).await;
        }
        Ok::<_, Error>(Listed { info, facts })
    });
    let meets = |listed: &Listed| args.conditions.iter().all(|condition| condition.holds(listed));
    let enough = if args.sort.is_some() { usize::MAX } else { args.limit.unwrap_or(usize::MAX) };
    let found = read.try_buffered(AT_ONCE).try_filter(|listed| std::future::ready(meets(listed)));
    let found = found.take(enough).try_collect::<Vec<Listed>>();
    let found: Result<Vec<Listed>> = printer.waiting("reading runs", found).await;
    let mut found = found?;
    if let Some(order) = &args.sort {
        order.sort(&mut found);
        found.truncate(args.limit.unwrap_or(usize::MAX));
    }
    let columns: Vec<String> = columns(args);
    note_unknown(&columns, &found, printer);
    let reports: Vec<ListedReport> =
        found.into_iter().map(|listed| ListedReport::new(listed, &columns)).collect();
    if printer.is_json() {
        for report in &reports {
            printer.item(report, |_| String::new())?;
        }
    } else if !reports.is_empty() {
        printer.page()?;
        let text = ListedReport::table(&reports, &columns, &printer.view());
        let (heading, rows) = text.split_once('\n').unwrap_or((&text, ""));
        printer.heading(heading)?;
        printer.line(rows)?;
    }
    Ok(reports.len())
}

/// Says which of the metrics no version has, and which there are.
fn note_unknown(columns: &[String], found: &[Listed], printer: &Printer) {
    let known: BTreeSet<&str> =
        found.iter().flat_map(|one| one.facts.metrics.keys()).map(String::as_str).collect();
    let unknown: Vec<&str> =
        columns.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
    if !unknown.is_empty() && !found.is_empty() {
        let known: Vec<&str> = known.into_iter().collect();
        printer.note(format!("no version has {}; there are {}", listed(&unknown), listed(&known)));
    }
}

/// The metrics to show: those that are named, and the one that the versions are sorted by.
fn columns(args: &ListArgs) -> Vec<String> {
    let mut columns = Vec::new();
    let sorted = args.sort.iter().filter_map(Order::metric);
    for name in args.metrics.iter().map(String::as_str).chain(sorted) {
        let name = name.trim();
        if !name.is_empty() && !columns.iter().any(|known| known == name) {
            columns.push(name.to_owned());
        }
    }
    columns
}
