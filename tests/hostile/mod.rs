//! A hostile server: whatever it answers, a command ends within its deadline and 256 MiB, changes nothing, prints nothing that
//! controls a terminal, and does not advise to give up the history of a model.

mod server;

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hydra_base::text::is_unprintable;

use crate::cli::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::server::{NEWEST, Server};
use server::{HostileServer, SPOILS, Spoil};

/// The most memory that a command may have in use.
pub const MOST_KIB: u64 = 256 << 10;
/// The deadline of a command, and what ending may take after it.
pub const DEADLINE: &str = "20s";
const LATEST: Duration = Duration::from_secs(25);

/// Commands that read, or decide without changing anything.
const COMMANDS: [&[&str]; 14] = [
    &["champion"],
    &["list"],
    &["show", "--version", "2"],
    &["show"],
    &["history"],
    &["history", "verify", "--no-rerun"],
    &["history", "export"],
    &["status"],
    &["doctor"],
    &["doctor", "--models", "*"],
    &["download", "--out", "model.lgb"],
    &["predict", "rows.csv", "--out", "predictions.csv"],
    &["promote", "1", "--dry-run"],
    &["rollback", "--dry-run"],
];

/// Parts of the lines of the requests that commands send.
const ENDPOINTS: [&str; 10] = [
    "registered-models/get",
    "registered-models/search",
    "model-versions/search",
    "model-versions/get?",
    "model-versions/get-download-uri",
    "registered-models/alias",
    "runs/",
    "experiments/",
    "mlflow-artifacts/artifacts?",
    "mlflow-artifacts/artifacts/",
];

/// A model of two versions on a real server, the second of which is the champion, behind a hostile one.
struct Scene {
    project: Project,
    server: HostileServer,
}

impl Scene {
    fn new() -> Self {
        let honest = Server::shared(NEWEST);
        let model = fresh_name("hostile");
        let writer = Project::new(Some(&honest.url), &model);
        writer.file("train.csv", training_csv());
        for _ in 0..2 {
            writer.json(LOG);
            writer.json(["promote"]);
        }
        let server = HostileServer::start(&honest.url);
        let project = Project::new(Some(&server.url), &model);
        project.file("rows.csv", "size,weekday\n1,1\n99,1\n");
        Self { project, server }
    }

    /// Runs a command while the answers to `part` are spoiled.
    fn ask(&self, args: &[&str], part: &str, spoil: Spoil) -> Outcome {
        self.server.spoil(Some((part, spoil)));
        self.run(args, &format!("{args:?} with {spoil:?} of {part}")).0
    }

    /// Runs a command, and asserts what holds for every command. Returns also the most memory that it had in use, in KiB.
    fn run(&self, args: &[&str], what: &str) -> (Outcome, u64) {
        let mut command = self.project.command([&["--timeout", DEADLINE], args].concat());
        command
            .env("MLFLOW_HTTP_REQUEST_TIMEOUT", "4")
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
            .env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
            // Files, so that a full pipe does not stop the command.
            .stdout(self.stream("out"))
            .stderr(self.stream("err"))
            .stdin(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn().expect("the binary runs");
        let peak = watch(&mut child, started, what);
        let text = |name: &str| {
            let bytes = std::fs::read(self.project.path().join(name)).expect("a stream");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let code = child.wait().expect("it ended").code().unwrap_or(-1);
        let outcome = Outcome { code, out: text("out"), err: text("err") };
        assert!((0..=5).contains(&outcome.code), "{what}: exit {}: {}", outcome.code, outcome.err);
        assert!(!outcome.err.contains("panicked"), "{what}: {}", outcome.err);
        assert!(peak <= MOST_KIB, "{what}: {peak} KiB");
        for stream in [&outcome.out, &outcome.err] {
            let bad = stream.chars().find(|c| *c != '\n' && is_unprintable(*c));
            assert_eq!(bad, None, "{what}: {:?}", stream.chars().take(2000).collect::<String>());
        }
        for advice in ["begin a new", "begins a new"] {
            let given = outcome.out.contains(advice) || outcome.err.contains(advice);
            assert!(!given, "{what} advises to give up history: {}\n{}", outcome.out, outcome.err);
        }
        (outcome, peak)
    }

    fn stream(&self, name: &str) -> std::fs::File {
        std::fs::File::create(self.project.path().join(name)).expect("a file")
    }

    /// Asserts that nothing was changed and that the honest server is as well as before.
    fn assert_unchanged(&self) {
        self.server.spoil(None);
        let champion = self.project.json(["champion"]);
        assert_eq!(champion["version"], 2);
        let verified = self.project.run(["history", "verify", "--no-rerun"]);
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
        assert!(verified.out.contains("3 entries"), "{}", verified.out);
    }
}

/// Waits for the process and returns the most memory that it had in use, in KiB. Panics if it is late.
pub fn watch(child: &mut Child, started: Instant, what: &str) -> u64 {
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = peak.max(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0));
        if child.try_wait().expect("a state").is_some() {
            return peak;
        }
        if started.elapsed() > LATEST {
            child.kill().expect("it ends");
            panic!("{what}: still running after {LATEST:?}");
        }
        thread::sleep(Duration::from_millis(4));
    }
}

/// Each class of bad answers for all listings, and one command for each kind of listing.
#[test]
fn every_kind_of_bad_answer_to_a_search_is_survived() {
    let scene = Scene::new();
    for spoil in SPOILS {
        for command in
            [&["list"][..], &["history", "verify", "--no-rerun"], &["doctor"], &["promote", "1", "--dry-run"]]
        {
            scene.ask(command, "/search", spoil);
        }
    }
    scene.assert_unchanged();
}

/// Each command on a server that answers each request with an endless list, too much, or nothing.
#[test]
fn every_command_survives_a_server_that_answers_nothing_but_nonsense() {
    let scene = Scene::new();
    for command in COMMANDS {
        for spoil in [Spoil::NewTokens, Spoil::TinyItems, Spoil::Empty, Spoil::ManyParts, Spoil::HostileTexts]
        {
            scene.ask(command, "/api/", spoil);
        }
    }
    scene.assert_unchanged();
}

/// An empty answer to a search is no reason to give up a ledger.
#[test]
fn an_empty_answer_leads_to_no_advice_that_gives_up_history() {
    let scene = Scene::new();
    for endpoint in ["/search", "model-versions/search"] {
        for command in [&["promote", "1"][..], &["rollback"], &["history"], &["doctor"], &["doctor", "--fix"]]
        {
            let outcome = scene.ask(command, endpoint, Spoil::Empty);
            assert_ne!(outcome.code, 0, "{command:?} without {endpoint}: {}", outcome.out);
        }
    }
    scene.assert_unchanged();
}

/// Every command, endpoint and class of bad answers.
#[test]
#[ignore = "half an hour; `cargo xtask test --all` runs it"]
fn every_command_survives_every_bad_answer() {
    let scene = Scene::new();
    for endpoint in ENDPOINTS {
        let mut asked = 0;
        for command in COMMANDS {
            scene.ask(command, endpoint, Spoil::Empty);
            if scene.server.spoiled() == 0 {
                // The command sends no such request.
                continue;
            }
            asked += 1;
            for spoil in SPOILS {
                scene.ask(command, endpoint, spoil);
            }
        }
        assert!(asked > 0, "no command asks {endpoint}");
    }
    scene.assert_unchanged();
}

/// Commands that write, too, on a server that spoils any answer at random, each session in another way. Afterwards the honest
/// server has one sound ledger.
#[test]
#[ignore = "minutes; `cargo xtask test --all` runs it"]
fn random_sessions_leave_a_sound_ledger() {
    let scene = Scene::new();
    let writes =
        [&["promote", "1"][..], &["promote", "2"], &["rollback"], &["nominate", "1"], &["doctor", "--fix"]];
    let (mut peak, mut done) = (0, 0);
    for session in 0..300 {
        let choice = usize::try_from(server::scrambled(session, 0) % 24).expect("a small number");
        let command = COMMANDS.get(choice).copied().unwrap_or_else(|| writes[choice % writes.len()]);
        scene.server.spoil_at_random(session);
        let (outcome, used) = scene.run(command, &format!("session {session}: {command:?}"));
        peak = peak.max(used);
        done += usize::from(outcome.code == 0);
    }
    // `cargo test -- --nocapture` shows it.
    eprintln!("300 sessions: {done} ended with 0, at most {peak} KiB");
    scene.server.spoil(None);
    let repaired = scene.project.run(["doctor", "--fix"]);
    assert_eq!(repaired.code, 0, "{}{}", repaired.out, repaired.err);
    let verified = scene.project.run(["history", "verify", "--no-rerun"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    assert_eq!(scene.project.run(["show"]).code, 0, "the champion loads");
}
