//! `policy run`, `policy test` and `policy bench`: decisions on case files.

use std::path::Path;

use crate::policy::args::{BenchArgs, RunArgs, TestArgs};
use crate::policy::report::{BenchReport, RunReport, TestReport, label};
use crate::policy::{load, load_panel, load_quoting_panics, refuse_settings};
use crate::report::panel_label;
use crate::{ExitStatus, Printer, Settings};
use hydra_base::error::Result;
use hydra_lifecycle::panel::{Answer, Panel};
use hydra_policy::{Decision, Policy, VerdictKind};
use hydra_policy_kit::{Case, CaseFile, bench as measure};

/// Decides one case.
pub async fn run(args: &RunArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let case = read(&args.case, settings)?;
    let policies = Policies::load(args.file.as_deref(), settings, printer).await?;
    let (decision, answers) = policies.decide(&case).await?;
    let report = RunReport::new(policies.label(), &decision, &answers);
    printer.report(&report, RunReport::text)?;
    Ok(match report.verdict {
        VerdictKind::Approve => ExitStatus::Done,
        VerdictKind::Reject => ExitStatus::Rejected,
        VerdictKind::Hold => ExitStatus::Held,
    })
}

/// Checks golden cases.
pub async fn test(args: &TestArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    refuse_settings(settings, "put settings into each case file, or use `policy run` or `policy bench`")?;
    let cases = CaseFile::read_all(&args.cases)?;
    let policies = Policies::load(args.file.as_deref(), settings, printer).await?;
    let mut report = TestReport::new(policies.label());
    for file in &cases {
        let decision = policies.decide(&file.case).await.map(|(decision, _)| decision);
        report.add(file, file.case.compare(decision));
    }
    printer.report(&report, TestReport::text)?;
    Ok(if report.failed == 0 { ExitStatus::Done } else { ExitStatus::Rejected })
}

/// What cases are put to.
pub(super) enum Policies {
    /// One policy, with the settings of the case.
    One(Policy),
    /// Several, with their own settings, which those of the case override.
    Panel(Box<Panel>),
}

impl Policies {
    /// The named component, or the policies of this host.
    pub(super) async fn load(
        file: Option<&Path>,
        settings: &Settings,
        printer: &Printer,
    ) -> anyhow::Result<Self> {
        if file.is_some() {
            return Ok(Self::One(load_quoting_panics(file, settings, printer).await?));
        }
        let panel = load_panel(settings, printer).await?;
        Ok(if panel.is_alone() {
            Self::One(panel.leader().policy.clone())
        } else {
            Self::Panel(Box::new(panel))
        })
    }

    /// What is answered on a case. A policy that is alone has the part that the case says.
    async fn decide(&self, case: &Case) -> Result<(Decision, Vec<Answer>)> {
        if let Self::One(policy) = self {
            return Ok((case.decide(policy)?, Vec::new()));
        }
        let decision = self.panel(case).decide(&case.input).await?;
        Ok((decision.as_one(), decision.into_answers()))
    }

    /// The policies with their settings for a case.
    pub(super) fn panel(&self, case: &Case) -> Panel {
        let given = &case.input.context().settings;
        match self {
            Self::One(policy) => Panel::alone(policy.clone(), given.clone()),
            Self::Panel(panel) => panel.as_ref().clone().with_settings(given),
        }
    }

    /// Names and versions.
    fn label(&self) -> String {
        match self {
            Self::One(policy) => label(policy),
            Self::Panel(panel) => panel_label(panel),
        }
    }
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
