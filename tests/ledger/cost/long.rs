//! The cost of commands on long ledgers.

use std::process::Stdio;
use std::time::Duration;

use hydra_base::Sha256;
use hydra_lifecycle::ledger::chain::{ENTRY_TAG, Record};
use hydra_lifecycle::ledger::entry::{Entry, EntryKind};
use hydra_lifecycle::ledger::ledger_name;
use hydra_policy::VerdictKind;
use hydra_registry::ModelRegistry;

use super::sorted;
use crate::ledger::{aliases, ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};
use crate::support::version;

/// The length of the ledger, the number of changes of the champion and of statements do not matter to a machine that saw them.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_ledger_costs_no_request_more() {
    let proxy = Proxy::start(&Server::shared(NEWEST).url);
    let project = Project::new(Some(&proxy.url), &fresh_name("past"));
    project.file("train.csv", crate::cli::training_csv());
    for _ in 0..3 {
        project.json(crate::cli::LOG);
    }
    for version in ["1", "2"] {
        project.json(["promote", version]);
    }
    for _ in 0..24 {
        project.json(["rollback"]);
    }
    for statement in 0..40 {
        project.json(["approve", "3", "--actor", &format!("approver {statement}")]);
    }
    proxy.take();
    project.json(["rollback"]);
    let sent = sorted(proxy.take());
    assert!(sent.len() <= 13, "{sent:?}");
    proxy.slow_down(Duration::from_millis(150));
    project.json(["rollback"]);
    let rounds = proxy.take_rounds();
    assert!(rounds <= 1 + 6, "{rounds} round trips");
}

/// Appends rejections to the ledger directly in the server's database, as many runs of `promote` would.
async fn lengthen(server: &Server, registry: &ModelRegistry, to: u64) {
    let ledger = ledger(registry).await;
    let newest: Record = ledger.history(Some(1), None).await.expect("a history").remove(0).0;
    let mut decided = newest.entry.decided.clone().expect("a decision");
    decided.verdict = VerdictKind::Reject;
    let state = newest.state().clone();
    let (mut base, mut previous) = (newest.number, newest.digest);
    let name = ledger_name(registry.model()).expect("a name");
    let path = server.home.join("mlflow.db");
    let mut database = rusqlite::Connection::open(path).expect("the server's database");
    database.busy_timeout(Duration::from_mins(1)).expect("the timeout is set");
    let transaction = database.transaction().expect("a transaction");
    let columns = |table: &str| -> Vec<String> {
        let mut statement =
            transaction.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).expect("columns");
        let names = statement.query_map([], |row| row.get(0)).expect("columns");
        names.collect::<Result<_, _>>().expect("columns")
    };
    let copy = |table: &str, replaced: &[(&str, &str)]| {
        let names = columns(table);
        let value = |name: &String| {
            replaced
                .iter()
                .find(|(column, _)| column == name)
                .map_or(name.clone(), |(_, place)| (*place).to_owned())
        };
        let values: Vec<String> = names.iter().map(value).collect();
        format!(
            "INSERT INTO {table} ({}) SELECT {} FROM {table} WHERE name = ?1 AND version = ?2",
            names.join(", "),
            values.join(", ")
        )
    };
    let versions = copy("model_versions", &[("version", "?3")]);
    let tags = copy("model_version_tags", &[("version", "?3"), ("value", "?4")]) + " AND key = ?5";
    for number in newest.number + 1..=to {
        let mut entry = Entry {
            operation: EntryKind::Promote,
            operation_id: format!("operation-{number}"),
            base,
            previous: Some(previous),
            before: state.clone(),
            after: state.clone(),
            side: Default::default(),
            decided: Some(decided.clone()),
            ..newest.entry.clone()
        };
        let text = entry.encode().expect("an entry");
        (base, previous) = (number, Sha256::of(text.as_bytes()));
        let row = rusqlite::params![name.as_str(), newest.number as i64, number as i64];
        assert_eq!(transaction.execute(&versions, row).expect("a version"), 1);
        let row = rusqlite::params![name.as_str(), newest.number as i64, number as i64, text, ENTRY_TAG];
        assert_eq!(transaction.execute(&tags, row).expect("a tag"), 1);
    }
    transaction.commit().expect("committed");
    // Every decision has an archived input, but only the newest one is read.
    let input = ledger.input(&newest).await.expect("an input");
    let run = registry.backend().tracking.run(ledger.run_id()).await.expect("the ledger's run");
    let archive = registry
        .backend()
        .artifact_store(&run.artifact_uri.parse().expect("a URI"))
        .await
        .expect("the archive");
    let path = format!("decisions/operation-{to}-{}.json", Sha256::of(&input));
    archive.put_bytes(&path, input).await.expect("stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_entries_cost_as_much_as_ten() {
    // A separate server, because a long transaction in a shared database would block other tests.
    let server = Server::start(NEWEST, &[]);
    let proxy = Proxy::start(&server.url);
    let model = fresh_name("long");
    let registry = registry(&Backend::on(&server), &model).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let project = Project::new(Some(&proxy.url), &model);
    let measure = || {
        let commands: [&[&str]; 3] =
            [&["promote", "3", "--dry-run"], &["history", "--limit", "20"], &["champion"]];
        commands.map(|command| {
            proxy.take();
            let outcome = project.run(command);
            assert_eq!(outcome.code, 0, "{}", outcome.err);
            proxy.take_cost()
        })
    };
    // Fill the first page of the listing, so that the sizes of the answers are comparable.
    lengthen(&server, &registry, 40).await;
    // Opens the model, which later commands only look for.
    project.json(["promote", "3", "--dry-run"]);
    let few = measure();
    lengthen(&server, &registry, 10_000).await;
    // None of the newest entries was seen before: the address of the archive, and the input of the newest decision.
    proxy.take();
    project.json(["promote", "3", "--dry-run"]);
    let (cold, _) = proxy.take_cost();
    assert!(cold <= few[0].0 + 2, "{cold} requests, {} when the ledger was seen before", few[0].0);
    let many = measure();
    for ((requests, bytes), (more_requests, more_bytes)) in few.into_iter().zip(many) {
        assert_eq!(more_requests, requests);
        assert!(more_bytes <= bytes + bytes / 4, "{more_bytes} bytes, {bytes} before");
    }
    // Listing the whole history takes constant memory.
    let mut child = project.command(["history"]).stdout(Stdio::null()).spawn().expect("the binary runs");
    let peak = crate::scale::watch_child(&mut child);
    assert!(peak < 96, "showing 10,000 entries took {peak} MiB");
    // And it can be gone on with.
    registry.promote_to_champion(version(4)).await.expect("a promotion");
    assert_eq!(aliases(&registry).await, (Some(4), Some(2)));
    let newest = ledger(&registry).await.history(Some(1), None).await.expect("a history").remove(0).0;
    assert_eq!(newest.number, 10_001);
}

/// Compares medians of alternating measurements from one run.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "compares times; `cargo xtask test --all` runs it"]
async fn ten_thousand_entries_take_no_longer() {
    let server = Server::start(NEWEST, &[]);
    let mut projects = Vec::new();
    for length in [10, 10_000] {
        let model = fresh_name("long");
        let registry = registry(&Backend::on(&server), &model).await;
        registry.promote_to_champion(version(1)).await.expect("a promotion");
        lengthen(&server, &registry, length).await;
        projects.push(Project::new(Some(&server.url), &model));
    }
    for command in [&["promote", "2", "--dry-run"][..], &["history", "--limit", "20"], &["champion"]] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..15 {
            for (project, times) in projects.iter().zip(&mut times) {
                let start = std::time::Instant::now();
                project.run(command);
                times.push(start.elapsed().as_secs_f64());
            }
        }
        let [few, many] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2] * 1e3
        });
        println!("{command:?}: {few:.1} ms at 10 entries, {many:.1} ms at 10,000: {:.2} x", many / few);
        assert!(many <= 2.0 * few, "{command:?}: {few:.1} ms at 10 entries, {many:.1} ms at 10,000");
    }
}

/// The chain that [`lengthen`] writes passes verification.
#[tokio::test(flavor = "multi_thread")]
async fn a_lengthened_chain_is_sound() {
    let server = Server::shared(NEWEST);
    let registry = registry(&Backend::rest(), &fresh_name("sound")).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    lengthen(server, &registry, 30).await;
    let verified = ledger(&registry).await.verify(None).await.expect("a verification");
    assert!(verified.is_sound() && verified.valid == 30, "{verified:?}");
}
