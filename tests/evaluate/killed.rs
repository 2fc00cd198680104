//! What `evaluate` leaves when it is killed or interrupted, and what the next command makes of it.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hydra_mlflow::entities::RunStatus;

use super::{Scene, rows};
use crate::ledger::crash::kill_at;
use crate::support::binary::Project;
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};

const EVALUATE: [&str; 6] = ["evaluate", "may.csv", "--label", "label", "--resamples", "100"];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_evaluation_leaves_a_failed_run_and_no_tag() {
    for scene in Scene::all() {
        for (index, failpoint) in ["evaluation.begun", "evaluation.stored"].into_iter().enumerate() {
            kill_at(scene.project.command(EVALUATE), failpoint);
            assert_eq!(scene.runs().await, vec![RunStatus::Failed; index + 1], "{failpoint} {}", scene.uri);
            assert_eq!(scene.tags().await, [None, None], "{failpoint} {}", scene.uri);
        }
        // The killed runs do not block the next evaluation.
        scene.evaluate(&[]);
        assert!(scene.tags().await.iter().all(Option::is_some));
    }
}

/// MLflow creates runs as RUNNING, and a process can die before its next request.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_only_created_ends_as_failed_by_the_next_command() {
    for scene in Scene::all() {
        let left = async || {
            kill_at(scene.project.command(EVALUATE), "evaluation.created");
            assert!(scene.runs().await.contains(&RunStatus::Running), "{}", scene.uri);
            assert_eq!(scene.tags().await, [None, None], "{}", scene.uri);
        };
        left().await;
        let doctor = scene.project.run(["doctor"]);
        assert_eq!(doctor.code, 1, "{}", doctor.out);
        assert!(doctor.out.contains("`hydra-registry doctor --fix` ends it as FAILED"), "{}", doctor.out);
        let fixed = scene.project.json(["doctor", "--fix"]);
        assert_eq!(fixed["fixed"][0]["code"], "unfinished-run", "{fixed}");
        assert_eq!(scene.runs().await, [RunStatus::Failed], "{}", scene.uri);
        left().await;
        scene.evaluate(&[]);
        let states = [RunStatus::Failed, RunStatus::Failed, RunStatus::Finished];
        assert_eq!(scene.runs().await, states, "{}", scene.uri);
    }
}

/// What is left after any moment: a FAILED run and no tag, or a whole record, whose tags may be missing.
async fn kill_at_random(times: u32) {
    let scene = Scene::new(Some(&Server::shared(NEWEST).url));
    let started = Instant::now();
    scene.evaluate(&[]);
    let longest = started.elapsed();
    let (mut tags, mut finished, mut random) = (scene.tags().await, 1, 7_u32);
    for _ in 0..times {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let mut command = scene.project.command(EVALUATE);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
        // The record is the last part.
        thread::sleep(longest.mul_f64(0.3 + 0.7 * f64::from((random >> 16) & 0xff) / 255.0));
        child.kill().expect("SIGKILL");
        child.wait().expect("an end");
        let states = scene.runs().await;
        let whole = states.iter().filter(|status| **status == RunStatus::Finished).count();
        let now = scene.tags().await;
        assert!(whole > finished || now == tags, "tags refer to whole records only: {states:?} {now:?}");
        (finished, tags) = (whole, now);
    }
    scene.evaluate(&[]);
    let states = scene.runs().await;
    assert!(!states.contains(&RunStatus::Running), "{states:?}");
    let [first, second] = scene.tags().await;
    assert!(first.is_some() && first == second && ![&tags[0], &tags[1]].contains(&&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_is_killed_at_random() {
    kill_at_random(10).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute; `cargo xtask test --all` runs it"]
async fn an_evaluation_is_killed_at_random_many_times() {
    for _ in 0..4 {
        kill_at_random(25).await;
    }
}

/// Starts a command on a slow server, and sends a signal once it writes a part of the record.
fn interrupt(project: &Project, proxy: &Proxy, line: &[&str], request: &str, signal: &str) -> (i32, String) {
    proxy.slow_down(Duration::from_millis(100));
    proxy.take();
    let mut command = project.command(["--tracking-uri", &proxy.url].iter().chain(line));
    let child: Child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let start = Instant::now();
    while !proxy.take().iter().any(|line| line.contains(request)) {
        assert!(start.elapsed() < Duration::from_mins(2), "no request of {request}");
        thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    let output = child.wait_with_output().expect("an end");
    (output.status.code().expect("a status"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_evaluation_leaves_a_failed_run_and_no_tag() {
    let server = Server::shared(NEWEST);
    let scene = Scene::new(Some(&server.url));
    let proxy = Proxy::start(&server.url);
    let mut failed = 0;
    let out = [&EVALUATE[..], &["--out", "document.json"]].concat();
    let promote = [&["promote", "--evaluate"], &EVALUATE[1..]].concat();
    for line in [&EVALUATE[..], &out, &promote] {
        for (request, signal) in [("runs/create", "-INT"), ("runs/log-inputs", "-TERM")] {
            let (code, err) = interrupt(&scene.project, &proxy, line, request, signal);
            assert_eq!(code, 2, "{line:?} {request}: {err}");
            assert!(err.contains("error: interrupted: the evaluation was not recorded"), "{line:?}: {err}");
            failed += 1;
            assert_eq!(scene.runs().await, vec![RunStatus::Failed; failed], "{line:?} {request}");
            assert_eq!(scene.tags().await, [None, None], "{line:?} {request}");
        }
    }
    assert!(scene.project.path().join("document.json").exists(), "what was measured was written");
    assert_eq!(scene.project.json(["champion"])["version"], 1);
}

/// Before anything is recorded, nothing is left.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_that_is_interrupted_while_it_measures_leaves_nothing() {
    let scene = Scene::new(None);
    for signal in ["-INT", "-TERM", "-KILL"] {
        let line = ["evaluate", "-", "--in-format", "csv", "--label", "label", "--name", "may"];
        let mut command = scene.project.command(line);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        // The rows do not end.
        let mut input = child.stdin.take().expect("stdin");
        std::io::Write::write_all(&mut input, rows().as_bytes()).expect("rows");
        thread::sleep(Duration::from_millis(300));
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        assert!(!child.wait().expect("an end").success());
        drop(input);
        assert_eq!(scene.runs().await, [], "{signal}");
        assert_eq!(scene.tags().await, [None, None], "{signal}");
    }
}
