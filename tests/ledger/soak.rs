//! A soak: processes with wrong clocks are killed and stopped at random while a faulty network and MLflow's Python client are in
//! the way. Whatever a command reported must hold afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::history::Fate;
use hydra_lifecycle::recording::PolicyReplay;
use hydra_policy::{EngineOptions, PolicyEngine};
use hydra_registry::ModelRegistry;
use serde_json::Value;

use super::{ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::{Outcome, Project};
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, ON_POSTGRES, Server};
use crate::support::{model, python_of, root, version};

/// By how much the clock of each process is wrong, in milliseconds: up to a day.
const CLOCKS: [i64; 8] = [0, 0, 0, 86_400_000, -86_400_000, 900_000, -900_000, 45_000];

/// The version that processes put in quarantine, so that others stay free to become champion.
const DOOMED: &str = "5";

/// How long a soak lasts: until so many processes were killed, and no longer than this.
#[derive(Debug, Clone, Copy)]
struct Length {
    kills: usize,
    at_most: Duration,
    /// The fewest decisions and statements that must be done; the machine may be busy with other tests.
    done: usize,
}

const SHORT: Length = Length { kills: 25, at_most: Duration::from_secs(10), done: 1 };
const LONG: Length = Length { kills: 700, at_most: Duration::from_mins(20), done: 100 };

/// A sequence of random numbers that a seed determines.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What a command that ended by itself reported.
#[derive(Debug)]
struct Reported {
    /// The reason that it gave, which no other command gave.
    reason: String,
    outcome: Outcome,
}

/// What the processes have in common.
struct Scene<'a> {
    uri: &'a str,
    model: &'a str,
    ends: Instant,
    wanted_kills: usize,
    kills: AtomicUsize,
    stops: AtomicU64,
}

impl Scene<'_> {
    fn is_over(&self) -> bool {
        Instant::now() > self.ends || self.kills.load(Ordering::Relaxed) >= self.wanted_kills
    }

    /// Runs commands until the soak is over, as the process with this number.
    fn work(&self, number: usize, seed: u64) -> Vec<Reported> {
        let project = Project::new(Some(self.uri), self.model);
        let mut random = Random(seed);
        let mut reported = Vec::new();
        while !self.is_over() {
            let reason = format!("soak-{}", uuid::Uuid::new_v4().simple());
            let mut command = project.command(["--output", "json"]);
            command.args(arguments(&mut random, &reason));
            command.env("HYDRA_CLOCK_WRONG_BY", CLOCKS[number].to_string());
            command.env("MLFLOW_HTTP_REQUEST_TIMEOUT", "5").env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0");
            command.env("MLFLOW_ALLOW_FILE_STORE", "true");
            if !random.one_in(4) {
                command.env("HYDRA_CLOCK_TOLERANCE", "3d");
            }
            let child =
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
            if let Some(outcome) = self.disturb(child, &mut random) {
                reported.push(Reported { reason, outcome });
            }
        }
        reported
    }

    /// Kills the process, stops it for a while, or lets it be. `None` if it was killed before it ended.
    fn disturb(&self, mut child: Child, random: &mut Random) -> Option<Outcome> {
        let fate = random.below(10);
        thread::sleep(Duration::from_millis(random.below(if fate < 6 { 400 } else { 150 })));
        match fate {
            0..6 => {
                child.kill().expect("it can be killed");
                let status = child.wait().expect("it is gone");
                if status.code().is_none() {
                    self.kills.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
                return Some(outcome(child, status.code()));
            }
            6 | 7 => {
                send("-STOP", &child);
                let pause = if random.one_in(20) { 12_000 } else { 600 };
                thread::sleep(Duration::from_millis(random.below(pause)));
                send("-CONT", &child);
                self.stops.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        let output = child.wait_with_output().expect("it ends");
        Some(output.into())
    }
}

/// A random command that gives `reason`.
fn arguments(random: &mut Random, reason: &str) -> Vec<String> {
    let version = (random.below(5) + 1).to_string();
    let free = (random.below(4) + 1).to_string();
    let auc = format!("auc=0.{}", random.below(900) + 50);
    let file = model("regression");
    let because = ["--reason", reason];
    let words: Vec<&str> = match random.below(20) {
        0..6 => vec!["promote", &free],
        6 => vec!["promote"],
        7 => vec!["promote", &version, "--dry-run"],
        8..11 => vec!["rollback"],
        11 => vec!["rollback", "--to", &free],
        12 => vec!["rollback", "--quarantine"],
        13 => vec!["nominate", &version],
        14 => vec!["approve", &free, "--expires", "1d"],
        15 => vec!["quarantine", DOOMED],
        16 | 17 => vec!["release", &version],
        18 => return ["doctor", "--fix"].map(str::to_owned).to_vec(),
        _ => return ["log-candidate", &file, "--metric", &auc].map(str::to_owned).to_vec(),
    };
    words.into_iter().chain(because).map(str::to_owned).collect()
}

fn send(signal: &str, child: &Child) {
    // A process that has ended is still there, because it was not waited for.
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success(), "{signal}");
}

fn outcome(mut child: Child, code: Option<i32>) -> Outcome {
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().expect("its output").read_to_string(&mut out).expect("UTF-8");
    child.stderr.take().expect("its messages").read_to_string(&mut err).expect("UTF-8");
    Outcome { code: code.unwrap_or(-1), out, err }
}

/// MLflow's Python client, which moves aliases.
struct Mover(Child);

impl Mover {
    /// Starts it and waits until it begins.
    fn start(uri: &str, model: &str) -> Self {
        let script = root().join("tests/python/move_aliases.py");
        let mut command = Command::new(python_of(NEWEST));
        command.arg(script).args([uri, model, "4", "0.7"]).env("MLFLOW_ALLOW_FILE_STORE", "true");
        command.env("MLFLOW_DISABLE_TELEMETRY", "true").env("GIT_PYTHON_REFRESH", "quiet");
        // Otherwise MLflow makes a store of its own in the working directory.
        command.env("MLFLOW_TRACKING_URI", uri);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("python runs");
        let mut ready = [0; 6];
        child.stdout.as_mut().expect("its output").read_exact(&mut ready).expect("it begins");
        assert_eq!(&ready, b"ready\n");
        Self(child)
    }

    fn stop(mut self) -> u64 {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout);
        let answer: Value = serde_json::from_str(text.trim()).unwrap_or_default();
        answer["moves"].as_u64().unwrap_or(0)
    }
}

/// What a soak came to.
#[derive(Debug)]
struct Tally {
    kills: usize,
    stops: u64,
    moves: u64,
    done: usize,
    refused: BTreeMap<String, usize>,
    entries: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, stops, moves, done, refused, entries } = self;
        write!(
            f,
            "{kills} kills, {stops} stops, {moves} moves by Python, {done} done, {entries} entries, {refused:?}"
        )
    }
}

async fn soak(backend: &Backend, direct: &str, uri: &str, length: Length) {
    let name = fresh_name("soak");
    let registry = registry(backend, &name).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let python = Mover::start(direct, &name);
    let scene = Scene {
        uri,
        model: &name,
        ends: Instant::now() + length.at_most,
        wanted_kills: length.kills,
        kills: AtomicUsize::new(0),
        stops: AtomicU64::new(0),
    };
    let seed = uuid::Uuid::new_v4().as_u64_pair().0;
    let reported: Vec<Reported> = thread::scope(|scope| {
        let scene = &scene;
        let workers: Vec<_> = (0..CLOCKS.len())
            .map(|number| scope.spawn(move || scene.work(number, seed.wrapping_add(number as u64))))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    let moves = python.stop();
    // An honest doctor with a right clock, and an honest decision after that.
    let honest = Project::new(Some(direct), &name);
    honest.command(["doctor", "--fix"]).output().expect("the binary runs");
    // A process may have been killed between a quarantine and its end. Without one, this is refused.
    honest.command(["release", "3", "--reason", "the end"]).output().expect("the binary runs");
    let last = honest.json(["promote", "3", "--reason", "the end"]);
    assert!(last["outcome"] == "done" || last["outcome"] == "unchanged", "{last}");
    let history = sound_history(&registry).await;
    let mut tally = Tally {
        kills: scene.kills.into_inner(),
        stops: scene.stops.into_inner(),
        moves,
        done: 0,
        refused: BTreeMap::new(),
        entries: history.len(),
    };
    judge(&reported, &history, &mut tally);
    assert!(
        tally.done >= length.done,
        "too few decisions to say anything on {uri} with the seed {seed}: {tally}"
    );
    assert!(tally.kills >= length.kills || length.done == SHORT.done, "too few kills: {tally}");
    let champion = registry.load_champion().await.expect("a champion that loads");
    assert_eq!(champion.version, version(3));
}

/// The whole chain, oldest first, after a verification that repeats every decision.
async fn sound_history(registry: &ModelRegistry) -> Vec<(Record, Fate)> {
    let ledger = ledger(registry).await;
    let replay = PolicyReplay::new(PolicyEngine::new(&EngineOptions::default()).expect("an engine"));
    let verified = ledger.verify(Some(&replay)).await.expect("a verification");
    assert!(verified.is_sound(), "{:?}", verified.flaws);
    let mut history = ledger.history(None, None).await.expect("a history");
    history.reverse();
    let mut operations = BTreeMap::new();
    for (record, _) in &history {
        *operations.entry(record.entry.operation_id.as_str()).or_insert(0) += 1;
    }
    operations.retain(|_, count| *count > 1);
    assert!(operations.is_empty(), "doubled: {operations:?}");
    history
}

/// Compares what each command reported with what the ledger has.
fn judge(reported: &[Reported], history: &[(Record, Fate)], tally: &mut Tally) {
    for Reported { reason, outcome } in reported {
        let Outcome { code, out, err } = outcome;
        assert!(!err.contains("panicked") && !err.contains("\"Internal\""), "{err}");
        let recorded: Vec<_> =
            history.iter().filter(|(record, _)| record.entry.reason.as_ref() == Some(reason)).collect();
        assert!(recorded.len() <= 1, "doubled: {recorded:?}");
        let stands = recorded.first().filter(|(_, fate)| *fate == Fate::Done);
        if *code == 0 {
            let report: Value = serde_json::from_str(out).unwrap_or_default();
            let sequence = report["sequence"].as_u64().filter(|_| report["outcome"] == "done");
            if let Some(sequence) = sequence.filter(|_| report["dry_run"] != true) {
                let found = stands.map(|(record, _)| record.number);
                assert_eq!(
                    found,
                    Some(sequence),
                    "a command reported what does not stand: {out}\n{recorded:?}"
                );
                tally.done += 1;
            }
            continue;
        }
        let error: Value = err.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        let kind = error["kind"].as_str().unwrap_or("none").to_owned();
        *tally.refused.entry(format!("{code} {kind}")).or_default() += 1;
        if matches!(*code, 2 | 5) && stands.is_some() {
            assert!(err.contains("may be recorded"), "recorded, and the error does not say so: {err}");
        }
    }
}

async fn on_local(backend: Backend, length: Length) {
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    soak(&backend, uri.expose(), uri.expose(), length).await;
}

/// The processes reach the server through a faulty proxy.
async fn on_server(server: &Server, length: Length) {
    let proxy = Proxy::start(&server.url);
    proxy.spoil_at_random(40);
    soak(&Backend::on(server), &server.url, &proxy.url, length).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_on_sqlite() {
    on_local(Backend::sqlite(), SHORT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_on_file() {
    on_local(Backend::file(), SHORT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_on_rest() {
    on_server(Server::shared(NEWEST), SHORT).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn long_on_sqlite() {
    on_local(Backend::sqlite(), LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn long_on_file() {
    on_local(Backend::file(), LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes, and one more server; `cargo xtask test --all` runs it"]
async fn long_on_postgres() {
    on_server(Server::shared(ON_POSTGRES), LONG).await;
}
