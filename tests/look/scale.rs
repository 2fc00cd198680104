//! A real ledger of ten thousand entries: how long its page takes, how large it is, and whether a browser can use it.

use std::time::{Duration, Instant};

use hydra_base::Sha256;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::browser::browse;
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;

/// Copies a row of a table of versions for another version.
fn copy(database: &Connection, table: &str, name: &str, from: u32, changes: &[(&str, &str)]) {
    let mut columns =
        database.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).expect("a table");
    let names: Vec<String> =
        columns.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("its columns");
    let values: Vec<String> = names
        .iter()
        .map(|column| match changes.iter().find(|(changed, _)| changed == column) {
            Some((_, value)) => format!("'{}'", value.replace('\'', "''")),
            None => column.clone(),
        })
        .collect();
    let key = changes
        .iter()
        .find(|(column, _)| *column == "key")
        .map_or_else(String::new, |(_, key)| format!(" AND key = '{key}'"));
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {table} WHERE name = ?1 AND version = ?2{key}",
        names.join(", "),
        values.join(", ")
    );
    assert_eq!(database.execute(&sql, params![name, from]).expect("a copy"), 1, "{sql}");
}

/// A ledger whose entries from the fourth on are written by hand, as a program of ours would have written them.
pub fn long_ledger(count: u64) -> Project {
    let name = fresh_name("long");
    let project = Project::new(None, &name);
    for _ in 0..2 {
        project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
        project.json(["promote", "--reason", "weekly retrain"]);
    }
    let ledger = format!("{name}_ledger");
    let mut database = Connection::open(project.path().join("mlflow.db")).expect("the database");
    let transaction = database.transaction().expect("a transaction");
    let text: String = transaction
        .query_row(
            "SELECT value FROM model_version_tags WHERE name = ?1 AND version = 3 AND key = 'hydra.entry'",
            [&ledger],
            |row| row.get(0),
        )
        .expect("an entry");
    let mut entry: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(entry.to_string(), text, "compact JSON with sorted keys is canonical here");
    let mut previous = Sha256::of(text.as_bytes());
    let (start, mut state) = (hydra_base::time::now(), entry["after"].clone());
    for number in 4..=count {
        let refused = number % 3 == 0;
        let next = json!({"archived": state["champion"], "champion": state["archived"]});
        entry["base"] = (number - 1).to_string().into();
        entry["previous"] = previous.to_string().into();
        entry["operation_id"] = format!("{number:032x}").into();
        entry["at"] = (start + i64::try_from(number).expect("a number") * 60_000).to_string().into();
        entry["before"] = state.clone();
        entry["after"] = if refused { state.clone() } else { next };
        entry["actor"] = format!("team-{}@example.org", number % 17).into();
        entry["explanation"] = format!("auc 0.9{number} \"is\" <better> than 0.9; ").repeat(8).into();
        entry["decided"]["verdict"] = if refused { "reject" } else { "approve" }.into();
        state = entry["after"].clone();
        let text = entry.to_string();
        previous = Sha256::of(text.as_bytes());
        let (version, at) =
            (number.to_string(), (start + i64::try_from(number).expect("a number") * 60_000).to_string());
        copy(&transaction, "model_versions", &ledger, 3, &[("version", &version), ("creation_time", &at)]);
        copy(
            &transaction,
            "model_version_tags",
            &ledger,
            3,
            &[("version", &version), ("key", "hydra.entry"), ("value", &text)],
        );
        copy(
            &transaction,
            "model_version_tags",
            &ledger,
            3,
            &[("version", &version), ("key", "hydra.applied")],
        );
    }
    transaction.commit().expect("committed");
    project
}

#[test]
#[ignore = "a minute, and needs Chromium; `cargo xtask test --all` runs it"]
fn ten_thousand_entries_are_a_page_that_a_browser_can_use() {
    let project = long_ledger(10_000);
    let start = Instant::now();
    let file = super::page_file(&project, &[]);
    let took = start.elapsed();
    let page = std::fs::read_to_string(&file).expect("a page");
    println!("10,000 entries: {} bytes, {took:?} with reading and starting", page.len());
    assert!(page.len() <= 5_000_000, "{} bytes", page.len());
    // With reading, in a build without optimisation.
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert_eq!(page.matches("<details class=\"e ").count(), 10_000);
    assert!(page.contains("unbroken"), "the entries are a chain");
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!("file://{}", file.display());
    let filter = "(async () => { const start = performance.now(); const field = document.getElementById('f-actor'); \
        field.value = 'team-3@'; field.dispatchEvent(new Event('input', {bubbles: true})); \
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); \
        return [performance.now() - start, document.getElementById('count').textContent]; })()";
    let plan = json!([
        {"open": url, "width": 1280},
        {"evaluate": "performance.timing.loadEventStart - performance.timing.navigationStart"},
        {"evaluate": filter},
        {"evaluate": filter},
    ]);
    let seen = browse(directory.path(), &plan);
    assert_eq!(seen["console"], json!([]));
    let results = seen["results"].as_array().expect("results");
    assert!(results[0].as_f64().expect("milliseconds") < 8_000.0, "loading: {seen}");
    assert!(results[2][0].as_f64().expect("milliseconds") < 2_000.0, "filtering: {seen}");
    assert_eq!(results[1][1], "588 of 10000 entries", "{seen}");
}
