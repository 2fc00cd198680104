//! Damaged files result in errors with the position of the damage.

use std::fs;

use super::{Folder, assert_invalid, context, regression};
use hydra_base::ErrorKind;
use hydra_lightgbm::loaded::Model;
use hydra_lightgbm::text::{Limits, TextModel};

const HEADER: &str = "f0,f1,f2,f3,f4\n";

#[test]
fn missing_cells_have_many_spellings() {
    let folder = Folder::new();
    let row = |cell: &str| format!("{HEADER}1,{cell},1,1,1\n");
    let expected = folder.predict_csv(regression(), row(""), "").unwrap();
    for cell in ["NA", "NaN", "nan", "null", "NULL", "None", "N/A", "#N/A", "-nan", "<NA>", " ", "\"\""] {
        assert_eq!(folder.predict_csv(regression(), row(cell), "").unwrap(), expected, "{cell}");
    }
    let expected = folder.predict_csv(regression(), row("1"), "").unwrap();
    for cell in ["true", "True", " 1.0 ", "+1", "1e0", "\"1\""] {
        assert_eq!(folder.predict_csv(regression(), row(cell), "").unwrap(), expected, "{cell}");
    }
}

#[test]
fn a_cell_that_is_no_number_is_named() {
    let folder = Folder::new();
    folder.write("in.csv", format!("{HEADER}1,2,3,4,5\n\"1\",2,3,4,5\n1,2,3,4x,5\n"));
    let error = folder.refused(regression(), "in.csv", "");
    assert_invalid(&error, "the cell is not a number");
    assert_eq!(context(&error, "line"), "4");
    assert_eq!(context(&error, "column"), "f3");
    assert_eq!(context(&error, "cell"), "4x");
}

#[test]
fn a_row_of_another_length_is_named() {
    let folder = Folder::new();
    folder.write("in.csv", format!("{HEADER}1,2,3,4,5\n1,2,3\n"));
    let error = folder.refused(regression(), "in.csv", "");
    assert_invalid(&error, "different numbers of cells");
    assert_eq!(context(&error, "line"), "3");
}

#[test]
fn an_empty_file_is_refused() {
    let folder = Folder::new();
    folder.write("in.csv", "");
    assert_invalid(&folder.refused(regression(), "in.csv", ""), "without a header");
}

#[test]
fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
    let folder = Folder::new();
    folder.write("in.csv", format!("{HEADER}1,\"2,3,4,5\n{}", "1,2,3,4,5\n".repeat(10_000_000)));
    assert_invalid(&folder.refused(regression(), "in.csv", ""), "too long");
}

#[test]
fn damaged_json_lines_name_line_column_and_character() {
    let good = r#"{"f0":1,"f1":2,"f2":3,"f3":4,"f4":5}"#;
    for (bad, message, character) in [
        (r#"{"f0":1,"f1":"x","f2":3,"f3":4,"f4":5}"#, "expected a number", "16"),
        (r#"{"f0":1,"f1":[2],"f2":3,"f3":4,"f4":5}"#, "invalid type: sequence", "14"),
        (r#"{"f0":1,"f1":2"#, "EOF", "14"),
        (r#"{"f0":1,"f0":2}"#, "appears twice", "13"),
        (r"[1,2,3,4,5]", "invalid type: sequence", "0"),
        (r#"{"f0":1} x"#, "trailing characters", "10"),
        (r#"{"f0":1e999}"#, "out of range", "11"),
    ] {
        let folder = Folder::new();
        folder.write("in.jsonl", format!("{good}\n\n{bad}\n{good}\n"));
        let error = folder.refused(regression(), "in.jsonl", "--out-format csv");
        assert_invalid(&error, message);
        assert_eq!(context(&error, "line"), "3", "{bad}");
        assert_eq!(context(&error, "character"), character, "{bad}");
    }
}

#[test]
fn files_of_another_format_are_refused() {
    let folder = Folder::new();
    folder.write("in.bin", format!("{HEADER}1,2,3,4,5\n"));
    for (format, message) in
        [("parquet", "not a Parquet file"), ("arrow", "not an Arrow"), ("jsonl", "cannot read the row")]
    {
        let error = folder.refused(regression(), "in.bin", &format!("--in-format {format}"));
        assert_invalid(&error, message);
    }
    let error = folder.refused(regression(), "in.bin", "");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = folder.refused(regression(), "none.csv", "");
    assert_eq!(error.kind(), ErrorKind::Storage);
}

#[test]
fn an_output_file_is_replaced_only_by_a_whole_one() {
    let folder = Folder::new();
    folder.write("out.csv", "before");
    folder.write("in.csv", format!("{HEADER}1,2,3,4,5\nx,2,3,4,5\n"));
    folder.refused(regression(), "in.csv", "--batch-rows 1");
    assert_eq!(fs::read_to_string(folder.path("out.csv")).unwrap(), "before");
    folder.predict_csv(regression(), format!("{HEADER}1,2,3,4,5\n"), "").unwrap();
    assert!(fs::read_to_string(folder.path("out.csv")).unwrap().starts_with("prediction\n"));
}

/// The lengths in Arrow's metadata and before its packed buffers can have any value; trusting one used to abort the
/// process.
#[test]
fn damaged_arrow_files_end_in_an_error() {
    let rows = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/rows");
    let folder = Folder::new();
    let (mut refused, mut runs) = (0, 0);
    for file in ["zstd.arrows", "pandas.feather", "pandas.parquet"] {
        let whole = fs::read(rows.join(file)).unwrap();
        for (index, place) in (0..whole.len() - 8).step_by(8).enumerate() {
            let mut bytes = whole.clone();
            let value: u64 = [u64::MAX, 1 << 62, 0xff << 32, 1 << 31][index % 4];
            bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
            folder.write(file, bytes);
            let model = super::Case::new("binary_cat").model("booster");
            let options = "--categories city,tier --out-format csv --keep id";
            runs += 1;
            if let Err(error) = folder.predict(model, file, "out.csv", options) {
                let error: hydra_base::Error = error.downcast().unwrap();
                // A damaged name of a column is a name that is missing.
                let kinds = [ErrorKind::InvalidData, ErrorKind::MissingColumns];
                assert!(kinds.contains(&error.kind()), "{file} {place}: {error:?}");
                assert_eq!(context(&error, "file"), folder.path(file).display().to_string());
                refused += 1;
            }
        }
    }
    assert!(refused > runs / 4, "{refused} of {runs}");
}

#[test]
fn a_truncated_arrow_file_is_refused() {
    let rows = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/rows");
    let folder = Folder::new();
    for (file, cut) in [("pandas.feather", 1), ("pandas.feather", 100), ("zstd.arrows", 20)] {
        let mut bytes = fs::read(rows.join(file)).unwrap();
        bytes.truncate(bytes.len() - cut);
        folder.write(file, bytes);
        let model = super::Case::new("binary_cat").model("booster");
        let error = folder.predict(model, file, "out.csv", "--categories city,tier").unwrap_err();
        assert_invalid(error.downcast_ref().unwrap(), if cut == 20 { "ends within" } else { "not an Arrow" });
    }
}

#[test]
fn contributions_that_the_model_does_not_have_are_refused() {
    let folder = Folder::new();
    folder.write("in.csv", format!("{HEADER}1,2,3,4,5\n"));
    let error = folder.refused(regression(), "in.csv", "--top 3");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.hint(), Some("add --output-type contrib"));

    let text = regression().text_model().emit();
    let lines =
        text.lines().filter(|line| !line.starts_with("leaf_count=") && !line.starts_with("tree_sizes="));
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    let model = TextModel::parse(text.as_bytes(), &Limits::default()).unwrap();
    let model = Model::from_text_model(model).unwrap();
    let error = folder.refused(model, "in.csv", "--output-type contrib");
    assert_eq!(error.kind(), ErrorKind::ModelCounts);
    assert_eq!(context(&error, "tree"), "0");
}
