//! Evaluations of two models on the same rows, next to NumPy with scikit-learn's definitions, and to `mlflow.evaluate`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::setup::MLFLOW;
use crate::shell::{run as sh, say};

use super::document::{Document, Goal};
use super::samples::{Samples, digits, seconds, times};
use super::worker::Worker;
use super::{Effort, built, home, interpreter, script};

/// The number of threads of every contender.
const THREADS: usize = 2;

/// The time limit of a measurement.
const LIMIT: Duration = Duration::from_mins(20);

/// What is measured: the argument of the workers, and its description.
const KINDS: [(&str, &str); 2] =
    [("plain", "AUC and log loss"), ("weighted", "AUC and log loss under weights")];

/// The times of both contenders for one kind.
#[derive(Default)]
struct Times {
    ours: Samples,
    numpy: Samples,
    /// The greatest relative difference of the values.
    difference: f64,
}

/// Evaluates with every contender, alternating.
pub fn run(effort: Effort) -> Result<(Document, Vec<Goal>)> {
    let (rows, resamples, rounds) =
        if effort == Effort::Full { (1_000_000, 1_000, 3) } else { (20_000, 100, 1) };
    let directory = rows_of(rows)?;
    let mut rust = Command::new(built("bench-worker"));
    let mut ours = Worker::start("evaluation ours", rust.arg("evaluation").arg(&directory))?;
    let mut numpy = Worker::start("evaluation numpy", &mut peer(&directory))?;
    let mut mlflow = Worker::start("evaluation mlflow", &mut peer(&directory))?;
    let mut all: Vec<Times> = KINDS.iter().map(|_| Times::default()).collect();
    let mut of_mlflow = Samples::default();
    for round in 0..rounds {
        for ((kind, what), times) in KINDS.iter().zip(&mut all) {
            say(format!("evaluation: {what}, round {} of {rounds}", round + 1));
            let request = format!("measure {kind} {resamples} {THREADS}");
            let found = ours.measure_within(&request, LIMIT)?;
            times.ours.push(found[0]);
            // NumPy takes minutes, so that it has one turn.
            if round == 0 {
                let expected = numpy.measure_within(&request, LIMIT)?;
                times.numpy.push(expected[0]);
                for (found, expected) in found[1..].iter().zip(&expected[1..]) {
                    times.difference = times.difference.max((found / expected - 1.0).abs());
                }
            }
        }
        say(format!("evaluation: mlflow.evaluate, round {} of {rounds}", round + 1));
        of_mlflow.push(mlflow.measure_within("mlflow", LIMIT)?[0]);
    }
    let [our_memory, numpy_memory, mlflow_memory] =
        [&mut ours, &mut numpy, &mut mlflow].map(|worker| worker.number("memory"));
    let memory = [our_memory?, numpy_memory?, mlflow_memory?];

    let mut document = Document::default();
    document.paragraph(&format!(
        "Two models of 500 trees × 63 leaves on {rows} rows × 30 columns of Parquet, {THREADS} threads: from the files to AUC and log \
         loss of both, with the 95 % intervals of the values and of the paired differences. Without weights, our intervals of the \
         AUC are DeLong's; everything else is a paired Poisson bootstrap of {resamples} resamples on all sides. NumPy sorts the \
         scores once and computes all resamples of a chunk in one operation, with scikit-learn's definitions \
         (`benchmarks/python/evaluation.py`), and takes one turn of each kind beside {rounds} of ours. `mlflow.evaluate` measures the \
         predictions of one model once, without resamples and intervals."
    ));
    document.table(&["", "hydra-registry", "NumPy", "ours ×", "values differ by"], &table(&all));
    let [our_memory, numpy_memory, mlflow_memory] = memory.map(|bytes| digits(bytes / 1e6));
    document.paragraph(&format!(
        "`mlflow.evaluate` for one model without resamples: {}. The peaks of the processes, over both kinds: hydra-registry \
         {our_memory} MB, NumPy {numpy_memory} MB; `mlflow.evaluate`: {mlflow_memory} MB.",
        seconds(of_mlflow.median())
    ));
    Ok((document, goals(&all, memory)))
}

fn table(all: &[Times]) -> Vec<Vec<String>> {
    let row = |((_, what), of): (&(&str, &str), &Times)| {
        vec![
            (*what).to_owned(),
            format!("{} s", of.ours.shown(1.0)),
            format!("{} s", of.numpy.shown(1.0)),
            times(of.numpy.median(), of.ours.median()),
            format!("{:.1e}", of.difference),
        ]
    };
    KINDS.iter().zip(all).map(row).collect()
}

fn goals(all: &[Times], [ours, numpy, _]: [f64; 3]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for ((_, what), of) in KINDS.iter().zip(all) {
        let faster = of.numpy.median() / of.ours.median();
        goals.push(Goal::at_least(format!("{what}, compared with NumPy"), 10.0, faster, " ×"));
        let unit = " × 1e-12";
        goals.push(Goal::at_most(
            format!("{what}, difference of the values"),
            1.0,
            of.difference * 1e12,
            unit,
        ));
    }
    goals.push(Goal::at_least("peak memory of NumPy, compared with ours", 5.0, numpy / ours, " ×"));
    goals
}

/// The directory with the models and so many rows, which Python writes the first time.
fn rows_of(rows: usize) -> Result<PathBuf> {
    let directory = home().join(format!("evaluation-{rows}"));
    let complete = directory.join("complete");
    if !complete.exists() {
        say(format!("evaluation: training two models, writing {rows} rows"));
        let mut command = Command::new(interpreter(MLFLOW));
        sh(command.arg(script("evaluation.py")).arg("make").arg(&directory).arg(rows.to_string()))?;
        fs::write(&complete, "").context("cannot mark the rows as complete")?;
    }
    Ok(directory)
}

fn peer(directory: &Path) -> Command {
    let mut command = Command::new(interpreter(MLFLOW));
    command.arg(script("evaluation.py")).arg("serve").arg(directory);
    for library in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
        command.env(library, THREADS.to_string());
    }
    command
}
