//! Copies of versions that Python logged: MLflow's own client finds every file and every word of them again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::python::ask;
use crate::support::server::{NEWEST, Server};
use crate::support::{files_below, model};

/// What MLflow's client finds of the three versions.
fn read(uri: &str, name: &str, rows: &Path) -> Vec<Value> {
    let answer = ask(NEWEST, "read_copy.py", &[uri, name, "3", &rows.display().to_string()]);
    answer.as_array().expect("versions").clone()
}

/// What a copy has as the version that it was made of has it.
fn common(read: &Value) -> Value {
    let keys = ["predictions", "files", "flavor", "signature", "metadata", "params", "metrics"];
    keys.iter().map(|key| ((*key).to_owned(), read[*key].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Estimators in skops and pickles, boosters with a signature, and a version without metrics, from a server to a local store and back.
#[test]
fn whatever_python_logged_is_copied_whole() {
    let name = fresh_name("estimators");
    let server = Server::shared(NEWEST).url.clone();
    let project = Project::new(Some(&server), &name);
    let directory = project.path().display().to_string();
    let logged = ask(NEWEST, "log_estimators.py", &[&server, &name, &directory]);
    let rows = project.path().join("rows.csv");
    super::json::key(&project);
    let signed = project.run(["model", "sign", "1", "--key", "release.key"]);
    assert_eq!(signed.code, 0, "{}", signed.err);
    let local = format!("sqlite:///{}", project.path().join("other.db").display());
    let back = fresh_name("back");
    for version in 1..=3_u64 {
        let number = version.to_string();
        let copied = project.json(["copy", &number, "--to", &local]);
        assert_eq!(copied["version"], json!(version));
        let again = project.run([
            "--output",
            "json",
            "--tracking-uri",
            &local,
            "copy",
            &number,
            "--to",
            &server,
            "--to-model",
            &back,
        ]);
        assert_eq!(again.code, 0, "{}", again.err);
    }
    let originals = read(&server, &name, &rows);
    let copies = read(&local, &name, &rows);
    for (index, original) in originals.iter().enumerate() {
        let expected = if index == 2 { "scores" } else { "labels" };
        assert_eq!(original["predictions"], logged[expected]);
    }
    for set in [&copies, &read(&server, &back, &rows)] {
        assert_eq!((set.len(), originals.len()), (3, 3));
        for (copy, original) in set.iter().zip(&originals) {
            assert_eq!(common(copy), common(original));
            assert_eq!(copy["run_id"][0], copy["run_id"][1], "MLmodel names the run of the copy");
            assert_ne!(copy["run_id"], original["run_id"]);
            assert_ne!(copy["model_id"], original["model_id"]);
            assert_eq!(copy["version_tags"]["hydra.copied-from"], copy["tags"]["hydra.copied-from"]);
        }
    }
    let first = &copies[0];
    assert_eq!((&first["version_tags"]["reviewed"], &first["tags"]["team"]), (&json!("yes"), &json!("risk")));
    assert_eq!(first["tags"]["mlflow.note.content"], "retrained after the audit");
    assert_eq!(first["metadata"], json!({"owner": "Åsa", "commit": "1e5"}));
    assert!(first["files"].as_array().is_some_and(|files| files.contains(&json!("extra_files/notes.txt"))));
    // The signature holds for the bytes, wherever they are.
    let verified = project.run(["--tracking-uri", &local, "model", "verify", "1", "--key", "release.pub"]);
    assert_eq!(verified.code, 0, "{}", verified.err);
    assert_eq!(project.json(["--tracking-uri", &local, "show", "--alias", "candidate"])["version"], 3);
}

/// A copy that is interrupted or killed leaves no version, and the next one is whole.
#[test]
fn an_interrupted_copy_leaves_no_version() {
    let project = Project::new(None, &fresh_name("interrupted"));
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
    // Large enough that a copy takes a while.
    let root =
        files_below(project.path()).into_iter().find(|path| path.ends_with("MLmodel")).expect("MLmodel");
    for index in 0..10 {
        let file = root.with_file_name(format!("extra-{index}.bin"));
        std::fs::write(file, vec![7; 8 << 20]).expect("a file");
    }
    let local = format!("sqlite:///{}", project.path().join("other.db").display());
    for signal in ["INT", "KILL"] {
        let temporary = tempfile::tempdir().expect("a directory");
        let mut command = project.command(["copy", "1", "--to", &local]);
        command.env("TMPDIR", temporary.path());
        let mut copy = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
        let there = project.path().join("other.db");
        let started = Instant::now();
        // Until something of the model is in the other store.
        let uploads =
            || files_below(project.path()).iter().filter(|path| path.ends_with("extra-0.bin")).count() > 1;
        while !(there.exists() && uploads()) {
            assert!(started.elapsed().as_secs() < 60 && copy.try_wait().expect("its state").is_none());
            std::thread::sleep(Duration::from_millis(5));
        }
        let sent = Command::new("kill").args(["-s", signal, &copy.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        assert!(!copy.wait().expect("it ends").success());
        // A process that is killed leaves what it downloaded.
        let left = std::fs::read_dir(temporary.path()).expect("a directory").count();
        assert_eq!(left, usize::from(signal == "KILL"), "{signal}");
        let listed = project.json(["--tracking-uri", &local, "list"]);
        assert_eq!(listed["versions"], json!([]), "{signal}");
        // What the first one left is not taken for an upload of the next one.
        let original = root.with_file_name("extra-0.bin");
        let copies = files_below(project.path()).into_iter().filter(|path| path.ends_with("extra-0.bin"));
        for copy in copies.filter(|path| *path != original) {
            std::fs::remove_file(copy).expect("removed");
        }
    }
    assert_eq!(project.json(["copy", "1", "--to", &local])["version"], 1);
    let (here, there) = (project.json(["show", "1"]), project.json(["--tracking-uri", &local, "show", "1"]));
    assert_eq!(there["model_file"]["sha256"], here["model_file"]["sha256"]);
}
