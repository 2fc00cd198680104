//! Columns that are found, kept and refused.

use super::{Case, Folder, assert_invalid, context, regression};
use hydra_base::ErrorKind;
use hydra_lightgbm::loaded::Model;
use hydra_lightgbm::text::{Limits, TextModel};

const ROW: &str = "f0,f1,f2,f3,f4\n0.5,1,-1,0,2\n";

#[test]
fn columns_are_found_by_name_in_any_order() {
    let expected = Folder::new().predict_csv(regression(), ROW, "").unwrap();
    let shuffled =
        Folder::new().predict_csv(regression(), "id,f4,f2,note,f0,f1,f3\n7,2,-1,x,0.5,1,0\n", "").unwrap();
    assert_eq!(shuffled, expected);
}

#[test]
fn kept_columns_come_first_and_as_they_are() {
    let input = "id,f0,f1,f2,f3,f4,note\n007,0.50,1,-1,0,2,\"a, \"\"b\"\"\"\n,0.50,1,-1,0,2,NA\n";
    let out = Folder::new().predict_csv(regression(), input, "--keep note id --keep f0 id").unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "note,id,f0,prediction");
    assert!(lines[1].starts_with("\"a, \"\"b\"\"\",007,0.50,"), "{out}");
    assert!(lines[2].starts_with("NA,,0.50,"), "{out}");
}

#[test]
fn missing_columns_are_listed() {
    let folder = Folder::new();
    folder.write("in.csv", "f0,f2,f3,x\n1,2,3,4\n");
    let error = folder.refused(regression(), "in.csv", "");
    assert_invalid(&error, "features of the model are missing");
    assert_eq!(context(&error, "missing"), "f1, f4");
    assert_eq!(context(&error, "file"), folder.path("in.csv").display().to_string());

    folder.write("in.csv", ROW);
    let error = folder.refused(regression(), "in.csv", "--keep id f0 key");
    assert_eq!(error.kind(), ErrorKind::MissingColumns);
    assert_eq!(error.message(), "columns to keep are missing from the input");
    assert_eq!(context(&error, "missing"), "id, key");
}

#[test]
fn a_name_that_appears_twice_is_refused_if_it_is_wanted() {
    let folder = Folder::new();
    folder.write("in.csv", "f0,f1,f2,f3,f4,f1\n1,2,3,4,5,6\n");
    assert_invalid(&folder.refused(regression(), "in.csv", ""), "appears twice");
    assert!(folder.predict_csv(regression(), "x,f0,f1,f2,f3,f4,x\n1,2,3,4,5,6,7\n", "").is_ok());
}

#[test]
fn a_kept_column_cannot_have_the_name_of_a_prediction() {
    let folder = Folder::new();
    folder.write("in.csv", "prediction,f0,f1,f2,f3,f4\n1,2,3,4,5,6\n");
    let error = folder.refused(regression(), "in.csv", "--keep prediction");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_model_without_names_takes_columns_by_position() {
    let expected = Folder::new().predict_csv(regression(), ROW, "").unwrap();
    let by_position =
        Folder::new().predict_csv(nameless(), "a,b,key,c,d,e\n0.5,1,k,-1,0,2\n", "--keep key").unwrap();
    assert_eq!(by_position.replace("key,", "").replace("k,", ""), expected);
    let by_name = "Column_1,Column_0,Column_2,Column_3,Column_4\n1,0.5,-1,0,2\n";
    assert_eq!(Folder::new().predict_csv(nameless(), by_name, "").unwrap(), expected);

    let folder = Folder::new();
    folder.write("in.csv", "a,b,c,d,e,f\n1,2,3,4,5,6\n");
    assert_invalid(&folder.refused(nameless(), "in.csv", ""), "by position");
}

#[test]
fn a_row_is_not_taken_for_a_header() {
    let folder = Folder::new();
    folder.write("in.csv", "0.5,1,-1,0,2\n0.5,1,-1,0,2\n");
    assert_invalid(&folder.refused(nameless(), "in.csv", ""), "no header");
    folder.write("in.csv", "1,2,3,4,5\n0.5,1,-1,0,2\n");
    assert_invalid(&folder.refused(nameless(), "in.csv", ""), "no header");
    let expected = Folder::new().predict_csv(regression(), ROW, "").unwrap();
    let counted = ROW.replace("f0,f1,f2,f3,f4", "0,1,2,3,4");
    assert_eq!(Folder::new().predict_csv(nameless(), counted, "").unwrap(), expected);
}

#[test]
fn objects_have_no_positions() {
    let folder = Folder::new();
    folder.write("in.jsonl", r#"{"a":1,"b":2,"c":3,"d":4,"e":5}"#);
    let error = folder.refused(nameless(), "in.jsonl", "");
    assert_eq!(context(&error, "missing"), "Column_0, Column_1, Column_2, Column_3, Column_4");
    assert!(error.hint().is_some_and(|hint| hint.contains("by position")), "{error:?}");
}

#[test]
fn an_output_of_unknown_ending_is_refused() {
    let folder = Folder::new();
    folder.write("in.csv", ROW);
    for out in ["out.csv.gz", "out.tsv"] {
        let error = folder.predict(regression(), "in.csv", out, "").unwrap_err();
        assert_eq!(error.downcast_ref::<hydra_base::Error>().unwrap().kind(), ErrorKind::InvalidArgument);
        folder.predict(regression(), "in.csv", out, "--out-format csv").unwrap();
    }
    folder.predict(regression(), "in.csv", "out", "").unwrap();
}

#[test]
fn a_header_without_rows_gives_a_header() {
    assert_eq!(Folder::new().predict_csv(regression(), "f0,f1,f2,f3,f4\n", "").unwrap(), "prediction\n");
}

/// The regression model as if it had been trained on an array.
fn nameless() -> Model {
    let path = Case::new("regression").folder.join("booster/model.lgb");
    let text = std::fs::read_to_string(path).unwrap();
    let names = text.lines().find(|line| line.starts_with("feature_names=")).unwrap();
    let text = text.replacen(names, "feature_names=Column_0 Column_1 Column_2 Column_3 Column_4", 1);
    Model::from_text_model(TextModel::parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap()
}
