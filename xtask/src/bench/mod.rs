//! `cargo xtask bench`: hydra-registry beside what people would use instead, in one run on one machine.
//!
//! Every contender is a process of its own that is told what to do next, so that they take turns and a busy machine
//! slows all of them. What comes out is printed and written to `docs/benchmarks.md`.

mod document;
mod machine;
mod policy;
mod registry;
mod samples;
mod scoring;
mod server;
mod worker;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Scope};
use crate::shell::{cargo, run as sh, say};
use crate::{demo, paths};

use document::{Document, Goal};

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Scoring,
    Registry,
    Policy,
    /// The criterion benches of single parts.
    Criterion,
}

/// How thoroughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Numbers to publish.
    Full,
    /// A few rounds and no compilers: whether everything works.
    Quick,
}

/// Runs the comparison, or the part of it that `--only` names. Only a full run is written to `docs/benchmarks.md`.
pub fn run(flags: &[String]) -> Result<()> {
    let (parts, effort) = parse(flags)?;
    if parts == [Part::Criterion] {
        setup::run(Scope::Build)?;
        return sh(cargo().args(["bench", "--workspace", "--locked"]));
    }
    setup::run(Scope::Bench)?;
    say("building hydra-registry and the benchmarks' worker, optimised");
    let bins = ["--bin", "hydra-registry", "--bin", "bench-worker"];
    sh(cargo().args(["build", "--workspace", "--locked", "--release"]).args(bins))?;

    let mut document = Document::default();
    document.intro(&machine::facts()?);
    let mut goals: Vec<Goal> = Vec::new();
    let mut sections = Vec::new();
    for part in &parts {
        let (section, reached) = match part {
            Part::Scoring => scoring::run(effort)?,
            Part::Registry => registry::run(effort)?,
            Part::Policy => policy::run(effort)?,
            Part::Criterion => continue,
        };
        sections.push(section);
        goals.extend(reached);
    }
    document.goals(&goals);
    for section in sections {
        document.push(&section);
    }
    say(format!("\n{}", document.text()));
    if parts == EVERYTHING && effort == Effort::Full {
        let path = paths::root().join("docs/benchmarks.md");
        fs::write(&path, document.text()).context("cannot write docs/benchmarks.md")?;
        say("written to docs/benchmarks.md");
    }
    Ok(())
}

const EVERYTHING: [Part; 3] = [Part::Scoring, Part::Registry, Part::Policy];

fn parse(flags: &[String]) -> Result<(Vec<Part>, Effort)> {
    let (mut parts, mut effort) = (EVERYTHING.to_vec(), Effort::Full);
    let mut flags = flags.iter().map(String::as_str);
    while let Some(flag) = flags.next() {
        match flag {
            "--quick" => effort = Effort::Quick,
            "--only" => {
                parts = vec![match flags.next() {
                    Some("scoring") => Part::Scoring,
                    Some("registry") => Part::Registry,
                    Some("policy") => Part::Policy,
                    Some("criterion") => Part::Criterion,
                    other => bail!("`--only` takes scoring, registry, policy or criterion, not {other:?}"),
                }];
            }
            other => bail!("unknown flag: {other:?}; `bench` takes --quick and --only PART"),
        }
    }
    Ok((parts, effort))
}

/// Where the benchmark's models, compiled peers and logs are kept: building cleans them away.
fn home() -> PathBuf {
    demo::target_directory().join("bench")
}

/// A program of the release build.
fn built(name: &str) -> PathBuf {
    demo::target_directory().join("release").join(name)
}

/// The Python of an environment.
fn python(environment: &str) -> PathBuf {
    paths::tools().join(environment).join("bin/python")
}

/// One of the benchmark's Python programs.
fn script(name: &str) -> PathBuf {
    paths::root().join("benchmarks/python").join(name)
}
