//! Scoring servers: `hydra-registry serve`, MLflow's and MLServer, with the same model and the same load generator.

mod server;
mod swap;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::setup::MLFLOW;
use crate::shell::{run as sh, say};

use super::document::{Document, Goal};
use super::samples::{Samples, digits, seconds, times};
use super::scoring::{directory, make_models};
use super::worker::Worker;
use super::{Effort, built, home, interpreter, script};

use server::{Kind, Scoring};

/// The environment with MLServer.
pub(super) const SERVING: &str = "serving";

/// The connections of the measurements of throughput.
const CONNECTIONS: usize = 8;

/// What a request file contains, and what a server reads.
const FORMS: [(&str, &str); 4] =
    [("mlflow", "MLflow's JSON"), ("v2", "v2, JSON"), ("binary", "v2, binary"), (GRPC, "gRPC")];

/// The form whose requests go over gRPC, with one connection.
const GRPC: &str = "grpc";

/// The measurements of one server and one request.
#[derive(Default)]
struct Measured {
    p50: Samples,
    p99: Samples,
    rate: Samples,
}

/// A server with one kind of request.
struct Contender {
    what: &'static str,
    form: &'static str,
    server: Scoring,
    one: Measured,
    many: Measured,
}

/// Measures all servers, which take turns.
pub fn run(effort: Effort) -> Result<(Document, Vec<Goal>)> {
    make_models()?;
    let home = home().join("serving");
    sh(Command::new(interpreter(MLFLOW)).arg(script("serving.py")).arg(directory("medium")).arg(&home))?;
    let mut load = Worker::start("serving load", Command::new(built("bench-worker")).arg("load").arg(&home))?;
    let (turns, time) = if effort == Effort::Full { (7, 3.0) } else { (1, 0.5) };

    let mut contenders = start_all(&home, &mut load, time)?;
    for turn in 0..turns {
        say(format!("serving: turn {} of {turns}", turn + 1));
        for contender in &mut contenders {
            contender.measure(&mut load, time)?;
        }
    }
    let mut goals = compare(&contenders);
    let mut document = Document::default();
    document.paragraph(&format!(
        "One model of 500 trees × 63 leaves, 30 features; the clients are on the same machine, over loopback. One row: one connection \
         that is kept, latencies; 1,000 rows: the same. Throughput: {CONNECTIONS} connections with one row each. Medians of {turns} turns \
         of {time} s. MLflow and MLServer run with the number of workers, of those tried, that answers the most requests: {}.",
        contenders.iter().map(|one| one.server.description()).collect::<Vec<_>>().join("; ")
    ));
    document.table(
        &["", "one row, p50", "p99", "rows per second, 8 connections", "1,000 rows, p50"],
        &table(&contenders),
    );
    let rate = contenders.iter().find(|one| one.server.kind == Kind::Ours && one.form == "mlflow");
    let rate = rate.map_or(f64::NAN, |one| one.one.rate.median());
    drop(contenders);
    goals.extend(memory_and_start(&home, &mut load, &mut document)?);
    goals.extend(swap::run(&home, &mut load, rate, effort, &mut document)?);
    Ok((document, goals))
}

fn start_all(home: &Path, load: &mut Worker, time: f64) -> Result<Vec<Contender>> {
    let mut contenders = Vec::new();
    for (form, what) in FORMS {
        contenders.push(Contender::new(what, form, Scoring::start(Kind::Ours, 0, home, load)?));
    }
    for (kind, form, what, all) in
        [(Kind::Mlflow, "mlflow", "MLflow's JSON", [1, 2]), (Kind::MlServer, "v2", "v2, JSON", [0, 2])]
    {
        // One server runs at a time, and the fastest is started again.
        let mut best = (f64::NEG_INFINITY, 0);
        for workers in all {
            let server = Scoring::start(kind, workers, home, load)?;
            let found = load.measure(&server.closed(form, 1, CONNECTIONS, time))?;
            best = if found[0] > best.0 { (found[0], workers) } else { best };
        }
        contenders.push(Contender::new(what, form, Scoring::start(kind, best.1, home, load)?));
        if kind == Kind::MlServer {
            contenders.push(Contender::new("gRPC", GRPC, Scoring::start(kind, best.1, home, load)?));
        }
    }
    Ok(contenders)
}

impl Contender {
    fn new(what: &'static str, form: &'static str, server: Scoring) -> Self {
        Self { what, form, server, one: Measured::default(), many: Measured::default() }
    }

    fn measure(&mut self, load: &mut Worker, time: f64) -> Result<()> {
        if self.form == GRPC {
            for (rows, measured) in [(1, &mut self.one), (1000, &mut self.many)] {
                let found = load.measure(&self.server.grpc(rows, time))?;
                measured.p50.push(found[1]);
                measured.p99.push(found[2]);
            }
            return Ok(());
        }
        let found = load.measure(&self.server.closed(self.form, 1, 1, time))?;
        self.one.p50.push(found[1]);
        self.one.p99.push(found[2]);
        self.one.rate.push(load.measure(&self.server.closed(self.form, 1, CONNECTIONS, time))?[0]);
        let found = load.measure(&self.server.closed(self.form, 1000, 1, time))?;
        self.many.p50.push(found[1]);
        self.many.rate.push(found[0] * 1000.0);
        Ok(())
    }
}

fn table(contenders: &[Contender]) -> Vec<Vec<String>> {
    let row = |one: &Contender| {
        vec![
            format!("{}, {}", one.server.kind.name(), one.what),
            seconds(one.one.p50.median()),
            seconds(one.one.p99.median()),
            if one.form == GRPC { "–".to_owned() } else { digits(one.one.rate.median()) },
            seconds(one.many.p50.median()),
        ]
    };
    contenders.iter().map(row).collect()
}

fn compare(contenders: &[Contender]) -> Vec<Goal> {
    let find =
        |kind: Kind, form: &str| contenders.iter().find(|one| one.server.kind == kind && one.form == form);
    let ratio = |other: Option<&Contender>, ours: Option<&Contender>, of: fn(&Contender) -> &Samples| {
        other.zip(ours).map_or(f64::NAN, |(other, ours)| of(other).median() / of(ours).median())
    };
    let ours = |form| find(Kind::Ours, form);
    let (mlflow, mlserver) = (find(Kind::Mlflow, "mlflow"), find(Kind::MlServer, "v2"));
    vec![
        Goal::at_least(
            "one row, p50, compared with MLflow",
            15.0,
            ratio(mlflow, ours("mlflow"), |one| &one.one.p50),
            " ×",
        ),
        Goal::at_least(
            "one row, p50, compared with MLServer",
            6.0,
            ratio(mlserver, ours("v2"), |one| &one.one.p50),
            " ×",
        ),
        Goal::at_least(
            "one row, p99, compared with MLflow",
            20.0,
            ratio(mlflow, ours("mlflow"), |one| &one.one.p99),
            " ×",
        ),
        Goal::at_least(
            "one row, p99, compared with MLServer",
            20.0,
            ratio(mlserver, ours("v2"), |one| &one.one.p99),
            " ×",
        ),
        Goal::at_least(
            "requests per second, compared with MLflow",
            15.0,
            ratio(ours("mlflow"), mlflow, |one| &one.one.rate),
            " ×",
        ),
        Goal::at_least(
            "1,000 rows of JSON, rows per second, compared with MLflow",
            5.0,
            ratio(ours("mlflow"), mlflow, |one| &one.many.rate),
            " ×",
        ),
        Goal::at_least(
            "1,000 rows, binary compared with JSON",
            1.0,
            ratio(ours("v2"), ours("binary"), |one| &one.many.p50),
            " ×",
        ),
        Goal::at_least(
            "1,000 rows, gRPC compared with JSON",
            1.0,
            ratio(ours("v2"), ours(GRPC), |one| &one.many.p50),
            " ×",
        ),
    ]
}

/// The memory of a server at rest, and the time from its start to its first answer.
fn memory_and_start(home: &Path, load: &mut Worker, document: &mut Document) -> Result<Vec<Goal>> {
    say("serving: memory and start");
    let mut scorer = Command::new(built("bench-worker"));
    let mut scorer =
        Worker::start("serving scorer", scorer.args(["scoring", "native"]).arg(directory("medium")))?;
    let (mut starts, mut reads) = (Samples::default(), Samples::default());
    let mut memory = f64::NAN;
    for _ in 0..9 {
        let server = Scoring::start(Kind::Ours, 0, home, load)?;
        starts.push(server.ready);
        reads.push(scorer.number("load")?);
        memory = load.number(&format!("memory {}", server.process()))?;
    }
    let text = fs::metadata(directory("medium").join("model.txt")).context("there is no model")?.len() as f64;
    document.paragraph(&format!(
        "A server with this model ({} MB of text) has {} MB of memory at rest. It is ready {} after its start; reading and compiling the \
         text takes {} of that.",
        digits(text / 1e6),
        digits(memory / 1e6),
        seconds(starts.median()),
        seconds(reads.median()),
    ));
    Ok(vec![
        Goal::at_most("memory at rest beyond 3 × the model's text", 40.0, (memory - 3.0 * text) / 1e6, " MB"),
        Goal::at_most(
            "start to ready beyond text to ready",
            100.0,
            (starts.median() - reads.median()) * 1e3,
            " ms",
        ),
    ])
}

/// The ratio of two medians as a sentence's end.
fn compared(one: &Samples, other: &Samples) -> String {
    times(one.median(), other.median())
}

/// A free port of this machine.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The log of a server.
fn log_of(home: &Path, name: &str) -> Result<fs::File> {
    let path: PathBuf = home.join(format!("{name}.log"));
    fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))
}
