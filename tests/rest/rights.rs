//! The least rights that each command needs on a server: the kinds of the requests that it sends, compared with the table in
//! docs/deployment.md.

use crate::cli::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};

/// What MLflow's accounts need for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    Read,
    Edit,
    Manage,
}

/// The right for a request, by MLflow's rules: removing an alias or a tag counts as deleting.
fn right(request: &str) -> Right {
    let (method, path) = request.split_once(' ').unwrap_or_default();
    match method {
        "GET" | "HEAD" => Right::Read,
        "DELETE" => Right::Manage,
        _ if path.ends_with("search") => Right::Read,
        _ => Right::Edit,
    }
}

#[test]
fn each_command_needs_the_rights_of_the_table() {
    let proxy = Proxy::start(&Server::shared(NEWEST).url);
    let model = fresh_name("rights");
    let project = Project::new(Some(&proxy.url), &model);
    project.file("train.csv", training_csv());
    project.file("default.wasm", hydra_policy::Policy::default_bytes());
    let other = fresh_name("copied");
    let log = LOG.to_vec();
    let commands: Vec<(Vec<&str>, Right)> = vec![
        (log.clone(), Right::Edit),
        (vec!["promote"], Right::Manage),
        (log.clone(), Right::Edit),
        (log, Right::Edit),
        (vec!["champion"], Right::Read),
        (vec!["list", "--metrics", "auc"], Right::Read),
        (vec!["show", "--alias", "candidate"], Right::Read),
        (vec!["diff", "1", "2"], Right::Read),
        (vec!["download", "model.lgb"], Right::Read),
        (vec!["predict", "train.csv", "--out", "scores.csv"], Right::Read),
        (vec!["history"], Right::Read),
        (vec!["history", "show", "2"], Right::Read),
        (vec!["history", "verify"], Right::Read),
        (vec!["champion", "--as-of", "2999-01-01"], Right::Read),
        (vec!["status", "--models", &model], Right::Read),
        (vec!["doctor"], Right::Read),
        (vec!["config", "check"], Right::Read),
        (vec!["promote", "2", "--dry-run"], Right::Read),
        (vec!["evaluate", "train.csv", "--label", "label", "--resamples", "100"], Right::Edit),
        (vec!["approve", "2"], Right::Edit),
        (vec!["nominate", "2"], Right::Edit),
        (vec!["promote"], Right::Manage),
        (vec!["rollback"], Right::Edit),
        (vec!["quarantine", "2", "--reason", "x"], Right::Edit),
        (vec!["release", "2"], Right::Manage),
        (vec!["policy", "activate", "default.wasm", "--reason", "x"], Right::Edit),
        (vec!["policy", "active"], Right::Read),
        (vec!["policy", "deactivate", "--reason", "x"], Right::Edit),
        (vec!["copy", "2", "--to", &proxy.url, "--to-model", &other], Right::Edit),
    ];
    for (words, expected) in commands {
        proxy.take();
        let outcome = project.run(&words);
        assert_eq!(outcome.code, 0, "{words:?}: {}", outcome.err);
        let requests = proxy.take();
        let needed = requests.iter().map(|request| right(request)).max();
        assert_eq!(needed, Some(expected), "{words:?}: {requests:#?}");
    }
}
