//! The registry's operations with hydra-registry and with MLflow's Python client, each as a library and as a process,
//! on the same stores.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::setup::MLFLOW;
use crate::shell::say;

use super::document::{Document, Goal};
use super::samples::{Samples, times};
use super::server::Server;
use super::worker::Worker;
use super::{Effort, built, home, interpreter, requests, script};

/// The measured operations, and their names in the tables.
const OPERATIONS: [(&str, &str); 6] = [
    ("log", "log a candidate"),
    ("promote", "promote it"),
    ("rollback", "roll back"),
    ("champion", "look up the champion"),
    ("load", "load the champion"),
    ("list", "list versions"),
];

/// The configuration of a candidate, as in `registry.py`.
const CONFIG: &str = r#"{"seed": 7, "name": "bench", "data": {"rows": 20000, "split": 0.8}}"#;

/// The servers and their numbers of worker processes: MLflow's default, and the minimum.
const SERVERS: [(&str, usize); 2] = [("MLflow server", 4), ("MLflow server, one worker", 1)];

/// A client of the registry, with a separate registered model.
struct Contender {
    kind: Kind,
    /// The times of each operation.
    samples: Vec<Samples>,
}

enum Kind {
    /// A worker that holds the registry open.
    Worker(Worker),
    /// A new process for each operation.
    Process(Commands),
}

/// The times of our library's operations without a cache.
#[derive(Default)]
struct Uncached {
    load: Samples,
    promote: Samples,
}

/// The command for an operation, if it exists.
type Commands = Box<dyn Fn(&str) -> Option<Command>>;

/// A store, and the working directory of its clients.
#[derive(Clone)]
struct Place {
    name: &'static str,
    uri: String,
    home: PathBuf,
}

/// Runs every operation on a server and on the local stores.
pub fn run(effort: Effort) -> Result<(Document, Vec<Goal>)> {
    let home = home().join("registry");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    fs::create_dir_all(&home)?;
    // The project root of hydra-registry's processes, without settings.
    fs::write(home.join("hydra.toml"), "")?;
    fs::write(home.join("config.json"), CONFIG)?;
    super::scoring::make_models()?;
    let mut document = Document::default();
    document.paragraph(
        "All contenders do the same operations on the same store: hydra-registry as a library and as a new process for each \
         operation, and MLflow's Python client in a process that has already imported it and as a new process. Every contender \
         has its own registered model with the same number of versions; the logged model is the small one of *Scoring*. Our promotion and \
         rollback run the sandboxed policy, check its answer, and record evidence, decision and outcome in the ledger, safely \
         against crashes and concurrent writers; the Python client only moves aliases. The server runs on sqlite, first with the \
         four worker processes that `mlflow server` starts by default, then with one. Times are in ms.",
    );
    let mut goals = Vec::new();
    for (name, workers) in SERVERS {
        say(format!("registry: starting an MLflow server, workers: {workers}"));
        let server = Server::start(&home.join(format!("server-{workers}")), workers)?;
        let place = Place { name, uri: server.url.clone(), home: home.clone() };
        goals.extend(measure(&place, effort, &mut document)?);
        if workers == 1 {
            requests::run(&server, &home, &model_file(), effort, &mut document)?;
        }
    }
    let database = format!("sqlite:///{}", home.join("local.db").display());
    let files = home.join("mlruns").display().to_string();
    for (name, uri) in [("local database", database), ("file store", files)] {
        let place = Place { name, uri, home: home.clone() };
        goals.extend(measure(&place, effort, &mut document)?);
    }
    document.paragraph(
        "Python's `log_model` receives its requirements as an argument; otherwise it would spend seconds inferring them in another \
         process. Our `load` reads the model cache and checks the digest; the row *without cache* fetches the model as Python does. \
         Our `promote` makes sure that the models of the versions can be loaded: of a model that was opened before it asks only \
         whether the files are still there, and the row *without cache* fetches and opens the models of all three versions.",
    );
    Ok((document, goals))
}

fn measure(place: &Place, effort: Effort, document: &mut Document) -> Result<Vec<Goal>> {
    say(format!("registry: {}", place.name));
    let (rounds, processes) = if effort == Effort::Full { (11, 3) } else { (2, 1) };
    // Python first: it creates the local database, which hydra-registry then uses.
    let mut python = Contender::new(Kind::Worker(python_worker(place)?));
    python.start()?;
    let mut ours = Contender::new(Kind::Worker(our_worker(place)?));
    let mut our_process = Contender::new(Kind::Process(our_processes(place)));
    let mut python_process = Contender::new(Kind::Process(python_processes(place)));
    for contender in [&mut ours, &mut our_process, &mut python_process] {
        contender.start()?;
    }
    let mut uncached = Uncached::default();
    for round in 0..rounds {
        say(format!("  round {} of {rounds}", round + 1));
        for (index, (operation, _)) in OPERATIONS.iter().enumerate() {
            python.run(index)?;
            if *operation == "promote" {
                ours.time("open")?;
            }
            ours.run(index)?;
            if round < processes {
                if *operation == "promote" {
                    our_process.time("open")?;
                }
                our_process.run(index)?;
                python_process.run(index)?;
            }
        }
        if let Kind::Worker(worker) = &mut ours.kind {
            uncached.load.push(worker.number("load-uncached 0")?);
            worker.number("log 0")?;
            uncached.promote.push(worker.number("promote-uncached 0")?);
        }
    }
    let contenders = [&ours, &python, &our_process, &python_process];
    tabulate(place, contenders, &uncached, document);
    Ok(goals(place, contenders, &uncached))
}

impl Contender {
    fn new(kind: Kind) -> Self {
        Self { kind, samples: vec![Samples::default(); OPERATIONS.len()] }
    }

    /// Promotes a first champion, so that later transitions have a version to archive. Not measured.
    fn start(&mut self) -> Result<()> {
        self.time("log")?;
        self.time("promote").map(drop)
    }

    fn run(&mut self, operation: usize) -> Result<()> {
        if let Some(seconds) = self.time(OPERATIONS[operation].0)? {
            self.samples[operation].push(seconds);
        }
        Ok(())
    }

    /// The duration of an operation in seconds; `None` if no command exists for it.
    fn time(&mut self, operation: &str) -> Result<Option<f64>> {
        match &mut self.kind {
            // Version 0 is the version behind `candidate`.
            Kind::Worker(worker) => worker.number(&format!("{operation} 0")).map(Some),
            Kind::Process(command) => command(operation).map(|mut command| time(&mut command)).transpose(),
        }
    }
}

/// The duration in seconds of a process that must succeed.
fn time(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(seconds)
}

fn model_file() -> PathBuf {
    home().join("models/small/model.txt")
}

fn our_worker(place: &Place) -> Result<Worker> {
    let mut command = Command::new(built("bench-worker"));
    command.args(["registry", &place.uri, "bench-library"]).arg(model_file()).arg(place.home.join("cache"));
    Worker::start(&format!("library {}", place.name), clean(&mut command, &place.home))
}

fn python_command(place: &Place, model: &str) -> Command {
    let mut command = Command::new(interpreter(MLFLOW));
    command.arg(script("registry.py")).args([&place.uri, model]).arg(model_file());
    clean(&mut command, &place.home)
        .env("MLFLOW_ALLOW_FILE_STORE", "true")
        .env("MLFLOW_DISABLE_TELEMETRY", "true");
    command
}

fn python_worker(place: &Place) -> Result<Worker> {
    Worker::start(&format!("python {}", place.name), &mut python_command(place, "bench-python"))
}

fn our_processes(place: &Place) -> Commands {
    let place = place.clone();
    Box::new(move |operation| {
        let model_file = model_file().display().to_string();
        let words: Vec<&str> = match operation {
            "log" => vec![
                "log-candidate",
                &model_file,
                "--metric",
                "auc=0.913",
                "--metric",
                "logloss=0.25",
                "--metric",
                "rows=20000",
                "--config-file",
                "config.json",
                "--tag",
                "team=bench",
                "--run-name",
                "bench",
            ],
            "open" => vec!["promote", "--dry-run"],
            "promote" | "rollback" | "champion" | "list" => vec![operation],
            // No command loads a model without predicting.
            _ => return None,
        };
        let mut command = Command::new(built("hydra-registry"));
        command.args(["--tracking-uri", &place.uri, "--model", "bench-process"]).args(words);
        clean(&mut command, &place.home).env("HYDRA_CACHE_DIR", place.home.join("cache"));
        Some(command)
    })
}

fn python_processes(place: &Place) -> Commands {
    let place = place.clone();
    Box::new(move |operation| {
        let mut command = python_command(&place, "bench-python-process");
        command.args([operation, "0"]);
        Some(command)
    })
}

/// Runs a command in `home`, without the settings in the caller's environment.
fn clean<'c>(command: &'c mut Command, home: &Path) -> &'c mut Command {
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("MLFLOW_") || name.starts_with("HYDRA_") {
            command.env_remove(&key);
        }
    }
    command.current_dir(home)
}

fn tabulate(place: &Place, contenders: [&Contender; 4], uncached: &Uncached, document: &mut Document) {
    document.paragraph(&format!("### {}", place.name));
    let [ours, python, our_process, python_process] = contenders;
    let cells = |what: &str, row: [&Samples; 4]| {
        vec![
            what.to_owned(),
            row[0].shown(1e-3),
            row[1].shown(1e-3),
            times(row[1].median(), row[0].median()),
            row[2].shown(1e-3),
            row[3].shown(1e-3),
            times(row[3].median(), row[2].median()),
        ]
    };
    let mut rows = Vec::new();
    for (index, (operation, what)) in OPERATIONS.iter().enumerate() {
        let all = [ours, python, our_process, python_process].map(|contender| &contender.samples[index]);
        rows.push(cells(what, all));
        let without_cache = match *operation {
            "promote" => &uncached.promote,
            "load" => &uncached.load,
            _ => continue,
        };
        let none = Samples::default();
        rows.push(cells("… without cache", [without_cache, all[1], &none, &none]));
    }
    document.table(
        &["", "our library", "Python client", "ours ×", "our process", "Python process", "ours ×"],
        &rows,
    );
}

fn goals(place: &Place, contenders: [&Contender; 4], uncached: &Uncached) -> Vec<Goal> {
    let [ours, python, our_process, python_process] = contenders;
    let champion = OPERATIONS.iter().position(|(operation, _)| *operation == "champion").unwrap_or(0);
    let ratio = |slow: &Samples, fast: &Samples| slow.median() / fast.median();
    let mut goals = vec![Goal::at_least(
        format!("`champion` as a process, compared with Python's, {}", place.name),
        50.0,
        ratio(&python_process.samples[champion], &our_process.samples[champion]),
        " ×",
    )];
    if place.uri.starts_with("http") {
        let all = python.samples.iter().zip(&ours.samples).zip(OPERATIONS);
        let ratios = all.map(|((python, ours), (operation, _))| (ratio(python, ours), operation));
        let with_load = ratios.chain([(ratio(&python.samples[LOAD], &uncached.load), "load without cache")]);
        let (slowest, operation) =
            with_load.fold((f64::INFINITY, ""), |least, next| if next.0 < least.0 { next } else { least });
        goals.push(Goal::at_least(
            format!(
                "slowest operation of the library (`{operation}`), compared with Python's in-process, {}",
                place.name
            ),
            1.0,
            slowest,
            " ×",
        ));
    }
    goals
}

/// The index of loading in the operations.
const LOAD: usize = 4;
