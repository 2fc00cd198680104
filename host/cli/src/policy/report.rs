//! The JSON forms of the kit's commands, and their text for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::AnswerReport;
use crate::report::schema;
use hydra_base::Sha256;
use hydra_base::aliases::AliasMove;
use hydra_lifecycle::panel::Answer;
use hydra_policy::{Budget, Decision, INTERFACE, Policy, Setting, VerdictKind};
use hydra_policy_kit::{BuildInfo, CaseFile, CaseOutcome, Comparison, Language};

/// `policy new`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NewReport {
    /// `hydra-registry/policy-new/1`.
    pub schema: &'static str,
    /// The policy's name.
    pub name: String,
    /// Its language.
    pub language: String,
    /// The project.
    pub directory: PathBuf,
    /// The files written.
    pub files: Vec<PathBuf>,
}

impl NewReport {
    /// Reports the files of a new project.
    pub fn new(name: &str, language: Language, dir: &Path, files: &[PathBuf]) -> Self {
        Self {
            schema: "hydra-registry/policy-new/1",
            name: name.to_owned(),
            language: language.to_string(),
            directory: dir.to_owned(),
            files: files.to_vec(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("created the {} policy {}\n", self.language, self.name);
        for file in &self.files {
            let _ = writeln!(text, "  {}", file.display());
        }
        let dir = self.directory.display();
        let name = &self.name;
        text + &format!(
            "next: hydra-registry policy build {dir} && hydra-registry policy test {dir}/target/{name}.wasm {dir}/cases"
        )
    }
}

/// `policy build`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BuildReport {
    /// `hydra-registry/policy-build/1`.
    pub schema: &'static str,
    /// The component.
    pub path: PathBuf,
    /// The project's language.
    pub language: String,
    /// The component's size.
    pub bytes: u64,
}

impl BuildReport {
    /// Reports a component.
    pub fn new(path: &Path, language: Language, bytes: u64) -> Self {
        Self {
            schema: "hydra-registry/policy-build/1",
            path: path.to_owned(),
            language: language.to_string(),
            bytes,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let path = self.path.display();
        format!("built {path} ({} bytes)\nnext: hydra-registry policy inspect {path}", self.bytes)
    }
}

/// `policy build --check`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckReport {
    /// `hydra-registry/policy-build-check/1`.
    pub schema: &'static str,
    /// The component that was compared.
    pub path: PathBuf,
    /// The project's language.
    pub language: String,
    /// `identical`, `same-sources` or `different`.
    pub outcome: &'static str,
    /// What differs, in words.
    pub differences: Vec<String>,
}

impl CheckReport {
    /// Reports a comparison.
    pub fn new(path: &Path, language: Language, comparison: &Comparison) -> Self {
        let (outcome, differences) = match comparison {
            Comparison::Identical => ("identical", Vec::new()),
            Comparison::SameSources => ("same-sources", Vec::new()),
            Comparison::Different(differences) => ("different", differences.clone()),
            _ => ("different", Vec::new()),
        };
        let schema = "hydra-registry/policy-build-check/1";
        Self { schema, path: path.to_owned(), language: language.to_string(), outcome, differences }
    }

    /// For people.
    pub fn text(&self) -> String {
        let path = self.path.display();
        match self.outcome {
            "identical" => format!("{path} is what the project builds to, byte for byte"),
            "same-sources" => format!(
                "{path} says that it was built from the same sources with the same tools, and its bytes differ\n  \
                 this shows less than equal bytes: a component can say anything"
            ),
            _ => {
                let lines = self.differences.iter().map(|difference| format!("\n  {difference}"));
                format!("{path} is not what the project builds to{}", lines.collect::<String>())
            }
        }
    }
}

/// `policy inspect`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InspectReport {
    /// `hydra-registry/policy-inspect/1`.
    pub schema: &'static str,
    /// The policy's name.
    pub name: String,
    /// The policy's version.
    pub version: String,
    /// A summary of its rules.
    pub summary: String,
    /// The SHA-256 of the component.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// The component's size.
    pub bytes: usize,
    /// The interface that it exports, with its version.
    pub interface: String,
    /// Its imports; always empty, because a component with imports is rejected.
    pub imports: Vec<String>,
    /// The functions in its core modules.
    pub functions: u32,
    /// The settings that it declares.
    pub settings: Vec<Setting>,
    /// The limits of each decision, as configured.
    #[schemars(with = "schema::Limits")]
    pub budget: Budget,
    /// What it says that it was built from and with.
    #[schemars(with = "Option<schema::Build>")]
    pub build: Option<BuildInfo>,
}

impl InspectReport {
    /// Describes a policy.
    pub fn new(policy: &Policy) -> Self {
        let descriptor = policy.descriptor();
        Self {
            schema: "hydra-registry/policy-inspect/1",
            name: descriptor.name.clone(),
            version: descriptor.version.clone(),
            summary: descriptor.summary.clone(),
            sha256: policy.sha256(),
            bytes: policy.summary().bytes,
            interface: format!("{INTERFACE}@{}", policy.interface_version()),
            imports: policy.summary().imports.clone(),
            functions: policy.summary().functions,
            settings: descriptor.settings.clone(),
            budget: policy.budget().clone(),
            build: BuildInfo::in_component(policy.bytes()),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{} {}: {}\n", self.name, self.version, self.summary);
        let _ = writeln!(text, "  sha256     {}", self.sha256);
        let _ = writeln!(text, "  size       {} bytes, {} functions", self.bytes, self.functions);
        let _ = writeln!(text, "  interface  {}", self.interface);
        if let Some(BuildInfo { tools, sources, .. }) = &self.build {
            let tools = tools.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>();
            let _ =
                writeln!(text, "  built      with {} from {sources}, by its own account", tools.join(", "));
        }
        let _ = writeln!(text, "  imports    nothing");
        let _ = writeln!(text, "settings{}", if self.settings.is_empty() { ": none" } else { "" });
        for setting in &self.settings {
            let _ = writeln!(text, "  {}", setting.usage());
        }
        let _ = writeln!(text, "limits of each decision (--budget LIMIT=VALUE)");
        for limit in Budget::LIMITS {
            let _ = writeln!(text, "  {:<15}  {:>14}  {}", limit.key, limit.show(&self.budget), limit.doc);
        }
        text
    }
}

/// `policy run`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunReport {
    /// `hydra-registry/policy-run/1`.
    pub schema: &'static str,
    /// The policy's name and version.
    pub policy: String,
    /// The verdict.
    pub verdict: VerdictKind,
    /// The explanation.
    pub explanation: String,
    /// The alias moves that it proposes.
    #[serde(serialize_with = "hydra_policy::alias_moves::serialize")]
    #[schemars(with = "Vec<schema::MoveOfAlias>")]
    pub moves: Vec<AliasMove>,
    /// The fuel used.
    pub fuel: u64,
    /// The time it took, in microseconds.
    pub elapsed_us: u64,
    /// The memory used, in bytes.
    pub memory_bytes: u64,
    /// The answers of all policies, if several decided together. Then fuel, time and memory are the leader's.
    pub panel: Vec<AnswerReport>,
}

impl RunReport {
    /// Reports a decision of the policies with this label.
    pub fn new(policy: String, decision: &Decision, answers: &[Answer]) -> Self {
        Self {
            schema: "hydra-registry/policy-run/1",
            policy,
            panel: AnswerReport::all(answers),
            verdict: decision.verdict.kind(),
            explanation: decision.verdict.explanation().to_owned(),
            moves: decision.verdict.moves().to_vec(),
            fuel: decision.usage.fuel,
            elapsed_us: micros(decision.usage.elapsed),
            memory_bytes: decision.usage.memory,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n  why     {}\n", self.policy, self.verdict, self.explanation);
        for step in &self.moves {
            let _ = writeln!(text, "  alias   {step}");
        }
        for answer in &self.panel {
            let _ = writeln!(text, "  {}", answer.text());
        }
        let _ = writeln!(
            text,
            "  took    {} fuel, {} us, {} bytes",
            self.fuel, self.elapsed_us, self.memory_bytes
        );
        text
    }
}

/// `policy test`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TestReport {
    /// `hydra-registry/policy-test/1`.
    pub schema: &'static str,
    /// The policy's name and version.
    pub policy: String,
    /// The number of cases that passed.
    pub passed: usize,
    /// The number of cases that failed.
    pub failed: usize,
    /// Every case, sorted by name.
    pub cases: Vec<CaseReport>,
}

/// A case of `policy test`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CaseReport {
    /// The file's name without extension.
    pub name: String,
    /// The description of the case.
    pub description: String,
    /// Whether it passed.
    pub passed: bool,
    /// The differences, one per line.
    pub differences: Vec<String>,
}

impl TestReport {
    /// A report on no case yet of the policies with this label.
    pub fn new(policy: String) -> Self {
        Self { schema: "hydra-registry/policy-test/1", policy, passed: 0, failed: 0, cases: Vec::new() }
    }

    /// Adds a case.
    pub fn add(&mut self, file: &CaseFile, outcome: CaseOutcome) {
        let passed = outcome.passed();
        *(if passed { &mut self.passed } else { &mut self.failed }) += 1;
        self.cases.push(CaseReport {
            name: file.name(),
            description: file.case.description.clone(),
            passed,
            differences: outcome.differences,
        });
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for case in &self.cases {
            let word = if case.passed { "ok    " } else { "FAILED" };
            let _ = writeln!(text, "{word}  {}: {}", case.name, case.description);
            for line in &case.differences {
                let _ = writeln!(text, "        {line}");
            }
        }
        text + &format!("{}: {} passed, {} failed", self.policy, self.passed, self.failed)
    }
}

/// `policy bench`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BenchReport {
    /// `hydra-registry/policy-bench/1`.
    pub schema: &'static str,
    /// The policy's name and version.
    pub policy: String,
    /// The number of measured decisions.
    pub runs: u32,
    /// Times in microseconds: `p50`, `p99`, `max`.
    pub elapsed_us: BTreeMap<&'static str, u64>,
    /// The fuel of each decision.
    pub fuel: u64,
    /// The memory of each decision, in bytes.
    pub memory_bytes: u64,
}

impl BenchReport {
    /// Reports the cost of decisions.
    pub fn new(policy: &Policy, report: &hydra_policy_kit::BenchReport) -> Self {
        let times = [("p50", report.p50), ("p99", report.p99), ("max", report.max)];
        Self {
            schema: "hydra-registry/policy-bench/1",
            policy: label(policy),
            runs: report.runs,
            elapsed_us: times.map(|(name, time)| (name, micros(time))).into(),
            fuel: report.fuel,
            memory_bytes: report.memory,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let time = |name| self.elapsed_us.get(name).copied().unwrap_or_default();
        format!(
            "{}: {} decisions\n  time    p50 {} us, p99 {} us, max {} us\n  each    {} fuel, {} bytes",
            self.policy,
            self.runs,
            time("p50"),
            time("p99"),
            time("max"),
            self.fuel,
            self.memory_bytes
        )
    }
}

/// The name and version of a policy.
pub fn label(policy: &Policy) -> String {
    format!("{} {}", policy.descriptor().name, policy.descriptor().version)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A time in whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
