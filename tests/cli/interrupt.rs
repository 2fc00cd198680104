//! Ctrl-C and SIGTERM while the real binary logs a candidate on a slow server.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::LOG;
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::proxy::Proxy;
use crate::support::python;
use crate::support::server::{NEWEST, Server};

struct Scene {
    project: Project,
    model: String,
    proxy: Proxy,
}

impl Scene {
    fn new() -> Self {
        let server = Server::shared(NEWEST);
        let model = fresh_name("interrupted");
        let project = Project::new(Some(&server.url), &model);
        project.file("train.csv", super::training_csv());
        Self { project, model, proxy: Proxy::start(&server.url) }
    }

    /// Starts `log-candidate` through the proxy and returns while the model is being uploaded.
    fn start(&self) -> Child {
        let args = ["--tracking-uri", &self.proxy.url].into_iter().chain(LOG);
        let mut command = self.project.command(args);
        let child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary runs");
        self.wait_for("/model.lgb");
        child
    }

    fn wait_for(&self, request: &str) {
        let start = Instant::now();
        while !self.proxy.take().iter().any(|line| line.contains(request)) {
            assert!(start.elapsed() < Duration::from_mins(2), "no request of {request}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The states of the model's runs and the number of versions, read by Python's client.
    fn left(&self) -> serde_json::Value {
        python::ask(NEWEST, "read_runs.py", &[&Server::shared(NEWEST).url, &self.model])
    }
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[test]
fn an_interrupted_candidate_ends_its_run_and_registers_nothing() {
    for signal in ["-INT", "-TERM"] {
        let scene = Scene::new();
        scene.proxy.slow_down(Duration::from_millis(300));
        let child = scene.start();
        send(signal, &child);
        let output = child.wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("error: interrupted"), "{err}");
        let expected = serde_json::json!({
            "runs": [{"status": "FAILED", "ended": true}], "versions": 0, "models": ["FAILED"]
        });
        assert_eq!(scene.left(), expected);
    }
}

/// `predict` computes all the time, and does not come back to an event loop.
#[test]
fn an_interrupted_prediction_leaves_no_file() {
    for signal in ["-INT", "-TERM"] {
        let project = Project::new(None, &fresh_name("interrupted"));
        let out = project.path().join("out");
        std::fs::create_dir(&out).expect("a directory");
        let model = crate::support::model("regression");
        let mut command = project.command([
            "predict",
            "-",
            "--in-format",
            "csv",
            "--model-file",
            &model,
            "--out",
            "out/p.csv",
        ]);
        let mut child =
            command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        // The rows never end.
        let mut rows = child.stdin.take().expect("stdin");
        let writer = thread::spawn(move || {
            let row = "1,2,3,4,5\n".repeat(1000);
            let _ = std::io::Write::write_all(&mut rows, b"f0,f1,f2,f3,f4\n");
            while std::io::Write::write_all(&mut rows, row.as_bytes()).is_ok() {}
        });
        let files = || std::fs::read_dir(&out).expect("the directory").count();
        let start = Instant::now();
        while files() == 0 {
            assert!(start.elapsed() < Duration::from_mins(1), "no output was begun");
            thread::sleep(Duration::from_millis(5));
        }
        send(signal, &child);
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("no panic");
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(files(), 0, "{signal}");
    }
}

#[test]
fn a_second_interruption_ends_at_once() {
    let scene = Scene::new();
    let mut child = {
        scene.proxy.slow_down(Duration::from_millis(50));
        scene.start()
    };
    // Longer than the test waits, so the clean-up that the first signal starts cannot finish.
    scene.proxy.slow_down(Duration::from_secs(20));
    send("-INT", &child);
    let mut err = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let prompt = err.by_ref().map_while(Result::ok).find(|line| line.contains("interrupt again"));
    assert!(prompt.is_some(), "no message was printed");
    send("-INT", &child);
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
    assert!(!scene.proxy.take().iter().any(|line| line.contains("runs/update")));
}
