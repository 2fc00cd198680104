//! Stores whose artifacts are not where they were logged: moved with the store, without it, and to an object store.

use std::path::Path;

use crate::object_store::{S3, bucket_uri, variables};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::root;
use crate::support::server::{NEWEST, Server};
use hydra_mlflow::artifacts::{ArtifactStore as _, ObjectArtifacts};

const MODEL: &str = "tests/fixtures/models/regression/booster/model.lgb";
const ROWS: &str = "f0,f1,f2,f3,f4\n1,0.25,3,-1,2\n";

/// What a project answers about its artifacts, with these arguments before the command.
fn run(project: &Project, given: &[&str], args: &[&str]) -> Outcome {
    // A cache of its own, because cached models need no artifacts.
    let cache = tempfile::tempdir().expect("a cache");
    let mut command = project.command(given.iter().chain(args));
    command
        .env("HYDRA_CACHE_DIR", cache.path())
        .envs(variables(&S3.endpoint))
        .output()
        .expect("it runs")
        .into()
}

/// A project in the directory `a` of another one, with a champion and a candidate.
fn lived_in(place: &Path) -> Project {
    let project = Project::new(Some("sqlite:///mlflow.db"), "m").within(place);
    let model = root().join(MODEL);
    let log = ["log-candidate", model.to_str().expect("a path"), "--metric", "auc=0.9"];
    for args in [&log[..], &["promote"], &log] {
        let outcome = run(&project, &[], args);
        assert_eq!(outcome.code, 0, "{args:?}: {}", outcome.err);
    }
    project.file("rows.csv", ROWS);
    project
}

/// The commands that read artifacts; the last one records a decision.
const READING: [&[&str]; 6] = [
    &["predict", "rows.csv"],
    &["show", "--alias", "champion"],
    &["download", "copy.lgb"],
    &["diff", "1", "2"],
    &["doctor"],
    &["promote", "2"],
];

#[test]
fn a_store_that_was_moved_says_where_it_looked_and_reads_with_a_map() {
    let home = tempfile::tempdir().expect("a directory");
    let (old, new) = (home.path().join("a"), home.path().join("b"));
    let project = lived_in(&old);
    std::fs::rename(&old, &new).expect("moved");
    let project = project.within(&new);
    let map = format!("{}={}", old.display(), new.display());

    for args in [&["predict", "rows.csv"][..], &["download", "copy.lgb"], &["promote", "2"]] {
        let lost = run(&project, &[], args);
        assert!(matches!(lost.code, 2 | 4), "{args:?}: {}", lost.err);
        assert!(lost.err.contains(&format!("{}/mlruns/1/models/", old.display())), "{args:?}: {}", lost.err);
        assert!(lost.err.contains(&format!("--artifact-root-map {map}")), "{args:?}: {}", lost.err);
    }
    let model = root().join(MODEL);
    let log = ["log-candidate", model.to_str().expect("a path"), "--metric", "auc=0.95"];
    let lost = run(&project, &[], &log);
    assert_eq!(lost.code, 4, "{}", lost.err);
    assert!(lost.err.contains(&format!("--artifact-root-map {map}")), "{}", lost.err);
    assert!(!old.exists(), "the old directory is not created again");

    for args in READING {
        let read = run(&project, &["--artifact-root-map", &map], args);
        assert_eq!(read.code, 0, "{args:?}: {}{}", read.out, read.err);
    }
    std::fs::remove_file(new.join("copy.lgb")).expect("the copy");
    // The same in the file, from which relative places start.
    let settings = format!("model = 'm'\n[artifact-root-map]\n'{}' = '.'\n", old.display());
    std::fs::write(new.join("hydra.toml"), settings).expect("hydra.toml");
    for args in [&READING[..5], &[&log[..], &["promote"]]].concat() {
        let read = run(&project, &[], args);
        assert_eq!(read.code, 0, "{args:?}: {}{}", read.out, read.err);
    }
    let shown = run(&project, &[], &["config", "show"]);
    assert!(shown.out.contains(&format!("artifact-root-map.{}", old.display())), "{}", shown.out);
    assert!(!old.exists(), "new candidates are where the others are");
}

/// The champion's files are copied to a bucket, and the directory is removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_root_is_read_in_an_object_store() {
    let home = tempfile::tempdir().expect("a directory");
    let project = lived_in(home.path());
    let bucket = bucket_uri("moved");
    let environment = variables(&S3.endpoint).into_iter().collect();
    let store = ObjectArtifacts::new(&bucket, &environment).expect("a bucket");
    let runs = home.path().join("mlruns");
    let mut files = vec![runs.clone()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()),
            );
        } else {
            let below = path.strip_prefix(&runs).expect("a file below").to_str().expect("a path");
            store.put_file(below, &path, &|_| ()).await.expect("an upload");
        }
    }
    std::fs::remove_dir_all(&runs).expect("removed");
    let map = format!("{}={bucket}", runs.display());
    for args in READING {
        let read = run(&project, &["--artifact-root-map", &map], args);
        assert_eq!(read.code, 0, "{args:?}: {}{}", read.out, read.err);
    }
    // A wrong place is named, with the one that the store knows.
    let map = format!("{}={bucket}/nowhere", runs.display());
    let lost = run(&project, &["--artifact-root-map", &map], &["predict", "rows.csv"]);
    assert_eq!(lost.code, 4, "{}", lost.err);
    assert!(lost.err.contains(&format!("{bucket}/nowhere/1/models/")), "{}", lost.err);
    assert!(lost.err.contains(&format!("root in the store: {}/1/models/", runs.display())), "{}", lost.err);
}

/// The user, and not the server, names the directory of a map.
#[test]
fn a_servers_root_is_read_at_its_new_place() {
    let disk = tempfile::tempdir().expect("a directory");
    let (old, new) = (disk.path().join("old"), disk.path().join("new"));
    std::fs::create_dir(&old).expect("a directory");
    let shared = old.to_str().expect("a path");
    let server = Server::start(NEWEST, &["--no-serve-artifacts", "--default-artifact-root", shared]);
    let project = Project::new(Some(&server.url), &fresh_name("moved"));
    project.file("rows.csv", ROWS);
    let model = root().join(MODEL);
    let log = ["log-candidate", model.to_str().expect("a path"), "--metric", "auc=0.9"];
    for args in [&log[..], &["promote"]] {
        let mut command = project.command(args);
        let outcome: Outcome =
            command.env("HYDRA_ALLOWED_ARTIFACT_ROOTS", shared).output().expect("it runs").into();
        assert_eq!(outcome.code, 0, "{args:?}: {}", outcome.err);
    }
    std::fs::rename(&old, &new).expect("moved");
    let lost = run(&project, &[], &["predict", "rows.csv"]);
    assert_eq!(lost.code, 2, "{}", lost.err);
    assert!(lost.err.contains("--artifact-root-map OLD=NEW"), "{}", lost.err);
    let map = format!("{shared}={}", new.display());
    let read = run(&project, &["--artifact-root-map", &map], &["predict", "rows.csv"]);
    assert_eq!(read.code, 0, "{}", read.err);
}

#[test]
fn a_map_that_is_none_is_refused() {
    let project = Project::new(None, "m");
    for (map, words) in [
        ("/old", "not of the form KEY=VALUE"),
        ("/old=", "not the root of artifacts"),
        ("models:/m/1=/new", "not the root of artifacts"),
    ] {
        let refused = project.run(["--artifact-root-map", map, "champion"]);
        assert_eq!(refused.code, 2, "{map}: {}", refused.err);
        assert!(refused.err.contains(words), "{map}: {}", refused.err);
    }
}
