//! Every format in, every format out.

use std::fs;
use std::path::Path;

use super::{Case, Folder};

const FILES: [&str; 5] = ["rows.csv", "rows.parquet", "rows.arrow", "rows.arrows", "rows.jsonl"];

/// Makes the fixture's rows in every format, by keeping its columns; those with infinite numbers are left out, which JSON does
/// not have.
fn inputs(case: &Case) -> Folder {
    let folder = Folder::new();
    // JSON rather than CSV to start from, since it has types.
    let names: Vec<&str> = case.expected["feature_names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let mut lines = String::new();
    for (index, row) in case.expected["input_rows"].as_array().unwrap().iter().enumerate() {
        if row.to_string().contains("Infinity") {
            continue;
        }
        let mut object =
            serde_json::json!({"id": index, "flag": index % 2 == 0, "text": format!("row, \"{index}\"")});
        for (name, value) in names.iter().zip(row.as_array().unwrap()) {
            object[*name] = value.clone();
        }
        lines.push_str(&format!("{object}\n"));
    }
    folder.write("rows.jsonl", lines);
    for file in FILES.into_iter().filter(|file| *file != "rows.jsonl") {
        let keep = format!("--keep id flag text {}", names.join(" "));
        folder.predict(case.model("booster"), "rows.jsonl", file, &keep).unwrap();
    }
    folder
}

#[test]
fn all_formats_bring_the_same_rows() {
    for name in ["binary_cat", "multi_int"] {
        let case = Case::new(name);
        let folder = inputs(&case);
        let finite: String = case
            .input()
            .lines()
            .filter(|line| !line.contains("inf"))
            .map(|line| line.to_owned() + "\n")
            .collect();
        let expected = Folder::new().predict_csv(case.model("skops"), finite, "--output-type proba").unwrap();
        for file in FILES {
            for rows in [1, 5, 1000] {
                let options = format!("--output-type proba --batch-rows {rows}");
                folder.predict(case.model("skops"), file, "out.csv", &options).unwrap();
                let out = fs::read_to_string(folder.path("out.csv")).unwrap();
                assert_eq!(out, expected, "{name} {file} {rows}");
            }
        }
    }
}

#[test]
fn kept_columns_and_labels_keep_their_types() {
    for (name, label) in [("binary_bool", "false"), ("multi_int", "3"), ("multi_str", "\"bee\"")] {
        let case = Case::new(name);
        let folder = inputs(&case);
        for file in ["rows.parquet", "rows.arrow", "rows.arrows", "rows.jsonl"] {
            // Through a file of the same format, so that its writer and its reader both have a say.
            let again = format!("again.{}", file.rsplit_once('.').unwrap().1);
            folder.predict(case.model("skops"), file, &again, "--keep f0 f1 f2 f3 f4 id flag text").unwrap();
            folder
                .predict(
                    case.model("booster"),
                    &again,
                    "out.jsonl",
                    "--output-type leaf --keep prediction id flag text",
                )
                .unwrap();
            let out = fs::read_to_string(folder.path("out.jsonl")).unwrap();
            let start = format!(r#"{{"prediction":{label},"id":0,"flag":true,"text":"row, \"0\"","leaf_0":"#);
            assert!(out.starts_with(&start), "{name} {file}: {out}");
        }
    }
}

#[test]
fn kept_json_values_pass_as_they_are() {
    let case = Case::new("regression");
    let folder = Folder::new();
    let values = [r#"{"a":[1,null]}"#, "null", "17", "\"x\"", "true", "1.5"];
    let rows = values.map(|value| format!(r#"{{"f0":1,"f1":1,"f2":1,"f3":1,"f4":1,"extra":0,"v":{value}}}"#));
    folder.write("in.jsonl", rows.join("\n"));
    for batch in [1, 10] {
        folder
            .predict(
                case.model("booster"),
                "in.jsonl",
                "out.jsonl",
                &format!("--keep v --batch-rows {batch}"),
            )
            .unwrap();
        let out = fs::read_to_string(folder.path("out.jsonl")).unwrap();
        for (line, value) in out.lines().zip(values) {
            assert!(line.starts_with(&format!(r#"{{"v":{value},"prediction":"#)), "{line}");
        }
    }
    folder.write("in.jsonl", rows.join("\n"));
    let error = folder
        .predict(case.model("booster"), "in.jsonl", "out.parquet", "--keep v --batch-rows 1")
        .unwrap_err();
    assert!(error.to_string().contains("changes its type"), "{error:?}");
}

/// Files that pandas and PyArrow wrote, with the scores that Python's LightGBM gave their rows.
#[test]
fn files_of_pandas_give_the_scores_of_python() {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/rows");
    let numbers = |csv: &str| -> Vec<(u32, u64)> {
        let cells = csv.lines().skip(1).map(|line| line.split_once(',').unwrap());
        cells.map(|(id, score)| (id.parse().unwrap(), score.parse::<f64>().unwrap().to_bits())).collect()
    };
    let expected = numbers(&fs::read_to_string(rows.join("expected.csv")).unwrap());
    assert_eq!(expected.len(), 50);
    for file in
        ["pandas.csv", "pandas.jsonl", "pandas.feather", "pandas.parquet", "zstd.parquet", "zstd.arrows"]
    {
        let folder = Folder::new();
        fs::copy(rows.join(file), folder.path(file)).unwrap();
        let model = Case::new("binary_cat").model("booster");
        folder.predict(model, file, "out.csv", "--output-type raw --keep id").unwrap();
        assert_eq!(numbers(&fs::read_to_string(folder.path("out.csv")).unwrap()), expected, "{file}");
    }
}

#[test]
fn times_are_kept_by_every_format_that_has_them() {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/rows");
    let folder = Folder::new();
    for file in ["pandas.parquet", "pandas.feather"] {
        fs::copy(rows.join(file), folder.path(file)).unwrap();
        for out in ["a.parquet", "a.arrow", "a.arrows", "a.jsonl", "a.csv"] {
            folder
                .predict(
                    Case::new("binary_cat").model("booster"),
                    file,
                    out,
                    "--keep seen num city tier zeros",
                )
                .unwrap();
            folder.predict(Case::new("binary_cat").model("booster"), out, "b.csv", "--keep seen").unwrap();
            let out = fs::read_to_string(folder.path("b.csv")).unwrap();
            assert!(out.lines().nth(2).unwrap().starts_with("2026-01-01T01:00:00Z,"), "{out}");
        }
    }
}
