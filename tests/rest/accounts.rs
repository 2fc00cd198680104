//! The least permissions that each command needs, on a server with accounts: it succeeds with those of docs/deployment.md, and is
//! refused with one less.

use serde_json::{Value, json};

use crate::cli::{LOG, training_csv};
use crate::support::binary::{Outcome, Project};
use crate::support::python::ask;
use crate::support::server::{NEWEST, Server};

/// The permissions on the registered model, on its experiment, and on the ledger; none where no grant is needed.
type Permissions = [Option<&'static str>; 3];

/// What an account with all permissions does before each attempt, a command, and the permissions that it needs.
type Row<'a> = (&'a [&'a [&'a str]], &'a [&'a str], Permissions);

const READ: Option<&str> = Some("READ");
const EDIT: Option<&str> = Some("EDIT");
const MANAGE: Option<&str> = Some("MANAGE");

/// The permission below one.
fn less(permission: &str) -> &'static str {
    match permission {
        "MANAGE" => "EDIT",
        "EDIT" => "READ",
        _ => "DENY",
    }
}

struct World {
    server: Server,
    project: Project,
}

impl World {
    fn grant(&self, user: &str, permissions: Permissions) {
        let resources =
            [("registered_model", "churn"), ("experiment", "churn"), ("registered_model", "churn_ledger")];
        let grants: Vec<Value> = resources
            .iter()
            .zip(permissions)
            .map(|((kind, name), permission)| json!([kind, name, permission]))
            .collect();
        ask(NEWEST, "accounts.py", &[&self.server.url, user, &Value::from(grants).to_string()]);
    }

    /// Runs a command of an account with a cache of its own, so that it fetches what it reads.
    fn run(&self, user: &str, words: &[&str]) -> Outcome {
        let cache = tempfile::tempdir().expect("a cache");
        let mut command = self.project.command([&["--output", "json"], words].concat());
        command
            .env("MLFLOW_TRACKING_USERNAME", user)
            .env("MLFLOW_TRACKING_PASSWORD", format!("{user}-password"))
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
        if matches!(words[0], "download" | "predict") {
            command.env("HYDRA_CACHE_DIR", cache.path());
        }
        command.output().expect("the binary runs").into()
    }

    #[track_caller]
    fn done(&self, user: &str, words: &[&str]) {
        let outcome = self.run(user, words);
        assert_eq!(outcome.code, 0, "{user}: {words:?}: {}", outcome.err);
    }
}

/// The kind of the error that a command printed last.
fn kind(outcome: &Outcome) -> Value {
    let last = outcome.err.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).next_back();
    last.map(|error| error["kind"].clone()).unwrap_or_default()
}

#[test]
#[ignore = "minutes; `cargo xtask test --all` runs it"]
fn each_command_needs_the_permissions_of_the_manual() {
    let server = Server::start(NEWEST, &["--app-name", "basic-auth"]);
    let project = Project::new(Some(&server.url), "churn");
    project.file("train.csv", training_csv());
    project.file("default.wasm", hydra_policy::Policy::default_bytes());
    let world = World { server, project };
    ask(NEWEST, "accounts.py", &[&world.server.url, "owner", "[]"]);
    // Neither the model nor the ledger exists: who creates them may do everything with them.
    let log: &[&str] = &LOG;
    for words in [log, &["promote"], log, log] {
        world.done("owner", words);
    }
    let quarantine: &[&str] = &["quarantine", "3", "--reason", "x"];
    let activate: &[&str] = &["policy", "activate", "default.wasm", "--reason", "x"];
    let evaluate: &[&str] = &["evaluate", "train.csv", "--label", "label", "--resamples", "100"];
    let rows: &[Row<'_>] = &[
        (&[], &["champion"], [READ, READ, None]),
        (&[], &["list", "--metrics", "auc"], [READ, READ, None]),
        (&[], &["diff", "1", "2"], [READ, READ, None]),
        (&[], &["show", "--alias", "champion"], [READ, READ, None]),
        (&[], &["download", "model.lgb"], [READ, READ, None]),
        (&[], &["predict", "train.csv", "--out", "scores.csv"], [READ, READ, None]),
        (&[], &["history"], [READ, None, READ]),
        (&[], &["history", "show", "1"], [READ, None, READ]),
        (&[], &["champion", "--as-of", "2999-01-01"], [READ, None, READ]),
        (&[], &["history", "verify"], [READ, READ, READ]),
        (&[], &["doctor"], [READ, READ, READ]),
        (&[], &["promote", "2", "--dry-run"], [READ, READ, READ]),
        (&[], log, [EDIT, EDIT, None]),
        (&[], evaluate, [EDIT, EDIT, None]),
        (&[], &["approve", "2"], [READ, EDIT, EDIT]),
        (&[log], &["nominate", "2"], [EDIT, READ, EDIT]),
        (&[&["release", "3"]], quarantine, [EDIT, EDIT, EDIT]),
        (&[quarantine], &["release", "3"], [MANAGE, EDIT, EDIT]),
        (&[&["policy", "deactivate", "--reason", "x"]], activate, [EDIT, EDIT, EDIT]),
        (&[], &["policy", "active"], [READ, None, READ]),
        (&[activate], &["policy", "deactivate", "--reason", "x"], [EDIT, EDIT, EDIT]),
        (&[log], &["promote"], [MANAGE, EDIT, EDIT]),
        (&[log, &["promote"]], &["rollback"], [EDIT, EDIT, EDIT]),
    ];
    let mut wrong = Vec::new();
    for (before, words, needed) in rows {
        let lowered = (0..3).filter_map(|index| {
            let mut permissions = *needed;
            permissions[index] = Some(less(permissions[index]?));
            Some(permissions)
        });
        for permissions in lowered.chain([*needed]) {
            for words in *before {
                world.run("owner", words);
            }
            world.grant("some", permissions);
            let outcome = world.run("some", words);
            let expected =
                if permissions == *needed { (0, Value::Null) } else { (2, json!("PermissionDenied")) };
            let found = (outcome.code, if outcome.code == 0 { Value::Null } else { kind(&outcome) });
            if found != expected {
                wrong.push(format!("{words:?} with {permissions:?}: {found:?} {}", outcome.err));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
