//! `cargo xtask bench`: compares hydra-registry with other tools, in one run on one machine.
//!
//! Every tool runs in a separate process that waits for requests, so that the tools take turns and a busy machine slows
//! all of them. The results are printed and written to `docs/benchmarks.md`, each part to its section.

mod contributions;
mod document;
mod evaluation;
mod files;
mod machine;
mod policy;
mod published;
mod python;
mod registry;
mod requests;
mod samples;
mod scoring;
mod server;
mod serving;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::setup::{self, Scope};
use crate::shell::{cargo, run as sh, say};
use crate::{demo, paths};

use document::Document;

/// A part of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Scoring,
    Registry,
    Policy,
    Evaluation,
    /// The Python package.
    Python,
    /// Scoring servers.
    Serving,
    /// The criterion benches of single components.
    Criterion,
}

/// The thoroughness of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// For numbers to publish.
    Full,
    /// A few rounds without compilers, to check that everything works.
    Quick,
}

/// The options from the command line.
struct Plan {
    parts: Vec<Part>,
    effort: Effort,
    /// The time limit of a compiler for one model.
    compile_limit: Duration,
    /// The command line of this run, quoted in the document.
    command: String,
}

/// Runs the comparison, or the part of it that `--only` names. With full effort, `docs/benchmarks.md` gets the sections
/// of the parts that ran.
pub fn run(flags: &[String]) -> Result<()> {
    let plan = parse(flags)?;
    if plan.parts == [Part::Criterion] {
        setup::run(Scope::Build)?;
        return sh(cargo().args(["bench", "--workspace", "--locked"]));
    }
    setup::run(Scope::Bench)?;
    say("building hydra-registry and the benchmark worker with optimisation");
    let bins = ["--bin", "hydra-registry", "--bin", "bench-worker"];
    sh(cargo().args(["build", "--workspace", "--locked", "--release"]).args(bins))?;
    for part in &plan.parts {
        let facts = machine::facts()?;
        let (body, goals) = match part {
            Part::Scoring => scoring::run(plan.effort, plan.compile_limit)?,
            Part::Registry => registry::run(plan.effort)?,
            Part::Policy => policy::run(plan.effort)?,
            Part::Evaluation => evaluation::run(plan.effort)?,
            Part::Python => python::run(plan.effort)?,
            Part::Serving => serving::run(plan.effort)?,
            Part::Criterion => continue,
        };
        let mut section = Document::default();
        section.heading(part.title());
        section.origin(&plan.command, &facts);
        section.goals(&goals);
        section.push(&body);
        say(format!("\n{}", section.text()));
        if plan.effort == Effort::Full {
            // Write each section immediately, so that a failure in a later part does not lose it.
            published::write(*part, section.text())?;
        }
    }
    Ok(())
}

const EVERYTHING: [Part; 6] =
    [Part::Scoring, Part::Registry, Part::Policy, Part::Evaluation, Part::Python, Part::Serving];

impl Part {
    /// The heading of its section.
    fn title(self) -> &'static str {
        match self {
            Part::Scoring => "Scoring",
            Part::Registry => "Registry operations",
            Part::Policy => "Policy decisions",
            Part::Evaluation => "Evaluation",
            Part::Python => "Python package",
            Part::Serving => "Serving",
            Part::Criterion => "Single parts",
        }
    }
}

fn parse(flags: &[String]) -> Result<Plan> {
    let command = ["cargo xtask bench"].into_iter().chain(flags.iter().map(String::as_str));
    let mut plan = Plan {
        parts: EVERYTHING.to_vec(),
        effort: Effort::Full,
        compile_limit: Duration::from_mins(10),
        command: command.collect::<Vec<_>>().join(" "),
    };
    let mut flags = flags.iter().map(String::as_str);
    while let Some(flag) = flags.next() {
        match flag {
            "--quick" => plan.effort = Effort::Quick,
            "--compile-limit" => {
                let minutes = flags.next().and_then(|minutes| minutes.parse().ok());
                let minutes = minutes.context("`--compile-limit` takes a whole number of minutes")?;
                plan.compile_limit = Duration::from_mins(minutes);
            }
            "--only" => {
                plan.parts = vec![match flags.next() {
                    Some("scoring") => Part::Scoring,
                    Some("registry") => Part::Registry,
                    Some("policy") => Part::Policy,
                    Some("evaluation") => Part::Evaluation,
                    Some("python") => Part::Python,
                    Some("serving") => Part::Serving,
                    Some("criterion") => Part::Criterion,
                    other => bail!(
                        "`--only` takes scoring, registry, policy, evaluation, python, serving or criterion, got {other:?}"
                    ),
                }];
            }
            other => bail!(
                "unknown flag: {other:?}; `bench` takes --quick, --only PART and --compile-limit MINUTES"
            ),
        }
    }
    Ok(plan)
}

/// The directory of the benchmark's models, compiled tools and logs; `cargo clean` deletes it.
fn home() -> PathBuf {
    demo::target_directory().join("bench")
}

/// A program of the release build.
fn built(name: &str) -> PathBuf {
    demo::target_directory().join("release").join(name)
}

/// The Python of an environment.
fn interpreter(environment: &str) -> PathBuf {
    paths::tools().join(environment).join("bin/python")
}

/// One of the benchmark's Python programs.
fn script(name: &str) -> PathBuf {
    paths::root().join("benchmarks/python").join(name)
}
