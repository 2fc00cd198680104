//! Combinations of input and output formats.

use std::fs;
use std::path::Path;

use super::{Case, Folder};
use hydra_lightgbm::loaded::{Model, ModelLimits};

pub(super) const FILES: [&str; 5] = ["rows.csv", "rows.parquet", "rows.arrow", "rows.arrows", "rows.jsonl"];

/// Writes the fixture's rows in every format, by keeping its columns. Columns with infinite numbers are left out,
/// because JSON cannot represent them.
pub(super) fn inputs(case: &Case) -> Folder {
    let folder = Folder::new();
    // Start from JSON, because CSV has no types.
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
        let keep = format!("--keep id flag text {}{}", names.join(" "), case.options());
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
        let options = format!("--output-type proba{}", case.options());
        let expected = Folder::new().predict_csv(case.model("skops"), finite, &options).unwrap();
        for file in FILES {
            for rows in [1, 5, 1000] {
                let options = format!("--output-type proba --batch-rows {rows}{}", case.options());
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
            // Goes through a file of the same format, to test both its writer and its reader.
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

/// Files that pandas and PyArrow wrote, with the scores of Python's LightGBM for their rows.
#[test]
fn files_of_pandas_give_the_scores_of_python() {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/rows");
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
        let case = Case::new("binary_cat");
        // The columns of `tier` and `zeros` are numbers, and either may have been a category in training.
        let options = "--output-type raw --keep id";
        let error = folder.predict(case.model("booster"), file, "out.csv", options).unwrap_err();
        let message = "cannot match the model's pandas categories to columns";
        assert!(error.to_string().contains(message), "{error:?}");
        let options = format!("{options}{}", case.options());
        folder.predict(case.model("booster"), file, "out.csv", &options).unwrap();
        assert_eq!(numbers(&fs::read_to_string(folder.path("out.csv")).unwrap()), expected, "{file}");
    }
}

#[test]
fn times_are_kept_by_every_format_that_has_them() {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/rows");
    let folder = Folder::new();
    for file in ["pandas.parquet", "pandas.feather"] {
        fs::copy(rows.join(file), folder.path(file)).unwrap();
        for out in ["a.parquet", "a.arrow", "a.arrows", "a.jsonl", "a.csv"] {
            for (from, to, keep) in [(file, out, "seen num city tier zeros"), (out, "b.csv", "seen")] {
                let model = Case::new("binary_cat").model("booster");
                folder.predict(model, from, to, &format!("--keep {keep} --categories city,tier")).unwrap();
            }
            let out = fs::read_to_string(folder.path("b.csv")).unwrap();
            assert!(out.lines().nth(2).unwrap().starts_with("2026-01-01T01:00:00Z,"), "{out}");
        }
    }
}

/// Models whose text does not determine the columns of pandas' category type, with Python's scores for their rows.
#[test]
fn columns_of_category_type_get_the_lists_as_in_python() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/categories");
    let model = |case: &str| {
        let bytes = fs::read(folder.join(case).with_extension("lgb")).unwrap();
        Model::from_artifact("model.lgb", "", &bytes, &ModelLimits::default()).unwrap()
    };
    let scores = |out: &Folder| {
        let out = fs::read_to_string(out.path("out.csv")).unwrap();
        let rows = out.lines().skip(1).map(|line| line.split_once(',').unwrap());
        let bits = |text: &str| text.parse::<f64>().unwrap().to_bits();
        let rows: Vec<(u64, u64)> = rows.map(|(python, ours)| (bits(python), bits(ours))).collect();
        assert_eq!(rows.len(), 40);
        rows
    };
    for (case, categories) in [
        ("named_and_ordered", "e"),
        ("ordered", "e"),
        ("ordered_text", "e"),
        ("ordered_and_text", "e,k"),
        ("constant", "k,cc"),
        ("constant_and_named", "cc"),
        ("not_named", "e"),
        ("named_both", "e"),
        ("flags", "e"),
    ] {
        let out = Folder::new();
        let file = format!("{case}.parquet");
        fs::copy(folder.join(&file), out.path(&file)).unwrap();
        out.predict(model(case), &file, "out.csv", "--output-type raw --keep score").unwrap();
        for (python, ours) in scores(&out) {
            assert_eq!(ours, python, "{case}");
        }
        // Text columns determine their categories; columns of numbers must be named.
        out.predict(model(case), &file, "rows.csv", "--keep score a b c e k cc z").unwrap();
        let named = format!("--output-type raw --keep score --categories {categories}");
        out.predict(model(case), "rows.csv", "out.csv", &named).unwrap();
        for (python, ours) in scores(&out) {
            assert_eq!(ours, python, "{case} as csv");
        }
        match out.predict(model(case), "rows.csv", "out.csv", "--output-type raw --keep score") {
            Ok(_) => assert!(scores(&out).iter().all(|(python, ours)| python == ours), "{case} untold"),
            Err(error) => assert!(error.to_string().contains("pandas categories"), "{case}: {error:?}"),
        }
    }
}

#[test]
fn kept_numbers_of_json_are_never_changed() {
    let case = Case::new("regression");
    let row = |id: &str| format!(r#"{{"f0":1,"f1":1,"f2":1,"f3":1,"f4":1,"id":{id}}}"#);
    let ids =
        ["18446744073709551615", "1.5", "9007199254740993", "-9223372036854775808", "9223372036854775808"];
    let folder = Folder::new();
    for ids in [&ids[..], &ids[..1], &ids[1..3], &ids[2..4], &ids[3..], &[ids[4], ids[0]]] {
        let rows: Vec<String> = ids.iter().map(|id| row(id)).collect();
        folder.write("in.jsonl", rows.join("\n"));
        for (batch, out) in [(1, "out.jsonl"), (10, "out.jsonl"), (1, "out.csv"), (10, "out.csv")] {
            let options = format!("--keep id --batch-rows {batch}");
            folder.predict(case.model("booster"), "in.jsonl", out, &options).unwrap();
            let text = fs::read_to_string(folder.path(out)).unwrap();
            let lines = text.lines().skip(usize::from(out == "out.csv"));
            let kept: Vec<&str> =
                lines.map(|line| line.trim_start_matches(r#"{"id":"#).split(',').next().unwrap()).collect();
            assert_eq!(kept, ids, "{batch} {out}");
        }
    }
    // A column of floats cannot store the second batch.
    folder.write("in.jsonl", format!("{}\n{}\n", row("1.5"), row("9007199254740993")));
    let options = "--keep id --batch-rows 1";
    let error = folder.predict(case.model("booster"), "in.jsonl", "out.parquet", options).unwrap_err();
    assert!(error.to_string().contains("changes its type"), "{error:?}");
    folder.write("in.jsonl", row("18446744073709551616"));
    let error = folder.predict(case.model("booster"), "in.jsonl", "out.jsonl", options).unwrap_err();
    assert!(error.to_string().contains("more than 64 bits"), "{error:?}");
    folder.write("in.jsonl", row("1e300"));
    folder.predict(case.model("booster"), "in.jsonl", "out.jsonl", options).unwrap();
}

#[test]
fn kept_text_does_not_split_json_lines() {
    let folder = Folder::new();
    let text = "a\u{2028}b\u{85}c\u{e0041}é";
    let row = serde_json::json!({"f0": 1, "f1": 1, "f2": 1, "f3": 1, "f4": 1, "id": text});
    folder.write("in.jsonl", row.to_string());
    folder.predict(super::regression(), "in.jsonl", "out.jsonl", "--keep id").unwrap();
    let out = fs::read_to_string(folder.path("out.jsonl")).unwrap();
    assert!(out.starts_with(r#"{"id":"a\u2028b\u0085c\udb40\udc41é""#), "{out}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["id"], text);
}
