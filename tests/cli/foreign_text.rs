//! Tags, actors, reasons and names cannot move the cursor, forge a line or hide text in the output of any command.

use hydra_base::text::is_unprintable;
use serde_json::Value;

use super::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};

/// An escape sequence in C0 and in C1, line ends other than `\n`, a bidirectional override, and an invisible tag `A`.
const HOSTILE: &str = "x\u{1b}[2J\u{9b}2J\u{85}\u{2028}\u{2029}\u{202e}\u{feff}\u{e0041}y";

/// Asserts that both streams contain only line feeds and printable characters.
#[track_caller]
fn assert_printable(outcome: &Outcome) {
    for stream in [&outcome.out, &outcome.err] {
        let bad = stream.chars().find(|c| *c != '\n' && is_unprintable(*c));
        assert_eq!(bad, None, "{stream:?}");
    }
}

#[test]
fn text_and_json_of_every_listing_have_only_printable_characters() {
    let project = Project::new(None, &fresh_name("foreign"));
    project.file("train.csv", training_csv());
    let tag = format!("note={HOSTILE}");
    assert_printable(&project.run(LOG.iter().copied().chain(["--tag", &tag, "--run-name", HOSTILE])));
    assert_printable(&project.run(["-vv", "promote", "--actor", HOSTILE, "--reason", HOSTILE]));
    for command in [
        &["history"][..],
        &["history", "export"],
        &["history", "verify"],
        &["champion"],
        &["list"],
        &["doctor"],
    ] {
        let text = project.run(command);
        assert_printable(&text);
        assert_eq!(text.code, 0, "{}", text.err);
        assert_printable(&project.run([&["--output", "json"], command].concat()));
    }
    assert!(project.run(["champion"]).out.contains("note = x\u{fffd}[2J"));
    // JSON output carries the values unchanged.
    assert_eq!(project.json(["champion"])["tags"]["note"], HOSTILE);
    let history = project.run(["--output", "jsonl", "history", "--limit", "1"]).out;
    let entry: Value = serde_json::from_str(&history).expect("a document");
    assert_eq!((&entry["actor"], &entry["reason"]), (&HOSTILE.into(), &HOSTILE.into()));
    let export = project.run(["history", "export"]).out;
    let lines: Vec<Value> =
        export.lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
    assert_eq!(lines[1]["entry"]["actor"], HOSTILE);
}

#[test]
fn complaints_about_arguments_have_only_printable_characters() {
    let project = Project::new(None, &fresh_name("foreign"));
    for command in [&["--output", HOSTILE, "champion"][..], &["show", HOSTILE], &["list", "--limit", HOSTILE]]
    {
        let refused = project.run(command);
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert_printable(&refused);
        assert!(refused.err.contains('\u{fffd}'), "{}", refused.err);
    }
}

#[test]
fn errors_have_only_printable_characters() {
    let project = Project::new(None, &fresh_name("foreign"));
    let odd_name = "a\u{202e}b\u{2028}c\u{e0041}";
    for (name, code) in [(odd_name, 4), (HOSTILE, 2)] {
        for output in ["text", "json"] {
            let refused = project.run(["--output", output, "--model", name, "champion"]);
            assert_eq!(refused.code, code, "{}", refused.err);
            assert_printable(&refused);
        }
    }
}
