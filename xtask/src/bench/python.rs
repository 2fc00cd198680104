//! The Python package, next to LightGBM's own, MLflow's and Spark's.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::python::{DISTRIBUTED, install};
use crate::shell::say;
use crate::wheel;

use super::document::{Document, Goal};
use super::machine::version;
use super::samples::{digits, seconds, times};
use super::scoring::{directory, make_models};
use super::server::Server;
use super::worker::Worker;
use super::{Effort, built, home, interpreter, script};

/// The time limit of a measurement.
const LIMIT: Duration = Duration::from_mins(20);

/// The number of rows in the batches of the Rust worker, and in those of the package.
const ROWS: [f64; 2] = [20_000.0, 100_000.0];

/// Measures the published wheel.
pub fn run(effort: Effort) -> Result<(Document, Vec<Goal>)> {
    make_models()?;
    install(DISTRIBUTED, &wheel::wheel()?)?;
    let home = home().join("python");
    fs::create_dir_all(&home)?;
    fs::write(home.join("hydra.toml"), "")?;
    let models = directory("small").with_file_name("");
    let mut command = Command::new(interpreter(DISTRIBUTED));
    command.arg(script("package.py")).arg(models).arg(&home).current_dir(&home);
    // A setting for broken processors of some machines, which slows NumPy down.
    command.env_remove("OPENBLAS_CORETYPE").env("MLFLOW_DISABLE_TELEMETRY", "true");
    let mut package = Worker::start("python package", &mut command)?;
    let rounds = if effort == Effort::Full { 20 } else { 2 };
    let mut document = Document::default();
    document.paragraph(&format!(
        "The wheel that `cargo xtask wheel` builds, and LightGBM {}, MLflow {} and Spark {}, alternating in one process; the best of \
         {rounds} rounds, medians for the champion. Every contender uses one thread.",
        version(DISTRIBUTED, "lightgbm")?,
        version(DISTRIBUTED, "mlflow")?,
        version(DISTRIBUTED, "pyspark")?,
    ));
    let mut measured = Measured { package: &mut package, rows: Vec::new(), goals: Vec::new() };
    measured.import(rounds)?;
    measured.predictions(rounds)?;
    measured.memory()?;
    measured.champion(&home, rounds)?;
    measured.spark(if effort == Effort::Full { 3 } else { 1 })?;
    let Measured { rows, goals, .. } = measured;
    document.table(&["", "hydra-registry", "the other", "ours ×"], &rows);
    Ok((document, goals))
}

/// The measurements so far.
struct Measured<'a> {
    package: &'a mut Worker,
    rows: Vec<Vec<String>>,
    goals: Vec<Goal>,
}

impl Measured<'_> {
    fn ask(&mut self, request: &str) -> Result<Vec<f64>> {
        say(format!("python: {request}"));
        self.package.measure_within(request, LIMIT)
    }

    fn compare(&mut self, what: &str, ours: f64, other: f64, least: f64) {
        self.rows.push(vec![what.to_owned(), seconds(ours), seconds(other), times(other, ours)]);
        self.goals.push(Goal::at_least(what, least, other / ours, " ×"));
    }

    fn import(&mut self, rounds: usize) -> Result<()> {
        let time = self.ask(&format!("imports {rounds}"))?[0];
        self.goals.push(Goal::at_most("`import hydra_registry`, beyond NumPy", 40.0, time * 1e3, " ms"));
        Ok(())
    }

    fn predictions(&mut self, rounds: usize) -> Result<()> {
        for (shape, least) in [("small", 5.0), ("medium", 5.0)] {
            let found = self.ask(&format!("row {shape} {rounds}"))?;
            self.compare(
                &format!("one row of an array, {shape} model, compared with LightGBM"),
                found[0],
                found[1],
                least,
            );
            if shape == "small" {
                self.goals.push(Goal::at_most("one row, small model", 5.0, found[0] * 1e6, " µs"));
            }
        }
        for shape in ["small", "medium"] {
            let found = self.ask(&format!("batch {shape} {rounds}"))?;
            let mut rust = Command::new(built("bench-worker"));
            let mut rust =
                Worker::start("python rust", rust.args(["scoring", "native"]).arg(directory(shape)))?;
            rust.measure("load")?;
            let turns = (0..rounds).map(|_| rust.number("batch")).collect::<Result<Vec<_>>>()?;
            let best = turns.into_iter().fold(f64::INFINITY, f64::min) / ROWS[0] * ROWS[1];
            self.compare(
                &format!("100,000 rows of an array, {shape} model, compared with LightGBM"),
                found[0],
                found[1],
                5.0,
            );
            let what = format!("100,000 rows of an array, {shape} model, compared with the Rust library");
            self.goals.push(Goal::at_most(what, 1.1, found[0] / best, " ×"));
        }
        let found = self.ask(&format!("frame {rounds}"))?;
        self.compare(
            "100,000 rows of a pandas frame of 20 doubles, compared with LightGBM",
            found[0],
            found[1],
            10.0,
        );
        Ok(())
    }

    fn memory(&mut self) -> Result<()> {
        for order in ["C", "F"] {
            let share = self.ask(&format!("memory {order}"))?[0];
            let what = format!("memory for scoring an array of 320 MB in order {order}, beyond the answer");
            self.goals.push(Goal::at_most(what, 5.0, share * 100.0, " % of the array"));
        }
        Ok(())
    }

    fn champion(&mut self, home: &std::path::Path, rounds: usize) -> Result<()> {
        let server = Server::start(&home.join("server"), 1)?;
        let found = self.ask(&format!("champion {} {rounds}", server.url))?;
        let what = "`load_champion` from a server, compared with `mlflow.lightgbm.load_model`";
        self.compare(&format!("{what}, without a cache"), found[0], found[2], 10.0);
        self.compare(&format!("{what}, second call"), found[1], found[2], 30.0);
        Ok(())
    }

    fn spark(&mut self, rounds: usize) -> Result<()> {
        let found = self.ask(&format!("spark {rounds}"))?;
        self.compare(
            "1,000,000 rows of Parquet in Spark on one core, compared with `spark_udf`",
            found[0],
            found[1],
            3.0,
        );
        let outside =
            Goal::at_most("time of the batch function outside predict", 20.0, found[2] * 100.0, " %");
        self.goals.push(outside);
        say(format!("python: {} rows/s per core in Spark", digits(1e6 / found[0])));
        Ok(())
    }
}
