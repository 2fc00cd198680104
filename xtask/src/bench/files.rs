//! Predictions from file to file, next to pandas with LightGBM.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::setup::MLFLOW;
use crate::shell::{run as sh, say};

use super::document::{Document, Goal};
use super::samples::{Samples, digits, times};
use super::scoring::directory;
use super::worker::Worker;
use super::{Effort, built, home, interpreter, script};

/// The time limit of a command.
const LIMIT: Duration = Duration::from_mins(10);

/// The formats of the rows, and how many times as fast as pandas predictions must be.
const FORMATS: [(&str, f64); 2] = [("csv", 5.0), ("parquet", 15.0)];

/// A command, and its measurements.
struct Run {
    command: String,
    taken: Samples,
    /// The peak of its largest process, in bytes.
    peak: f64,
}

impl Run {
    fn new(command: String) -> Self {
        Self { command, taken: Samples::default(), peak: 0.0 }
    }

    fn take_turn(&mut self, worker: &mut Worker) -> Result<()> {
        let [taken, peak] = worker.measure_within(&format!("run {}", self.command), LIMIT)?[..] else {
            bail!("`{}` has no time and peak", self.command);
        };
        self.taken.push(taken);
        self.peak = self.peak.max(peak);
        Ok(())
    }

    fn row(&self, file: &str, name: &str, ours: &Run) -> Vec<String> {
        vec![
            file.to_owned(),
            name.to_owned(),
            format!("{} s", self.taken.shown(1.0)),
            times(self.taken.median(), ours.taken.median()),
            format!("{} MB", digits(self.peak / 1e6)),
            times(self.peak, ours.peak),
        ]
    }
}

/// Scores files with every contender, alternating.
pub fn run(effort: Effort, document: &mut Document) -> Result<Vec<Goal>> {
    let (rows, rounds) = if effort == Effort::Full { (1_000_000, 5) } else { (20_000, 1) };
    let (model, files, scratch) =
        (directory("small").join("model.txt"), rows_of(rows)?, home().join("files-out"));
    fs::create_dir_all(&scratch).context("cannot create the directory of the predictions")?;
    let model = model.display();
    let ours = |input: &str, format: &str| {
        let (binary, output) = (built("hydra-registry"), scratch.join(format!("ours.{format}")));
        format!("{} -q predict {input} --model-file {model} --out {}", binary.display(), output.display())
    };
    let theirs = |input: &str, format: &str| {
        let (python, script) = (interpreter(MLFLOW), script("files.py"));
        let output = scratch.join(format!("pandas.{format}"));
        format!("{} {} predict {model} {input} {}", python.display(), script.display(), output.display())
    };
    let mut pairs = FORMATS.map(|(format, _)| {
        let input = files.join(format!("rows.{format}")).display().to_string();
        [Run::new(ours(&input, format)), Run::new(theirs(&input, format))]
    });
    let packed = files.join("rows.csv.gz").display().to_string();
    let piped = format!("zcat {packed} | {}", ours("- --in-format csv", "csv"));
    let mut gzip = [Run::new(ours(&packed, "csv")), Run::new(piped)];
    let mut command = Command::new(interpreter(MLFLOW));
    let mut worker = Worker::start("files", command.arg(script("files.py")).arg("serve"))?;
    for round in 0..rounds {
        say(format!("files: round {} of {rounds}", round + 1));
        for run in pairs.iter_mut().flatten().chain(&mut gzip) {
            run.take_turn(&mut worker)?;
        }
    }
    let [one, other] = ["ours", "pandas"].map(|name| scratch.join(format!("{name}.parquet")));
    let difference = worker.number(&format!("differs {} {}", one.display(), other.display()))?;
    fs::remove_dir_all(&scratch).context("cannot remove the predictions")?;

    document.paragraph(&format!(
        "### From file to file\n\nWhole commands that score {rows} rows × 20 columns with the first model and write the predictions in the \
         format of the rows: `hydra-registry predict`, and a Python program of pandas and LightGBM (`benchmarks/python/files.py`), each \
         with the threads that it chooses. *Peak*: the resident memory of the largest process."
    ));
    let (mut table, mut goals) = (Vec::new(), Vec::new());
    for ((format, wanted), [ours, theirs]) in FORMATS.iter().zip(&pairs) {
        table.push(ours.row(format, "hydra-registry", ours));
        table.push(theirs.row(format, "pandas and LightGBM", ours));
        let of = |what: &str| format!("predict on {format}, {what}");
        let faster = theirs.taken.median() / ours.taken.median();
        goals.push(Goal::at_least(of("compared with pandas and LightGBM"), *wanted, faster, " ×"));
        let larger = theirs.peak / ours.peak;
        goals.push(Goal::at_least(of("peak memory of pandas, compared with ours"), 10.0, larger, " ×"));
    }
    let [unpacked, pipe] = &gzip;
    table.push(unpacked.row("csv.gz", "hydra-registry", unpacked));
    table.push(pipe.row("csv.gz", "`zcat`, piped into it", unpacked));
    document.table(&["file", "", "time", "ours ×", "peak", "ours ×"], &table);
    let slower = unpacked.taken.median() / pipe.taken.median();
    goals.push(Goal::at_most("predict on gzip, compared with zcat piped into it", 1.2, slower, " ×"));
    goals.push(Goal::at_most(
        "predict on parquet, difference of the predictions",
        1.0,
        difference * 1e15,
        " × 1e-15",
    ));
    Ok(goals)
}

/// The directory with so many rows, which Python writes the first time.
fn rows_of(rows: usize) -> Result<PathBuf> {
    let files = home().join(format!("files-{rows}"));
    let complete = files.join("complete");
    if !complete.exists() {
        say(format!("files: writing {rows} rows"));
        let mut command = Command::new(interpreter(MLFLOW));
        command.arg(script("files.py")).arg("make").arg(&files);
        sh(command.arg(directory("small").join("model.txt")).arg(rows.to_string()))?;
        fs::write(&complete, "").context("cannot mark the rows as complete")?;
    }
    Ok(files)
}
