//! `policy run`, `policy test` and `policy bench`: decisions on case files.

use std::path::Path;

use crate::policy::args::{BenchArgs, RunArgs, TestArgs};
use crate::policy::report::{BenchReport, RunReport, TestReport};
use crate::policy::{load, load_quoting_panics, refuse_settings};
use crate::{ExitStatus, Printer, Settings};
use hydra_policy::{Policy, VerdictKind};
use hydra_policy_kit::{Case, CaseFile, bench as measure};

/// Decides one case.
pub async fn run(args: &RunArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let case = read(&args.case, settings)?;
    let policy = load_quoting_panics(args.file.as_deref(), settings, printer).await?;
    let decision = case.decide(&policy)?;
    printer.report(&RunReport::new(&policy, &decision), RunReport::text)?;
    Ok(match decision.verdict.kind() {
        VerdictKind::Approve => ExitStatus::Done,
        VerdictKind::Reject => ExitStatus::Rejected,
        VerdictKind::Hold => ExitStatus::Held,
    })
}

/// Checks golden cases.
pub async fn test(args: &TestArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    refuse_settings(settings, "put settings into each case file, or use `policy run` or `policy bench`")?;
    let cases = CaseFile::read_dir(&args.cases)?;
    let policy = load_quoting_panics(Some(&args.file), settings, printer).await?;
    let report = TestReport::new(&policy, &cases);
    printer.report(&report, TestReport::text)?;
    Ok(if report.failed == 0 { ExitStatus::Done } else { ExitStatus::Rejected })
}

/// Measures decisions of one case, or of typical evidence.
pub async fn bench(
    args: &BenchArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let case = match &args.case {
        Some(path) => read(path, settings)?,
        None => with_settings(Case::representative(), settings),
    };
    let policy: Policy = load(args.file.as_deref(), settings, printer).await?;
    let input = case.resolve(&policy)?;
    let report = BenchReport::new(&policy, &measure(&policy, &input, args.runs)?);
    printer.report(&report, BenchReport::text)?;
    Ok(ExitStatus::Done)
}

/// The case, with its settings overridden by those of `--set`.
pub(super) fn read(path: &Path, settings: &Settings) -> anyhow::Result<Case> {
    Ok(with_settings(CaseFile::read(path)?.case, settings))
}

fn with_settings(mut case: Case, settings: &Settings) -> Case {
    case.input.context_mut().settings.extend(settings.set.clone());
    case
}
