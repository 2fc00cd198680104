//! The version of the model in each row.

use std::fs;

use super::{Folder, regression};
use hydra_base::ErrorKind;

fn rows() -> Folder {
    let folder = Folder::new();
    folder.write("rows.csv", "id,f0,f1,f2,f3,f4\na,1,2,3,4,5\nb,5,4,3,2,1\n");
    folder
}

#[test]
fn the_version_is_a_column_if_asked_for() {
    let folder = rows();
    let scores =
        folder.predict_csv(regression(), fs::read(folder.path("rows.csv")).unwrap(), "--keep id").unwrap();
    let scores: Vec<&str> = scores.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    folder.predict(regression(), "rows.csv", "out.csv", "--keep id --with-version").unwrap();
    let out = fs::read_to_string(folder.path("out.csv")).unwrap();
    let expected = format!("id,model_version,prediction\na,7,{}\nb,7,{}\n", scores[0], scores[1]);
    assert_eq!(out, expected);
    folder.predict(regression(), "rows.csv", "out.jsonl", "--with-version --batch-rows 1").unwrap();
    let out = fs::read_to_string(folder.path("out.jsonl")).unwrap();
    assert_eq!(out.lines().filter(|line| line.starts_with(r#"{"model_version":7,"prediction":"#)).count(), 2);
}

#[test]
fn a_model_file_has_no_version() {
    let folder = rows();
    let error = folder.refused(regression(), "rows.csv", "--model-file m.txt --with-version");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    folder.predict(regression(), "rows.csv", "out.csv", "--model-file m.txt").unwrap();
}

#[test]
fn a_kept_column_cannot_have_the_name_of_the_version() {
    let folder = Folder::new();
    folder.write("rows.csv", "model_version,f0,f1,f2,f3,f4\n3,1,2,3,4,5\n");
    let error = folder.refused(regression(), "rows.csv", "--keep model_version --with-version");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    folder.predict(regression(), "rows.csv", "out.csv", "--keep model_version").unwrap();
}
