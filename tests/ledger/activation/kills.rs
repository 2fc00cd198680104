//! Activations that are killed at every step: the next command finishes them.

use super::{LAX, STRICT, World, active, component, standing, tagged};
use crate::ledger::assert_sound_but_for;
use crate::ledger::crash::kill_at;
use crate::support::backends::Backend;
use crate::support::binary::Project;
use crate::support::server::{NEWEST, Server};
use crate::support::version;
use hydra_lifecycle::ledger::doctor::LedgerFinding;
use hydra_registry::Outcome;

/// A kill of a command at a failpoint, and whether its entry was there by then.
type Kill<'a> = (&'a [&'a str], &'a str, bool);

const ACTIVATE: &[&str] = &["policy", "activate", "default.wasm", "well_behaved.wasm"];
const DEACTIVATE: &[&str] = &["policy", "deactivate"];
/// The end of the active policy is approved of.
const APPROVE: &[&str] = &["policy", "approve", "--deactivation"];

async fn the_next_command_finishes(backend: impl Fn() -> (Backend, String), kills: &[Kill<'_>]) {
    for (command, failpoint, committed) in kills {
        let (backend, uri) = backend();
        let (world, plain) = World::new(backend, "kill").await;
        let lax = if *command == ACTIVATE {
            None
        } else {
            world.host(LAX).await.activate_policy().await.expect("an activation").sha256
        };
        let strict = world.host(STRICT).await.policy_digest().await.expect("a digest");
        let project = Project::new(Some(&uri), &world.model);
        for name in ["default", "well_behaved"] {
            component(project.path(), name);
        }
        kill_at(project.command(*command), failpoint);
        let what = format!("{command:?} killed at {failpoint}");
        let next = plain.promote(version(2)).await.expect("the next command");
        let expected = match (command[1], committed) {
            ("activate", true) => Some(strict),
            ("deactivate", true) => None,
            _ => lax,
        };
        let outcome = if expected == Some(strict) { Outcome::Rejected } else { Outcome::Done };
        assert_eq!((next.outcome, next.active_policy), (outcome, expected), "{what}");
        assert_eq!(active(&plain).await, expected, "{what}");
        let named = match (expected, *committed || lax.is_some()) {
            (Some(sha256), _) => Some(sha256.to_string()),
            (None, true) => Some("none".to_owned()),
            (None, false) => None,
        };
        assert_eq!(tagged(&plain).await, named, "{what}");
        // An archived activation without an entry may also come from entries that a backup lacks, so `doctor` names it.
        let is_archived = !matches!(*failpoint, "ledger.decided" | "archive.activation-stored");
        let findings = match (command[1], committed) {
            ("activate", false) if is_archived => vec![LedgerFinding::Unrecorded {
                decisions: 0,
                quarantined: [].into(),
                policies: [strict].into(),
                entry: 3,
            }],
            _ => Vec::new(),
        };
        let history = assert_sound_but_for(&plain, &findings).await;
        let recorded = history.iter().filter(|(record, _)| record.entry.operation.to_string() == command[1]);
        assert_eq!(recorded.count(), usize::from(*committed), "{what}");
        let approvals = standing(&plain).await.panel_approvals().len();
        assert_eq!(approvals, usize::from(*committed && command == &APPROVE), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_rest() {
    let mut kills: Vec<Kill<'_>> = vec![(ACTIVATE, "archive.activation-stored", false)];
    for command in [ACTIVATE, DEACTIVATE] {
        kills.extend([(command, "ledger.decided", false), (command, "ledger.archived", false)]);
        let after = ["ledger.appended", "ledger.before-aliases", "ledger.before-mark", "ledger.marked"];
        kills.extend(after.map(|failpoint| (command, failpoint, true)));
    }
    // An approval moves nothing and has no tag: its entry is all of it.
    let of_approval = [("ledger.decided", false), ("ledger.archived", false), ("ledger.appended", true)];
    kills.extend(of_approval.map(|(failpoint, committed)| (APPROVE, failpoint, committed)));
    let server = || (Backend::rest(), Server::shared(NEWEST).url.clone());
    the_next_command_finishes(server, &kills).await;
}

/// Entry and tag are one transaction.
async fn killed_on_local(new: fn() -> Backend, own: &[(&str, bool)]) {
    let mut kills: Vec<Kill<'_>> = vec![(ACTIVATE, "archive.activation-stored", false)];
    for command in [ACTIVATE, DEACTIVATE, APPROVE] {
        kills.extend([(command, "ledger.archived", false), (command, "ledger.appended", true)]);
        kills.extend(own.iter().map(|(failpoint, committed)| (command, *failpoint, *committed)));
    }
    let local = || {
        let backend = new();
        let uri = backend.options("m").resolved_tracking_uri().expect("a URI").expose().to_owned();
        (backend, uri)
    };
    the_next_command_finishes(local, &kills).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_sqlite() {
    killed_on_local(Backend::sqlite, &[("sqlite.appended", false), ("sqlite.moved", false)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_file() {
    let own = [("file.journaled", true), ("file.half-applied", true), ("file.applied", true)];
    killed_on_local(Backend::file, &own).await;
}
