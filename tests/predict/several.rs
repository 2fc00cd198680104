//! Several inputs: files, patterns, directories, and values in the names of directories.

use std::fs;
use std::path::Path;

use super::{before_summary, champion, model, rows};
use crate::support::binary::Project;

/// The predictions of one file with all rows, as CSV with the id of each row.
fn whole(project: &Project, count: usize) -> String {
    project.file("whole.csv", rows(count));
    let outcome = project.run(["-q", "predict", "whole.csv", "--keep", "id"]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    outcome.out
}

/// Writes rows `from..to` of [`rows`] without some columns, as CSV or as JSON lines.
fn write(project: &Project, path: &str, [from, to]: [usize; 2], without: &[&str]) {
    let all = rows(to);
    let mut lines = all.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let kept: Vec<usize> = (0..header.len()).filter(|column| !without.contains(&header[*column])).collect();
    let csv = |cells: &[&str]| kept.iter().map(|column| cells[*column]).collect::<Vec<_>>().join(",") + "\n";
    let json = |cells: &[&str]| {
        let value = |cell: &str| if cell.is_empty() { "null".to_owned() } else { cell.to_owned() };
        let pair = |column: &usize| format!("\"{}\":{}", header[*column], value(cells[*column]));
        format!("{{{}}}\n", kept.iter().map(pair).collect::<Vec<_>>().join(","))
    };
    let is_json = Path::new(path).extension().is_some_and(|ending| ending == "jsonl");
    let mut text = if is_json { String::new() } else { csv(&header) };
    text.extend(lines.skip(from).map(|cells| if is_json { json(&cells) } else { csv(&cells) }));
    let path = project.path().join(path);
    fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
    fs::write(path, text).expect("a file");
}

/// Converts a file of JSON lines, which have types, with `predict` itself, by keeping its columns.
fn convert(project: &Project, from: &str, to: &str, columns: &str) {
    let outcome = project.run(["-q", "predict", from, "--keep", columns, "--out", to]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
}

#[test]
fn files_patterns_and_directories_are_read_in_order() {
    let project = champion("regression");
    let expected = whole(&project, 60);
    for (path, rows) in [
        ("d/part-00000.csv", [0, 20]),
        ("d/part-00001.csv", [20, 20]),
        ("d/part-00002.csv", [20, 50]),
        ("e/rest.csv", [50, 60]),
    ] {
        write(&project, path, rows, &[]);
    }
    fs::write(project.path().join("d/_SUCCESS"), "").expect("a file");
    fs::write(project.path().join("d/.part-00000.csv.crc"), "x").expect("a file");
    for inputs in [
        &["d/part-00000.csv", "d/part-00001.csv", "d/part-00002.csv", "e/rest.csv"][..],
        &["d", "e/rest.csv"],
        &["d/", "e"],
        &["d/part-*.csv", "e/*"],
        &["?/*.csv"],
        &["d/*0.csv", "d/*1.csv", "d/part-0000[2].csv"],
    ] {
        let args = [&["-q", "predict"][..], inputs, &["--keep", "id"]].concat();
        let outcome = project.run(&args);
        if inputs.last().is_some_and(|input| input.contains('[')) {
            // Brackets are not part of patterns.
            assert_eq!(outcome.code, 2, "{inputs:?}");
            continue;
        }
        assert_eq!(outcome.code, 0, "{inputs:?}: {}", outcome.err);
        assert!(outcome.out == expected, "{inputs:?}: {}", outcome.out);
        for out in ["out.parquet", "out.jsonl", "out.arrow"] {
            let written = project.run([&args[..], &["--out", out]].concat());
            assert_eq!(written.code, 0, "{inputs:?}: {}", written.err);
        }
    }
    // Formats can be mixed.
    write(&project, "m.jsonl", [20, 50], &[]);
    convert(&project, "m.jsonl", "m.parquet", "id,f0,f1,f2,f3,f4");
    write(&project, "n.jsonl", [50, 60], &[]);
    let mixed = project.run([
        "-q",
        "predict",
        "d/part-00000.csv",
        "m.parquet",
        "n.jsonl",
        "--keep",
        "id",
        "--out-format",
        "csv",
    ]);
    assert_eq!((mixed.code, mixed.out.as_str()), (0, expected.as_str()), "{}", mixed.err);
}

#[test]
fn values_in_the_names_of_directories_are_columns() {
    let project = champion("regression");
    let model = model(&project);
    // The feature `f3` is -1 in all rows.
    for (path, rows) in [("d/region=north/f3=-1/part-0", [0, 20]), ("d/region=o%2Fd/f3=-1/part-0", [20, 50])]
    {
        write(&project, &format!("{path}.csv"), rows, &["f3"]);
    }
    let expected = whole(&project, 50);
    let with_regions: String = expected
        .lines()
        .enumerate()
        .map(|(row, line)| match row {
            0 => "region,id,prediction\n".to_owned(),
            1..=20 => format!("north,{line}\n"),
            _ => format!("o/d,{line}\n"),
        })
        .collect();
    let read = |input: &str| project.run(["predict", input, "--keep", "region,id", "--out-format", "csv"]);
    for input in ["d", "d/region=*", "d/*/*/part-*"] {
        let outcome = read(input);
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (0, with_regions.as_str()),
            "{input}: {}",
            outcome.err
        );
        assert_eq!(
            before_summary(&outcome.err),
            format!("predictions of {model} version 1, output: value\n"),
            "{input}"
        );
    }
    for ending in ["parquet", "arrow", "arrows", "jsonl"] {
        for directory in ["region=north/f3=-1", "region=o%2Fd/f3=-1"] {
            let to = format!("{ending}/{directory}/part-0.{ending}");
            fs::create_dir_all(project.path().join(&to).parent().expect("a directory")).expect("directories");
            write(&project, "full.jsonl", if directory.contains("north") { [0, 20] } else { [20, 50] }, &[]);
            convert(&project, "full.jsonl", "full.parquet", "id,f0,f1,f2,f3,f4");
            // The predictions are one more column, which is ignored.
            convert(&project, "full.parquet", &to, "id,f0,f1,f2,f4");
        }
        let outcome = read(ending);
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (0, with_regions.as_str()),
            "{ending}: {}",
            outcome.err
        );
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused_by_name() {
    let project = champion("regression");
    for (path, rows) in [
        ("d/part-0.csv", [0, 5]),
        ("d/region=north/part-0.csv", [5, 9]),
        ("e/part-0.csv", [0, 5]),
        ("e/sub/part-0.csv", [5, 9]),
    ] {
        write(&project, path, rows, &[]);
    }
    project.file("damaged.csv", "id,f0,f1,f2,f3,f4\n1,x,0,0,0,0\n");
    for (inputs, words) in [
        (&["d"][..], "the names of directories have different columns"),
        (&["e"], "the directory of rows contains a directory: `sub`"),
        (&["nothing-*.csv"], "no file of rows has a name like the pattern"),
        (&["e/part-0.csv", "-"], "stdin cannot be one of several inputs"),
        (&["e/part-0.csv", "damaged.csv"], "file: damaged.csv"),
        (&["e/part-0.csv", "missing.csv"], "missing.csv"),
        (&["e/part-0.csv", "d/part-0.csv", "--out", "d/part-0.csv"], "the output is the input"),
        (&["e/part-*", "--out", "e/part-0.csv"], "the output is the input"),
    ] {
        let refused = project.run([&["predict"][..], inputs].concat());
        assert_eq!(refused.code, 2, "{inputs:?}: {}", refused.err);
        assert!(refused.err.contains(words), "{inputs:?}: {}", refused.err);
    }
}

#[test]
fn several_files_are_evaluated_together() {
    let project = champion("regression");
    let labelled = |count: usize| {
        let all = rows(count);
        let line = |(row, line): (usize, &str)| {
            format!("{line},{}\n", if row == 0 { "y".into() } else { (row % 5).to_string() })
        };
        all.lines().enumerate().map(line).collect::<String>()
    };
    let all = labelled(200);
    let (head, body) = all.split_once('\n').expect("a header");
    project.file("whole.csv", &all);
    fs::create_dir(project.path().join("d")).expect("a directory");
    let lines: Vec<&str> = body.lines().collect();
    for (number, lines) in lines.chunks(70).enumerate() {
        project.file(&format!("d/part-{number}.csv"), format!("{head}\n{}\n", lines.join("\n")));
    }
    let measured = |rows: &[&str]| {
        let args = ["evaluate"].into_iter().chain(rows.iter().copied());
        let report =
            project.json(args.chain(["--label", "y", "--resamples", "0", "--no-record", "--name", "n"]));
        (report["evaluation"]["dataset"]["rows"].clone(), report["evaluation"]["measurements"].clone())
    };
    let expected = measured(&["whole.csv"]);
    for rows in [&["d"][..], &["d/part-*.csv"], &["d/part-0.csv", "d/part-1.csv", "d/part-2.csv"]] {
        assert_eq!(measured(rows), expected, "{rows:?}");
    }
    let nameless = project.run(["evaluate", "d/part-0.csv", "d/part-1.csv", "--label", "y"]);
    assert!(nameless.code == 2 && nameless.err.contains("--name"), "{}", nameless.err);
    let recorded = project.run(["evaluate", "d/part-0.csv", "d/part-1.csv", "--label", "y", "--name", "n"]);
    assert_eq!(recorded.code, 0, "{}", recorded.err);
}
