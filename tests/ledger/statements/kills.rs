//! Statements that are killed at every step: the next command finishes them.

use std::collections::BTreeSet;

use hydra_base::names::Alias;
use hydra_lifecycle::ledger::doctor::LedgerFinding;

use super::{APPROVE, NOMINATE, QUARANTINE, RELEASE, ROLLBACK, approved, quarantined, standing, tagged};
use crate::ledger::crash::kill_at;
use crate::ledger::{aliases, assert_sound_but_for, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::server::{NEWEST, Server};
use crate::support::version;

/// A kill of a command, and whether its entry was there by then.
type Kill<'a> = (&'a [&'a str], &'a str, bool);

/// Kills a command at a failpoint, promotes version 4, and compares what stands then.
async fn the_next_command_finishes(backend: &Backend, uri: &str, kills: &[Kill<'_>]) {
    for (command, failpoint, committed) in kills {
        let model = fresh_name("kill");
        let registry = registry(backend, &model).await;
        for number in [1, 2] {
            registry.promote(version(number)).await.expect("a promotion");
        }
        if command[0] == "release" {
            registry.quarantine(version(3), "for now").await.expect("a quarantine");
        }
        let project = Project::new(Some(uri), &model);
        kill_at(project.command(*command), failpoint);
        assert_eq!(project.json(["promote", "4"])["outcome"], "done", "{command:?} at {failpoint}");
        let what = format!("{command:?} killed at {failpoint}");
        // An archived quarantine without an entry may also come from entries that a backup lacks, so `doctor` names it.
        let left = *failpoint != "ledger.decided" && !committed;
        let findings = match command[0] {
            "quarantine" if left => vec![unrecorded(3)],
            "rollback" if left => vec![unrecorded(2)],
            _ => Vec::new(),
        };
        let history = assert_sound_but_for(&registry, &findings).await;
        let recorded = history.iter().filter(|(record, _)| record.entry.operation.to_string() == command[0]);
        assert_eq!(recorded.count(), usize::from(*committed), "{what}");
        let expected: BTreeSet<u64> = match (command[0], committed) {
            ("quarantine", true) | ("release", false) => [3].into(),
            ("rollback", true) => [2].into(),
            _ => [].into(),
        };
        let standing = standing(&registry).await;
        assert_eq!(quarantined(&standing), expected, "{what}");
        assert_eq!(tagged(&registry).await, expected, "{what}");
        let approvals = if command[0] == "approve" && *committed { vec![3] } else { Vec::new() };
        assert_eq!(approved(&standing), approvals, "{what}");
        let former = if command[0] == "rollback" && *committed { 1 } else { 2 };
        assert_eq!(aliases(&registry).await, (Some(4), Some(former)), "{what}");
        let candidate =
            registry.backend().registry.version_by_alias(registry.model(), &Alias::CANDIDATE).await;
        let candidate = candidate.expect("an answer").map(|candidate| candidate.version);
        assert_eq!(candidate.is_some(), command[0] == "nominate" && *committed, "{what}");
    }
}

/// The finding about a quarantine that no entry below number 5 records.
fn unrecorded(quarantined: u64) -> LedgerFinding {
    let quarantined = [version(quarantined)].into();
    LedgerFinding::Unrecorded { decisions: 0, quarantined, policies: BTreeSet::new(), entry: 4 }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_rest() {
    let mut kills: Vec<Kill<'_>> = Vec::new();
    for command in [QUARANTINE, RELEASE, NOMINATE, ROLLBACK] {
        kills.extend([(command, "ledger.decided", false), (command, "ledger.archived", false)]);
        let after = ["ledger.appended", "ledger.before-aliases", "ledger.before-mark", "ledger.marked"];
        kills.extend(after.map(|failpoint| (command, failpoint, true)));
    }
    kills.push((ROLLBACK, "ledger.between-aliases", true));
    // An approval moves nothing and has no tag: its entry is all of it.
    let of_approval = [("ledger.decided", false), ("ledger.archived", false), ("ledger.appended", true)];
    kills.extend(of_approval.map(|(failpoint, committed)| (APPROVE, failpoint, committed)));
    the_next_command_finishes(&Backend::rest(), &Server::shared(NEWEST).url, &kills).await;
}

/// Entry, aliases and tags are one transaction.
async fn killed_on_local(backend: Backend, own: &[(&str, bool)]) {
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    let mut kills: Vec<Kill<'_>> = Vec::new();
    for command in [QUARANTINE, RELEASE, APPROVE, NOMINATE, ROLLBACK] {
        kills.extend([(command, "ledger.archived", false), (command, "ledger.appended", true)]);
        kills.extend(own.iter().map(|(failpoint, committed)| (command, *failpoint, *committed)));
    }
    the_next_command_finishes(&backend, uri.expose(), &kills).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_sqlite() {
    killed_on_local(Backend::sqlite(), &[("sqlite.appended", false), ("sqlite.moved", false)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_file() {
    let own = [("file.journaled", true), ("file.half-applied", true), ("file.applied", true)];
    killed_on_local(Backend::file(), &own).await;
}
