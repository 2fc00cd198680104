//! Scoring: every engine scores the same rows with the same models, alternating.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::shell::{run as sh, say};

use super::contributions;
use super::document::{Document, Goal};
use super::files;
use super::machine::version;
use super::samples::{Samples, digits, seconds, times};
use super::worker::{ANSWER_LIMIT, Answer, Worker};
use super::{Effort, built, home, interpreter, script};

/// The number of rows in a batch, as `make_models.py` writes them.
const ROWS: f64 = 20_000.0;

/// The minimum duration of a turn, in seconds: fast engines score several batches, so that turns have similar lengths.
const TURN: f64 = 0.2;

/// A model, and its properties in `make_models.py`.
struct Shape {
    name: &'static str,
    what: &'static str,
    rounds: usize,
    /// Whether compilers can handle the model in reasonable time.
    compilers: bool,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "small", what: "100 trees × 31 leaves, 20 features", rounds: 15, compilers: true },
    Shape {
        name: "medium",
        what: "500 trees × 63 leaves, 30 features (3 categorical), 5 % missing",
        rounds: 11,
        compilers: true,
    },
    Shape { name: "large", what: "1000 trees × 255 leaves, 50 features", rounds: 5, compilers: false },
];

/// A scoring engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Native,
    LightGbmRust,
    LightGbmPython,
    OnnxRuntime,
    Treelite,
    Tl2cgen,
    Lleaves,
}

use Engine::{LightGbmPython, LightGbmRust, Lleaves, Native, OnnxRuntime, Tl2cgen, Treelite};

const ENGINES: [Engine; 7] = [Native, LightGbmRust, LightGbmPython, OnnxRuntime, Treelite, Tl2cgen, Lleaves];

impl Engine {
    /// The engine's name, and how it is built and called.
    pub(super) fn description(self) -> Result<(String, String)> {
        let named = |name: &str, package: &str| {
            Ok::<_, anyhow::Error>(format!("{name} {}", version("peers", package)?))
        };
        Ok(match self {
            Native => ("hydra-registry".into(), "Rust library, safe code, no CPU-specific flags".into()),
            LightGbmRust => ("lightgbm3 (Rust)".into(), "LightGBM's C++ built without OpenMP".into()),
            LightGbmPython => {
                (named("LightGBM", "lightgbm")?, "PyPI wheel, built with OpenMP; num_threads=1".into())
            }
            OnnxRuntime => (
                named("ONNX Runtime", "onnxruntime")?,
                format!(
                    "PyPI wheel; model converted by onnxmltools {}; float32; one intra-op thread",
                    version("peers", "onnxmltools")?
                ),
            ),
            Treelite => {
                (named("Treelite", "treelite")?, "PyPI wheel; its interpreter GTIL; nthread=1".into())
            }
            Tl2cgen => (named("tl2cgen", "tl2cgen")?, "Treelite's compiler: C, then gcc; nthread=1".into()),
            Lleaves => (
                format!("lleaves {}", version("lleaves", "lleaves")?),
                format!("compiled by llvmlite {}; n_jobs=1", version("lleaves", "llvmlite")?),
            ),
        })
    }

    pub(super) fn command(self, model: &Path) -> Command {
        let rust = |engine: &str| {
            let mut command = Command::new(built("bench-worker"));
            command.args(["scoring", engine]).arg(model);
            command
        };
        let peer = |environment: &str, engine: &str| {
            let mut command = Command::new(interpreter(environment));
            command.arg(script("scoring.py")).arg(engine).arg(model).env("OMP_NUM_THREADS", "1");
            command
        };
        match self {
            Native => rust("native"),
            LightGbmRust => rust("lightgbm"),
            LightGbmPython => peer("peers", "lightgbm"),
            OnnxRuntime => peer("peers", "onnxruntime"),
            Treelite => peer("peers", "treelite"),
            Tl2cgen => peer("peers", "tl2cgen"),
            Lleaves => peer("lleaves", "lleaves"),
        }
    }

    fn is_compiler(self) -> bool {
        matches!(self, Tl2cgen | Lleaves)
    }
}

/// An engine with a model, and its measurements.
struct Contender {
    engine: Engine,
    worker: Worker,
    prepare: Option<f64>,
    /// Reading and checking the text, which only hydra-registry does apart from loading.
    read: Samples,
    load: Samples,
    batch: Samples,
    two_threads: Samples,
    row: Samples,
    memory: f64,
    greatest_difference: f64,
    different: f64,
}

/// Measures every engine with every model.
pub fn run(effort: Effort, compile_limit: Duration) -> Result<(Document, Vec<Goal>)> {
    make_models()?;
    let mut document = Document::default();
    document.paragraph(
        "Each engine computes raw scores of 20,000 rows of doubles that the model has not seen, on one thread. *Batch*: all rows \
         in one call, µs per row. *Row*: one row per call, in the language of the engine's package, µs. *Prepare*: conversion or \
         compilation, once per model; the engine then loads the result. *Load*: from the model's text to ready, ms. *Memory*: \
         growth of the process's peak memory by loading and scoring, MB (0: below the peak of reading the rows). *Differs*: the \
         largest difference to LightGBM's scores, and the share of rows that differ.",
    );
    let mut engines = Vec::new();
    for engine in ENGINES {
        let (name, how) = engine.description()?;
        engines.push(vec![name, how]);
    }
    document.table(&["engine", "how it was built"], &engines);
    let mut goals = Vec::new();
    for shape in SHAPES.iter().filter(|shape| effort == Effort::Full || shape.name != "large") {
        goals.extend(score(shape, effort, compile_limit, &mut document)?);
    }
    goals.extend(contributions::run(effort, &mut document)?);
    goals.extend(files::run(effort, &mut document)?);
    Ok((document, goals))
}

pub(super) fn directory(shape: &str) -> PathBuf {
    home().join("models").join(shape)
}

/// Creates the models, unless they exist and come from the same version of the script.
pub(super) fn make_models() -> Result<()> {
    let (script, stamp) = (script("make_models.py"), home().join("models/.stamp"));
    let wanted = format!("{}{}", fs::read_to_string(&script)?, version("peers", "lightgbm")?);
    if fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == wanted) {
        return Ok(());
    }
    say("training the benchmark's models (one or two minutes, only the first time)");
    fs::create_dir_all(home().join("models"))?;
    sh(Command::new(interpreter("peers")).arg(script).arg(home().join("models")))?;
    fs::write(stamp, wanted).context("cannot write the stamp")
}

fn score(
    shape: &Shape,
    effort: Effort,
    compile_limit: Duration,
    document: &mut Document,
) -> Result<Vec<Goal>> {
    let text = fs::metadata(directory(shape.name).join("model.txt"))?.len() as f64;
    say(format!("scoring: {}", shape.what));
    let (mut contenders, mut absent) = (Vec::new(), Vec::new());
    for engine in ENGINES {
        if engine.is_compiler() && effort == Effort::Quick {
            continue;
        }
        if engine.is_compiler() && !shape.compilers {
            absent.push((engine, "not measured with this model".to_owned()));
            continue;
        }
        match enter(engine, shape, compile_limit)? {
            Ok(contender) => contenders.push(contender),
            Err(reason) => absent.push((engine, reason)),
        }
    }
    let rounds = if effort == Effort::Full { shape.rounds } else { 2 };
    for round in 0..rounds {
        say(format!("  round {} of {rounds}", round + 1));
        for contender in &mut contenders {
            contender.take_turn()?;
        }
    }
    document.paragraph(&format!("### {}\n\n{} MB of model text.", shape.what, digits(text / 1e6)));
    tabulate(&contenders, &absent, document)?;
    goals(shape, text, &contenders, &absent)
}

/// Prepares and loads a model; returns the reason if that fails.
fn enter(engine: Engine, shape: &Shape, compile_limit: Duration) -> Result<Result<Contender, String>> {
    let model = directory(shape.name);
    let name = format!("{engine:?} {}", shape.name);
    // A separate process, so that the memory of the preparation does not count as memory of scoring.
    let mut preparer = Worker::start(&format!("prepare {name}"), &mut engine.command(&model))?;
    let prepare = match preparer.ask("prepare", compile_limit)? {
        Answer::Numbers(numbers) => numbers.first().copied(),
        Answer::Refused(reason) => return Ok(Err(format!("cannot load this model: {reason}"))),
        Answer::TimedOut => {
            return Ok(Err(format!("did not finish compiling in {} min", compile_limit.as_secs() / 60)));
        }
    };
    drop(preparer);
    let mut worker = Worker::start(&name, &mut engine.command(&model))?;
    let before = worker.number("memory")?;
    match worker.ask("load", ANSWER_LIMIT)? {
        Answer::Numbers(_) => {}
        Answer::Refused(reason) => return Ok(Err(format!("cannot load this model: {reason}"))),
        Answer::TimedOut => return Ok(Err("did not load within five minutes".to_owned())),
    }
    worker.number("batch")?;
    let memory = worker.number("memory")? - before;
    let [greatest_difference, different] = worker.measure("check")?[..] else {
        bail!("`{name}` did not answer `check` with two numbers");
    };
    let (read, load, batch, two_threads, row) = Default::default();
    Ok(Ok(Contender {
        engine,
        worker,
        prepare,
        read,
        load,
        batch,
        two_threads,
        row,
        memory,
        greatest_difference,
        different,
    }))
}

impl Contender {
    fn take_turn(&mut self) -> Result<()> {
        self.load.push(self.worker.number("load")?);
        if self.engine == Native {
            self.read.push(self.worker.number("read")?);
        }
        let mut taken = 0.0;
        while taken < TURN {
            let batch = self.worker.number("batch")?;
            self.batch.push(batch / ROWS);
            taken += batch;
            if self.engine == Native {
                self.two_threads.push(self.worker.number("batch 2")? / ROWS);
            }
        }
        self.row.push(self.worker.number("rows 0.1")?);
        Ok(())
    }

    fn cells(&self, ours: &Contender) -> Result<Vec<String>> {
        let differs = match self.different {
            0.0 => "equal to the bit".to_owned(),
            count => format!("{:.0e}, {} %", self.greatest_difference, digits(count / ROWS * 100.0)),
        };
        Ok(vec![
            self.engine.description()?.0,
            self.batch.shown(1e-6),
            times(self.batch.median(), ours.batch.median()),
            self.row.shown(1e-6),
            times(self.row.median(), ours.row.median()),
            self.prepare.map_or_else(|| "–".to_owned(), seconds),
            self.load.shown(1e-3),
            digits(self.memory / 1e6),
            differs,
        ])
    }
}

fn tabulate(contenders: &[Contender], absent: &[(Engine, String)], document: &mut Document) -> Result<()> {
    let ours = contenders
        .iter()
        .find(|contender| contender.engine == Native)
        .context("hydra-registry is not among the contenders")?;
    let rows = contenders.iter().map(|contender| contender.cells(ours)).collect::<Result<Vec<_>>>()?;
    let head = ["engine", "batch", "ours ×", "row", "ours ×", "prepare", "load", "memory", "differs"];
    document.table(&head, &rows);
    document.paragraph(&format!(
        "hydra-registry with two threads: {} µs per row, {} as fast as with one.",
        ours.two_threads.shown(1e-6),
        times(ours.batch.median(), ours.two_threads.median())
    ));
    for (engine, reason) in absent {
        document.paragraph(&format!("{}: {reason}.", engine.description()?.0));
    }
    Ok(())
}

fn goals(
    shape: &Shape,
    text: f64,
    contenders: &[Contender],
    absent: &[(Engine, String)],
) -> Result<Vec<Goal>> {
    let find = |engine| contenders.iter().find(|contender| contender.engine == engine);
    let ours = find(Native).context("hydra-registry is not among the contenders")?;
    let of = |what: &str| format!("{what}, {}", shape.name);
    let ratio = |engine| find(engine).map(|other| other.batch.median() / ours.batch.median());
    let lightgbm = [LightGbmRust, LightGbmPython].into_iter().filter_map(ratio).fold(f64::INFINITY, f64::min);
    let mut goals = vec![Goal::at_least(of("batch, compared with the faster LightGBM"), 8.0, lightgbm, " ×")];
    match (ratio(Lleaves), absent.iter().find(|(engine, _)| *engine == Lleaves)) {
        (Some(ratio), _) => goals.push(Goal::at_least(of("batch, compared with lleaves"), 2.0, ratio, " ×")),
        (None, Some((_, reason))) if shape.compilers => {
            goals.push(Goal::not_measured(of("batch, compared with lleaves"), "≥ 2 ×", reason));
        }
        _ => {}
    }
    let two = ours.batch.median() / ours.two_threads.median();
    goals.push(Goal::at_least(of("two threads, compared with one"), 1.8, two, " ×"));
    let row = ours.row.median() * 1e6;
    match shape.name {
        "small" => goals.push(Goal::at_most(of("single row"), 2.0, row, " µs")),
        "medium" => goals.push(Goal::at_most(of("single row"), 15.0, row, " µs")),
        _ => {
            goals.push(Goal::at_least(of("reader"), 300.0, text / 1e6 / ours.read.median(), " MB/s"));
            goals.push(Goal::at_most(of("model text to ready"), 150.0, ours.load.median() * 1e3, " ms"));
            goals.push(Goal::at_most(of("memory, compared with the text"), 3.0, ours.memory / text, " ×"));
        }
    }
    goals.push(Goal::at_most(of("scores that differ from LightGBM's in any bit"), 0.0, ours.different, ""));
    Ok(goals)
}
