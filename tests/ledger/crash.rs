//! SIGKILL at every step of a transition; the next command must complete or abort it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use hydra_base::names::Alias;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_policy::Policy;
use hydra_test_guests::{component_of, read};

use super::{aliases, assert_sound, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::server::{Deployment, NEWEST, ON_MARIADB, ON_POSTGRES, OTHER_RELEASES, Server};
use crate::support::version;

/// The failpoints of a transition up to the append of its entry, on every backend.
const BEFORE_THE_ENTRY: [&str; 2] = ["ledger.decided", "ledger.archived"];

/// The failpoints after the append, where entry and aliases are separate requests.
const ON_A_SERVER: [&str; 5] = [
    "ledger.appended",
    "ledger.before-aliases",
    "ledger.between-aliases",
    "ledger.before-mark",
    "ledger.marked",
];

/// The failpoints while the first transition creates the ledger.
const FOUNDING: [&str; 4] =
    ["founding.named", "founding.run-created", "founding.begun", "founding.half-mirrored"];

/// Starts a command and kills it when it reports that it reached `failpoint`.
pub(crate) fn kill_at(mut command: Command, failpoint: &str) {
    command.env("HYDRA_FAILPOINT", failpoint).env("MLFLOW_ALLOW_FILE_STORE", "true");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary runs");
    let out = BufReader::new(child.stdout.take().expect("its output"));
    let reached = out.lines().map_while(Result::ok).any(|line| line == format!("failpoint {failpoint}"));
    // `kill` sends SIGKILL, which a process cannot handle.
    child.kill().expect("it is there to be killed");
    child.wait().expect("it is gone");
    assert!(reached, "{failpoint} was not reached");
}

/// Kills a promotion of version 2 at each failpoint, promotes version 3, and compares the results.
async fn the_next_command_repairs(backend: &Backend, uri: &str, failpoints: &[(&str, bool)]) {
    for (failpoint, committed) in failpoints {
        let model = fresh_name("kill");
        let registry = registry(backend, &model).await;
        let project = Project::new(Some(uri), &model);
        let founding = failpoint.starts_with("founding.");
        if !founding {
            registry.promote_to_champion(version(1)).await.expect("a promotion");
        }
        kill_at(project.command(["promote", "2"]), failpoint);
        let next = project.json(["promote", "3"]);
        assert_eq!(next["outcome"], "done", "{failpoint}");
        let history = assert_sound(&registry).await;
        let decided: Vec<Option<u64>> = history
            .iter()
            .filter(|(record, _)| record.entry.operation == EntryKind::Promote)
            .map(|(record, _)| record.entry.target.map(|version| version.get()))
            .collect();
        let (expected, former) = match (founding, committed) {
            (true, _) => (vec![Some(3)], None),
            (false, true) => (vec![Some(1), Some(2), Some(3)], Some(2)),
            (false, false) => (vec![Some(1), Some(3)], Some(1)),
        };
        assert_eq!(decided, expected, "{failpoint}: no decision is lost or doubled");
        assert_eq!(aliases(&registry).await, (Some(3), former), "{failpoint}");
    }
}

fn each(names: &[&'static str], committed: bool) -> Vec<(&'static str, bool)> {
    names.iter().map(|name| (*name, committed)).collect()
}

async fn on_server(deployment: impl Into<Deployment> + Copy) {
    let failpoints =
        [each(&FOUNDING, false), each(&BEFORE_THE_ENTRY, false), each(&ON_A_SERVER, true)].concat();
    let url = &Server::shared(deployment).url;
    the_next_command_repairs(&Backend::server(deployment), url, &failpoints).await;
}

async fn on_local(backend: Backend, own: &[(&'static str, bool)]) {
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    let common = [each(&FOUNDING, false), each(&BEFORE_THE_ENTRY, false), each(&["ledger.appended"], true)];
    the_next_command_repairs(&backend, uri.expose(), &[common.concat(), own.to_vec()].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rest() {
    on_server(NEWEST).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "other releases; `cargo xtask test --all` runs it"]
async fn on_other_servers() {
    for environment in OTHER_RELEASES {
        on_server(environment).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn on_postgres() {
    on_server(ON_POSTGRES).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn on_mariadb() {
    on_server(ON_MARIADB).await;
}

/// Entry and aliases are one transaction: a kill before its commit has no effect.
#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    on_local(Backend::sqlite(), &each(&["sqlite.appended", "sqlite.moved"], false)).await;
}

/// Entry and aliases are in one journal: after a kill, the next command carries out a complete journal.
#[tokio::test(flavor = "multi_thread")]
async fn on_file() {
    on_local(Backend::file(), &each(&["file.journaled", "file.half-applied", "file.applied"], true)).await;
}

/// The failpoints between the files that a decision of several policies stores.
const BETWEEN_THE_FILES: [&str; 3] =
    ["archive.input-stored", "archive.decision-stored", "archive.policy-stored"];

/// Kills a promotion by a panel between its files and around its entry. The files of a killed attempt are of no account.
async fn a_panel_is_repaired(backend: Backend) {
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    let failpoints = [
        each(&BETWEEN_THE_FILES, false),
        each(&["ledger.archived"], false),
        each(&["ledger.appended"], true),
    ];
    for (failpoint, committed) in failpoints.concat() {
        let model = fresh_name("kill");
        let registry = registry(&backend, &model).await;
        registry.promote_to_champion(version(1)).await.expect("a promotion");
        let project = Project::new(Some(uri.expose()), &model);
        for guest in ["illegal_alias", "unreachable"] {
            let component = component_of(guest, &read(guest), Policy::default_bytes());
            project.file(&format!("{guest}.wasm"), component);
        }
        project.file("default.wasm", Policy::default_bytes());
        let together =
            ["--policy", "default.wasm", "--policy", "illegal_alias.wasm", "--monitor", "unreachable.wasm"];
        let promote = |version| ["promote", version].into_iter().chain(together);
        kill_at(project.command(promote("2")), failpoint);
        let next = project.json(promote("3"));
        assert_eq!(next["outcome"], "done", "{failpoint}");
        let history = assert_sound(&registry).await;
        assert_eq!(history.len(), if committed { 4 } else { 3 }, "{failpoint}");
        let former = if committed { Some(2) } else { Some(1) };
        assert_eq!(aliases(&registry).await, (Some(3), former), "{failpoint}");
        let decided =
            history.last().and_then(|(record, _)| record.entry.decided.clone()).expect("a decision");
        assert_eq!(decided.panel.len(), 3, "{failpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panel_on_rest() {
    a_panel_is_repaired(Backend::rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panel_on_sqlite() {
    a_panel_is_repaired(Backend::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panel_on_file() {
    a_panel_is_repaired(Backend::file()).await;
}

/// A killed repair is repaired, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_repair_is_repaired() {
    let url = &Server::shared(NEWEST).url;
    let model = fresh_name("kill");
    let registry = registry(&Backend::rest(), &model).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    let store = &registry.backend().registry;
    store.set_alias(registry.model(), &Alias::CHAMPION, version(4)).await.expect("a move from outside");
    let project = Project::new(Some(url), &model);
    kill_at(project.command(["promote", "2"]), "ledger.repair-appended");
    let next = project.json(["promote", "3"]);
    assert_eq!(next["outcome"], "done");
    let history = assert_sound(&registry).await;
    let kinds: Vec<EntryKind> = history.iter().map(|(record, _)| record.entry.operation).collect();
    assert_eq!(kinds, [EntryKind::Genesis, EntryKind::Promote, EntryKind::External, EntryKind::Promote]);
    assert_eq!(aliases(&registry).await, (Some(3), Some(4)));
}
