//! Ctrl-C while the real binary uploads in parts: the bucket keeps no parts.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hydra_mlflow::artifacts::{ArtifactStore as _, ObjectArtifacts};

use super::{S3, bucket_uri, variables};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};

/// Waits until a part is on its way, interrupts the program, and checks that it removed what it had sent.
fn assert_removed(proxy: &Proxy, mut child: Child) {
    let mut requests: Vec<String> = Vec::new();
    let start = Instant::now();
    // The proxy shows no queries: an upload of several parts begins with POST, and its parts are PUT at the same address.
    let begun = |requests: &[String]| {
        let begun = requests.iter().find_map(|line| line.strip_prefix("POST ").map(str::to_owned))?;
        requests.contains(&format!("PUT {begun}")).then_some(begun)
    };
    let upload = loop {
        requests.extend(proxy.take());
        if let Some(upload) = begun(&requests) {
            break upload;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "no part was sent: {requests:?}");
        std::thread::sleep(Duration::from_millis(5));
    };
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(signalled.success());
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(2));
    requests.extend(proxy.take());
    assert!(requests.contains(&format!("DELETE {upload}")), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn predictions_that_are_interrupted_leave_no_parts() {
    let project = Project::new(None, &fresh_name("interrupted"));
    let (bucket, model) = (bucket_uri("interrupted"), crate::support::model("regression"));
    let (proxy, out) = (Proxy::start(&S3.endpoint), format!("{bucket}/p.csv"));
    let mut command =
        project.command(["predict", "-", "--in-format", "csv", "--model-file", &model, "--out", &out]);
    command.envs(variables(&proxy.url)).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary runs");
    // The rows never end.
    let mut rows = child.stdin.take().expect("stdin");
    let writer = std::thread::spawn(move || {
        let row = "1,2,3,4,5\n".repeat(1000);
        let _ = std::io::Write::write_all(&mut rows, b"f0,f1,f2,f3,f4\n");
        while std::io::Write::write_all(&mut rows, row.as_bytes()).is_ok() {}
    });
    assert_removed(&proxy, child);
    writer.join().expect("no panic");
    let store =
        ObjectArtifacts::new(&bucket, &variables(&S3.endpoint).into_iter().collect()).expect("a root");
    assert!(store.list("").await.expect("a list").is_empty());
}

#[test]
fn a_candidate_that_is_interrupted_leaves_no_parts() {
    let root = bucket_uri("candidates");
    let server = Server::start(NEWEST, &["--no-serve-artifacts", "--default-artifact-root", &root]);
    let project = Project::new(Some(&server.url), &fresh_name("interrupted"));
    // A model of several parts: its features have long names.
    let text = std::fs::read_to_string(crate::support::model("regression")).expect("a model");
    let wide: String = text
        .lines()
        .map(|line| match line.split_once('=') {
            Some(("feature_names", _)) => {
                let names: Vec<String> =
                    (0..5).map(|index| format!("f{index}{}", "x".repeat(10 << 20))).collect();
                format!("feature_names={}\n", names.join(" "))
            }
            _ => format!("{line}\n"),
        })
        .collect();
    project.file("model.txt", wide);
    let proxy = Proxy::start(&S3.endpoint);
    proxy.slow_down(Duration::from_millis(300));
    let mut command = project.command(["log-candidate", "model.txt", "--metric", "auc=0.9"]);
    let child = command.envs(variables(&proxy.url)).stderr(Stdio::null()).stdout(Stdio::null()).spawn();
    assert_removed(&proxy, child.expect("the binary runs"));
}
