//! Golden cases: an input, and what a policy is expected to answer.

use std::fs;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use hydra_base::aliases::AliasMove;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;
use hydra_policy::json;
use hydra_policy::{Context, Decision, Input, ModelVersion, Policy, RunData, VerdictKind};

/// Where a new project has the schema, from its directory of cases.
const SCHEMA_PATH: &str = "../policy-case.schema.json";

/// One case: the evidence of a request, and the expected answer. `settings` in the context are written as a user would
/// write them; defaults may be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Case {
    /// The location of the schema of this file, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What the case shows, in a few words.
    #[serde(default)]
    pub description: String,
    /// The request with its evidence.
    pub input: Input,
    /// The expected answer. A case without one can be run but not tested.
    #[serde(default)]
    pub expect: Option<Expectation>,
}

/// The expected answer. A test compares only the fields that are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Expectation {
    /// The verdict.
    pub verdict: ExpectedVerdict,
    /// The alias moves, in order.
    #[serde(default, with = "json::optional_alias_moves", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<json::AliasMove>>")]
    pub moves: Option<Vec<AliasMove>>,
    /// The whole explanation, or the whole error message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Pieces of text that the explanation or error message must contain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
}

/// A verdict, or the policy's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedVerdict {
    /// The policy approves.
    Approve,
    /// The policy rejects.
    Reject,
    /// The policy holds.
    Hold,
    /// The host rejects the settings, or the policy reports an error. Exceeding the budget cannot be expected.
    Error,
}

/// A case and the file it came from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaseFile {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub case: Case,
}

/// The outcome of a case.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaseOutcome {
    /// What differs from the expectation, a line each; empty when the case passed.
    pub differences: Vec<String>,
    /// The decision, if there was one.
    pub decision: Option<Decision>,
}

/// The most bytes of a case file.
const MAX_CASE_BYTES: u64 = 64 << 20;

impl CaseFile {
    /// Reads one case file. A malformed one is an error of kind [`ErrorKind::InvalidArgument`].
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = regular_file::read(path, MAX_CASE_BYTES, |error| unreadable(path, error))?;
        let case = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "the case file is malformed")
                .with_context("path", path.display())
                .with_hint("follow policy-case.schema.json, which `hydra-registry policy new` writes")
                .with_source(error)
        })?;
        Ok(Self { path: path.to_owned(), case })
    }

    /// Reads one case file, or those of a directory.
    pub fn read_all(path: &Path) -> Result<Vec<Self>> {
        if path.is_dir() { Self::read_dir(path) } else { Self::read(path).map(|case| vec![case]) }
    }

    /// Reads every `*.json` in a directory, sorted by name. A directory without any is an error, since a test without cases
    /// would pass.
    pub fn read_dir(dir: &Path) -> Result<Vec<Self>> {
        let entries = fs::read_dir(dir).map_err(|error| unreadable(dir, error))?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(|error| unreadable(dir, error))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        if paths.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "the directory contains no case files")
                .with_context("path", dir.display())
                .with_hint(
                    "add a `*.json` file for each case; `hydra-registry policy new` writes examples",
                ));
        }
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The name of the file without directory and extension.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Case {
    /// A case without description and expectation.
    #[must_use]
    pub fn new(input: Input) -> Self {
        Self { schema: None, description: String::new(), input, expect: None }
    }

    /// The same case with what the policy must answer.
    #[must_use]
    pub fn expecting(mut self, expect: Expectation) -> Self {
        self.expect = Some(expect);
        self
    }

    /// The case of a decision that was recorded: settings as a user would write them, and as the expectation the recorded
    /// verdict, with the moves if `policy`, which decided, gives that verdict again.
    #[must_use]
    pub fn recorded(input: Input, policy: &Policy, verdict: VerdictKind) -> Self {
        let mut expect = Expectation::new(verdict.into());
        let again = policy.decide(&input).ok().filter(|decision| decision.verdict.kind() == verdict);
        let approved = again.filter(|_| verdict == VerdictKind::Approve);
        expect.moves = approved.map(|decision| decision.verdict.moves().to_vec());
        let mut case = Self::new(input).expecting(expect);
        case.schema = Some(SCHEMA_PATH.to_owned());
        let context = case.input.context_mut();
        context.settings = policy.descriptor().as_written(&context.settings);
        case
    }

    /// A promotion over a champion, both with twenty metrics, without settings: a typical request.
    #[must_use]
    pub fn representative() -> Self {
        let version = |number: NonZeroU32| {
            let metrics = (0..20).map(|index| {
                (format!("metric_{index:02}"), f64::from(number.get()) / f64::from(number.get() + index + 1))
            });
            let mut version = ModelVersion::new(NonZeroU64::from(number).into(), 0);
            version.run = Some(RunData::default().with_metrics(metrics));
            version
        };
        // A week after registration, for policies that check the age of a version.
        let mut context = Context::new("model", 7 * 24 * 3_600_000, "bench");
        context.champion = Some(version(NonZeroU32::MIN.saturating_add(1)));
        Self::new(Input::promotion(version(NonZeroU32::MIN.saturating_add(2)), context))
    }

    /// The input that the policy receives: settings checked against the declared ones, with defaults added.
    pub fn resolve(&self, policy: &Policy) -> Result<Input> {
        let mut input = self.input.clone();
        let context = input.context_mut();
        context.settings = policy.descriptor().resolve(&context.settings)?;
        Ok(input)
    }

    /// Runs the case.
    pub fn decide(&self, policy: &Policy) -> Result<Decision> {
        policy.decide(&self.resolve(policy)?)
    }

    /// Runs the case and compares. An error of the policy is part of the outcome.
    #[must_use]
    pub fn check(&self, policy: &Policy) -> CaseOutcome {
        self.compare(self.decide(policy))
    }

    /// Compares an answer with the expected one.
    #[must_use]
    pub fn compare(&self, result: Result<Decision>) -> CaseOutcome {
        let differences = match &self.expect {
            Some(expect) => expect.differences(&result),
            None => vec!["the case has no expectation: add `expect`".to_owned()],
        };
        CaseOutcome { differences, decision: result.ok() }
    }
}

impl CaseOutcome {
    /// Whether the answer was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Expectation {
    /// Expects a verdict with any moves and any explanation.
    #[must_use]
    pub fn new(verdict: ExpectedVerdict) -> Self {
        Self { verdict, moves: None, explanation: None, mentions: Vec::new() }
    }

    fn differences(&self, result: &Result<Decision>) -> Vec<String> {
        let (found, moves, words) = match result {
            Ok(Decision { verdict, .. }) => {
                (verdict.kind().into(), verdict.moves(), verdict.explanation().to_owned())
            }
            Err(error) if matches!(error.kind(), ErrorKind::PolicyError | ErrorKind::PolicySettings) => {
                (ExpectedVerdict::Error, &[][..], error.message().to_owned())
            }
            Err(error) => return vec![format!("the policy failed: {error}")],
        };
        let mut differences = Vec::new();
        if found != self.verdict {
            differences.push(format!("verdict: expected {}, got {}", word(self.verdict), word(found)));
            differences.push(format!("         because {words:?}"));
        }
        if let Some(expected) = self.moves.as_ref().filter(|expected| *expected != moves) {
            differences.extend(diff_moves(expected, moves));
        }
        if let Some(expected) = self.explanation.as_ref().filter(|expected| **expected != words) {
            differences.push(format!("explanation: expected {expected:?}"));
            differences.push(format!("                  got {words:?}"));
        }
        for mention in self.mentions.iter().filter(|mention| !words.contains(*mention)) {
            differences.push(format!("explanation: expected to mention {mention:?}, got {words:?}"));
        }
        differences
    }
}

impl From<VerdictKind> for ExpectedVerdict {
    fn from(kind: VerdictKind) -> Self {
        match kind {
            VerdictKind::Approve => Self::Approve,
            VerdictKind::Reject => Self::Reject,
            VerdictKind::Hold => Self::Hold,
        }
    }
}

/// The JSON Schema of case files.
#[must_use]
pub fn case_schema() -> serde_json::Value {
    schemars::schema_for!(Case).to_value()
}

fn word(verdict: ExpectedVerdict) -> &'static str {
    match verdict {
        ExpectedVerdict::Approve => "approve",
        ExpectedVerdict::Reject => "reject",
        ExpectedVerdict::Hold => "hold",
        ExpectedVerdict::Error => "error",
    }
}

/// Both lists side by side, a line per position: `-` is missing, `+` is unexpected.
fn diff_moves(expected: &[AliasMove], found: &[AliasMove]) -> Vec<String> {
    let mut lines = vec!["moves:".to_owned()];
    for index in 0..expected.len().max(found.len()) {
        match (expected.get(index), found.get(index)) {
            (Some(one), Some(other)) if one == other => lines.push(format!("    {one}")),
            (one, other) => {
                lines.extend(one.map(|step| format!("  - {step}")));
                lines.extend(other.map(|step| format!("  + {step}")));
            }
        }
    }
    lines
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "cannot read the cases")
        .with_context("path", path.display())
        .with_source(error)
}
