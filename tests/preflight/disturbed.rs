//! The preflight is killed, raced, disturbed by the network and by other programs: no champion is one that cannot be loaded, and what
//! is kept of an attempt is no verdict.

use std::thread;

use hydra_base::Sha256;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_models::candidate::SHA256_TAG;
use hydra_registry::{Alias, ErrorKind, ModelRegistry, Target, Version};

use super::{Files, changed, register, sound_files, state, upload};
use crate::ledger::crash::kill_at;
use crate::ledger::{assert_sound, assert_sound_but_for, registry};
use crate::support::backends::{Backend, Uploaded, fresh_name};
use crate::support::binary::{Outcome, Project};
use crate::support::proxy::{FAULTS, Fault, Proxy};
use crate::support::server::{NEWEST, Server};
use crate::support::version;

fn run(project: &Project, args: &[&str]) -> Outcome {
    let mut command = project.command([&["--output", "json"], args].concat());
    command.env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0").env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0");
    command.output().expect("the binary runs").into()
}

/// A version of these files, with the digest that a sound one has.
async fn logged(
    backend: &Backend,
    registry: &ModelRegistry,
    files: &[(&str, Vec<u8>)],
) -> (Version, Uploaded) {
    let uploaded = backend.upload(registry.backend(), files).await;
    let digest = (SHA256_TAG.to_owned(), Sha256::of(&sound_files()[0].1).to_string());
    let new = uploaded.version_of(registry.model()).tags([digest].into());
    (register(registry, &new).await, uploaded)
}

/// A model whose champion is version 1, and version 6 with files and a digest of its own.
async fn prepared(backend: &Backend, files: &[(&str, Vec<u8>)]) -> (ModelRegistry, Version, Uploaded) {
    let registry = registry(backend, &fresh_name("disturbed")).await;
    registry.promote(version(1)).await.expect("a promotion");
    let (new, uploaded) = logged(backend, &registry, files).await;
    (registry, new, uploaded)
}

fn truncated() -> Files {
    changed(sound_files(), "model.lgb", |bytes| bytes.truncate(bytes.len() / 2))
}

/// Whatever a killed attempt left in the cache, the next one finds the truth about the files.
async fn a_killed_preflight_leaves_no_verdict(backend: &Backend, uri: &str) {
    for failpoint in ["preflight.read", "preflight.model-kept", "preflight.verdict-kept"] {
        for is_lost in [false, true] {
            let (registry, new, uploaded) = prepared(backend, &sound_files()).await;
            let project = Project::new(Some(uri), registry.model().as_str());
            let number = new.to_string();
            let promote = ["promote", number.as_str()];
            kill_at(project.command(promote), failpoint);
            assert_eq!(state(&registry).await, (Some(1), None, 2), "nothing moved before {failpoint}");
            if is_lost {
                std::fs::remove_file(uploaded.disk.join("model.lgb")).expect("removed");
            }
            let next = run(&project, &promote);
            if is_lost {
                assert!(next.code == 2 && next.err.contains("\"Unloadable\""), "{failpoint}: {}", next.err);
                assert_eq!(state(&registry).await.0, Some(1));
            } else {
                assert_eq!(next.code, 0, "{failpoint}: {}", next.err);
                assert_eq!(assert_sound(&registry).await.len(), 3, "{failpoint}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_rest() {
    a_killed_preflight_leaves_no_verdict(&Backend::rest(), &Server::shared(NEWEST).url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_local_stores() {
    for backend in [Backend::sqlite(), Backend::file()] {
        let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
        a_killed_preflight_leaves_no_verdict(&backend, uri.expose()).await;
    }
}

/// Promotes a version with `fault` in request number `index` (from 0), by a cache that knows the version or not. Returns whether the
/// command sent that many requests.
async fn ask_with(server: &Server, files: &Files, is_known: bool, fault: Fault, index: usize) -> bool {
    let proxy = Proxy::start(&server.url);
    let is_sound = *files == sound_files();
    let (registry, new, _) = prepared(&Backend::on(server), files).await;
    let project = Project::new(Some(&proxy.url), registry.model().as_str());
    let number = new.to_string();
    let promote = ["promote", number.as_str()];
    if is_known {
        run(&project, &["promote", &number, "--dry-run"]);
    }
    proxy.spoil(index, fault);
    let asked = run(&project, &promote);
    let reached = proxy.take().len() > index;
    let what = format!("{fault:?} of request {index}, known: {is_known}: {}", asked.err);
    let next = run(&project, &promote);
    if is_sound {
        // Trouble of the server is no verdict about the model, and none is kept.
        assert!(!asked.err.contains("\"Unloadable\""), "{what}");
        assert_eq!(next.code, 0, "{what}, then {}", next.err);
        assert_sound(&registry).await;
    } else {
        for refused in [asked, next] {
            assert!(matches!(refused.code, 2 | 5), "{what}, then {}", refused.err);
        }
        assert_eq!(state(&registry).await.0, Some(1), "{what}");
    }
    reached
}

async fn spoil_every_request(cases: &[(Files, bool)], faults: &[Fault]) {
    for (files, is_known) in cases {
        for fault in faults {
            let mut index = 0;
            while ask_with(Server::shared(NEWEST), files, *is_known, *fault, index).await {
                index += 1;
            }
            assert!(index >= 5, "it takes more than {index} requests");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_are_no_verdict() {
    spoil_every_request(&[(sound_files(), false)], &[Fault::AnswerLost]).await;
    spoil_every_request(&[(sound_files(), true)], &[Fault::Answered(500)]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn no_fault_is_a_verdict() {
    let cases = [(sound_files(), false), (sound_files(), true), (truncated(), false), (truncated(), true)];
    spoil_every_request(&cases, &FAULTS).await;
}

/// What each process of a race did: promotions and rollbacks, also of versions that cannot be loaded.
fn work(project: &Project, writer: usize, operations: usize) {
    for operation in 0..operations {
        let pick = writer * 5 + operation * 3;
        // Versions 1 to 5 are sound, 6 and 7 are not.
        let version = (pick % 7 + 1).to_string();
        let command: Vec<&str> = match pick % 5 {
            0 => vec!["rollback"],
            1 => vec!["rollback", "--to", &version],
            _ => vec!["promote", &version],
        };
        let outcome = run(project, &command);
        let refusals = ["Unloadable", "NoArchived", "NeverChampion", "Contention", "PremiseChanged"];
        let is_refused = refusals.iter().any(|kind| outcome.err.contains(&format!("\"{kind}\"")));
        assert!(matches!(outcome.code, 0 | 1) || is_refused, "{command:?}: {}", outcome.err);
        let is_unsound = pick % 7 >= 5 && command[0] == "promote";
        assert!(!is_unsound || outcome.code == 2, "{command:?}: {}", outcome.err);
    }
}

/// Whoever wins, no version that cannot be loaded becomes champion.
async fn raced(backend: &Backend, uri: &str, operations: usize) {
    let registry = registry(backend, &fresh_name("race")).await;
    for number in [1, 2] {
        registry.promote(version(number)).await.expect("a promotion");
    }
    upload(backend, &registry, &truncated()).await;
    logged(backend, &registry, &truncated()).await;
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let project = Project::new(Some(uri), registry.model().as_str());
            thread::spawn(move || work(&project, writer, operations))
        })
        .collect();
    for writer in writers {
        writer.join().expect("no panic");
    }
    let history = assert_sound(&registry).await;
    let champions: Vec<u64> =
        history.iter().filter_map(|(record, _)| record.entry.crowned()).map(Version::get).collect();
    assert!(champions.len() > 4 && champions.iter().all(|champion| *champion <= 5), "{champions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn raced_on_local_stores() {
    for backend in [Backend::sqlite(), Backend::file()] {
        let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
        raced(&backend, uri.expose(), 10).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raced_on_rest() {
    let server = Server::start(NEWEST, &["--workers", "2"]);
    raced(&Backend::on(&server), &server.url, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn raced_for_long() {
    let server = Server::start(NEWEST, &["--workers", "2"]);
    raced(&Backend::on(&server), &server.url, 40).await;
}

/// Another program makes a version champion that cannot be loaded: that stands, is told, and is the way back for no rollback.
async fn an_unloadable_champion_of_others(backend: &Backend) {
    let (registry, broken, uploaded) = prepared(backend, &sound_files()).await;
    std::fs::remove_file(uploaded.disk.join("model.lgb")).expect("removed");
    let stores = &registry.backend().registry;
    stores.set_alias(registry.model(), &Alias::CHAMPION, broken).await.expect("a move");
    let codes = async || -> Vec<&'static str> {
        registry.diagnose().await.expect("a diagnosis").iter().map(|found| found.code()).collect()
    };
    let found = codes().await;
    assert!(found.contains(&"unreadable-model") && found.contains(&"drift"), "{found:?}");
    // Leaving it needs no override, and a decision records the move first.
    let back = registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert!(back.overrides.is_empty());
    assert_eq!(state(&registry).await, (Some(1), Some(broken.get()), 4));
    let history = assert_sound(&registry).await;
    let kinds: Vec<EntryKind> = history.iter().map(|(record, _)| record.entry.operation).collect();
    assert_eq!(kinds, [EntryKind::Genesis, EntryKind::Promote, EntryKind::External, EntryKind::Rollback]);
    for error in [
        registry.rollback(Target::PolicyChoice).await.expect_err("it cannot be loaded"),
        registry.promote(broken).await.expect_err("it cannot be loaded"),
        registry.approve(broken).await.map(drop).expect_err("it cannot be loaded"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unloadable, "{error:?}");
    }
    // What is said of it needs no model.
    registry.quarantine(broken, "its files are gone").await.expect("a quarantine");
    registry.release(broken).await.expect("a release");
    registry.nominate(broken).await.expect("a nomination");
    assert_sound_but_for(&registry, &[]).await;
}

on_every_backend! {
    an_unloadable_champion_of_others
}
