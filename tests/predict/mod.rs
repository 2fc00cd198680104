//! `predict` through the binary: pipes, streams, and messages on stderr.

mod report;
mod several;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::python;
use crate::support::root;
use crate::support::server::NEWEST;

/// A project whose champion is a fixture's model with the features `f0` to `f4`.
fn champion(case: &str) -> Project {
    let project = Project::new(None, &fresh_name("predict"));
    let model = root().join("tests/fixtures/models").join(case).join("booster/model.lgb");
    project.json(["log-candidate", model.to_str().expect("a path"), "--metric", "auc=1"]);
    project.json(["promote"]);
    project
}

/// The registered model of a project.
fn model(project: &Project) -> String {
    project.json(["champion"])["model"].as_str().expect("a name").to_owned()
}

/// A running `predict` with its stdin and stdout.
fn start(project: &Project, args: &[&str]) -> (Child, ChildStdin, BufReader<ChildStdout>) {
    let mut command = project.command(["predict"].iter().chain(args));
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let input = child.stdin.take().expect("its stdin");
    let output = BufReader::new(child.stdout.take().expect("its stdout"));
    (child, input, output)
}

fn predict_stdin(project: &Project, args: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    let (child, mut stdin, mut stdout) = start(project, args);
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    stdout.read_to_end(&mut output).expect("its output");
    // The write may fail, because `predict` can stop reading a damaged input early.
    let _ = writer.join().expect("the writer");
    let outcome = Outcome::from(child.wait_with_output().expect("its end"));
    (outcome.code, output, outcome.err)
}

fn rows(count: usize) -> String {
    let mut csv = "id,f0,f1,f2,f3,f4\n".to_owned();
    for row in 0..count {
        writeln!(
            csv,
            "{row},{},0.25,{},-1,{}",
            row as f64 / 16.0,
            if row % 2 == 0 { "" } else { "3" },
            row % 7
        )
        .expect("text");
    }
    csv
}

/// The same rows as JSON lines.
fn json_rows(count: usize) -> String {
    let object = |row: usize| {
        // Some values are not null, because a kept column with only nulls is written as text.
        let third = if row.is_multiple_of(2) { "null" } else { "3" };
        format!("{{\"f0\":{},\"f1\":0.25,\"f2\":{third},\"f3\":-1,\"f4\":{}}}\n", row as f64 / 16.0, row % 7)
    };
    (0..count).map(object).collect()
}

/// The messages before those about what was read.
fn before_summary(messages: &str) -> &str {
    let starts = ["missing values: ", "unknown categories: ", "scored "]
        .iter()
        .filter_map(|start| messages.find(start));
    &messages[..starts.min().unwrap_or(messages.len())]
}

#[test]
fn a_file_is_predicted_to_stdout_and_to_a_file() {
    let project = champion("regression");
    project.file("rows.csv", rows(3));
    let shown = project.run(["predict", "rows.csv", "--keep", "id"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.starts_with("id,prediction\n0,"), "{}", shown.out);
    assert_eq!(shown.out.lines().count(), 4);
    assert_eq!(
        before_summary(&shown.err),
        format!("predictions of {} version 1, output: value\n", model(&project))
    );
    assert!(shown.err.contains("\nmissing values: f2 2\nscored 3 rows in "), "{}", shown.err);

    let written = project.run(["predict", "rows.csv", "--keep", "id", "--out", "scores.csv"]);
    assert_eq!((written.code, written.out.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(project.path().join("scores.csv")).expect("the file"), shown.out);
}

#[test]
fn ignored_columns_are_named_once_and_not_with_quiet() {
    let project = champion("regression");
    project.file("rows.csv", rows(3));
    let outcome = project.run(["predict", "rows.csv", "--batch-rows", "1"]);
    let version = format!("predictions of {} version 1, output: value\n", model(&project));
    assert_eq!(before_summary(&outcome.err), format!("ignored columns: id\n{version}"));
    assert_eq!(project.run(["--quiet", "predict", "rows.csv"]).err, "");
}

#[test]
fn files_name_the_version_as_python_reads_them() {
    let project = champion("regression");
    project.file("rows.csv", rows(3));
    for out in ["scores.parquet", "scores.arrow"] {
        let written = project.run(["predict", "rows.csv", "--keep", "id", "--out", out]);
        assert_eq!((written.code, before_summary(&written.err)), (0, ""));
        let path = project.path().join(out).display().to_string();
        let origin = json!({"hydra.model": model(&project), "hydra.version": "1", "hydra.output": "value"});
        let seen = python::ask(NEWEST, "read_metadata.py", &[&path]);
        assert_eq!(seen, json!({"id": {}, "prediction": origin}), "{out}");
    }
    let shown = project.run(["-q", "predict", "rows.csv", "--with-version"]);
    assert!(shown.out.starts_with("model_version,prediction\n1,"), "{}", shown.out);
}

#[test]
fn every_format_passes_through_pipes() {
    let project = champion("multi_int");
    project.file("rows.csv", rows(1000));
    let expected = project.run(["predict", "rows.csv"]).out;
    for format in ["csv", "parquet", "arrow", "jsonl"] {
        let keep = ["--keep", "f0", "f1", "f2", "f3", "f4"];
        // JSON lines, because kept columns from CSV are text.
        let first = [&["-", "--in-format", "jsonl", "--out-format", format], keep.as_slice()].concat();
        let (code, table, err) = predict_stdin(&project, &first, json_rows(1000).as_bytes());
        assert_eq!(code, 0, "{format}: {err}");
        let second = ["-", "--in-format", format, "--out-format", "csv", "--batch-rows", "64"];
        let (code, out, err) = predict_stdin(&project, &second, &table);
        assert_eq!(code, 0, "{format}: {err}");
        assert_eq!(String::from_utf8_lossy(&out), expected, "{format}");
    }
}

#[test]
fn rows_are_answered_as_they_come() {
    let project = champion("regression");
    let (child, mut input, mut output) = start(&project, &["-", "--format", "jsonl", "--batch-rows", "1"]);
    for row in 0..3 {
        writeln!(input, r#"{{"f0":{row},"f1":1,"f2":null,"f3":0.5,"f4":2}}"#).expect("its input");
        let mut line = String::new();
        output.read_line(&mut line).expect("its output");
        let answer: Value = serde_json::from_str(&line).expect("JSON");
        assert!(answer["prediction"].is_f64(), "{line}");
    }
    drop(input);
    assert!(child.wait_with_output().expect("its end").status.success());
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let project = champion("regression");
    project.file("rows.csv", rows(200_000));
    let (child, _input, mut output) = start(&project, &["rows.csv", "--keep", "id"]);
    let mut line = String::new();
    output.read_line(&mut line).expect("its output");
    drop(output);
    let outcome = Outcome::from(child.wait_with_output().expect("its end"));
    assert_eq!(outcome.code, 0);
    assert_eq!(
        before_summary(&outcome.err),
        format!("predictions of {} version 1, output: value\n", model(&project))
    );
}

#[test]
fn a_damaged_row_is_named_and_the_file_is_not_written() {
    let project = champion("regression");
    project.file("rows.csv", rows(10) + "10,0.5,1,2,x,4\n");
    let outcome = project.run(["predict", "rows.csv", "--out", "scores.csv"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.err.contains("the cell is not a number (line: 12, column: f3, cell: x, file: rows.csv)"),
        "{}",
        outcome.err
    );
    assert!(!project.path().join("scores.csv").exists());
}

#[test]
fn memory_does_not_grow_with_the_input() {
    let project = champion("regression");
    let peak = |count: usize| -> u64 {
        let (child, mut input, mut output) = start(&project, &["-", "--keep", "id", "--batch-rows", "1000"]);
        let writer = std::thread::spawn(move || {
            input.write_all(b"id,f0,f1,f2,f3,f4\n").expect("its input");
            let block = rows(1000).split_once('\n').expect("a header").1.to_owned();
            for _ in 0..count {
                input.write_all(block.as_bytes()).expect("its input");
            }
            input
        });
        for _ in 0..count * 1000 {
            output.skip_until(b'\n').expect("its output");
        }
        let input = writer.join().expect("the writer");
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("its status");
        drop(input);
        assert!(child.wait_with_output().expect("its end").status.success());
        let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("its peak");
        line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
    };
    if cfg!(target_os = "linux") {
        let (short, long) = (peak(5), peak(200));
        assert!(long < short + 8 * 1024, "{short} KB grew to {long} KB");
    }
}
