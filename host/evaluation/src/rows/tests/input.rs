//! How labels, groups and models of different columns are read.

use crate::SegmentRecord;

use super::{Columns, Request, evaluated, subject, two};
use hydra_base::ErrorKind;
use hydra_base::testing::{dataset, kind};
use hydra_tables::FileFormat;

const HEADER: &str = "f0,f1,f2,f3,f4,label\n";

/// Rows of two labels.
fn rows(zero: &str, one: &str) -> String {
    let row = |index: usize, label: &str| format!("{index},{},0,1,2,{label}\n", 10 - index);
    (0..10).map(|index| row(index, if index % 3 == 0 { one } else { zero })).collect()
}

fn auc(case: &str, zero: &str, one: &str) -> f64 {
    let request = Request { resamples: 0, ..Request::new(dataset("rows"), Columns::new("label")) };
    let text = HEADER.to_owned() + &rows(zero, one);
    let evaluation = evaluated(vec![subject(case)], text, FileFormat::Csv, &request).unwrap();
    evaluation.measurements[0].value
}

#[test]
fn labels_are_the_classes_of_the_model() {
    let booster = auc("binary_int/booster/model.lgb", "0", "1");
    // The classifier's labels are 0 and 1, as the indices of the booster's classes are.
    assert_eq!(auc("binary_int/skops/model.skops", "0.0", "1"), booster);
    assert_eq!(
        auc("binary_bool/skops/model.skops", "False", "True"),
        auc("binary_bool/booster/model.lgb", "0", "1")
    );
    let text = subject("binary_str/skops/model.skops");
    let names: Vec<String> = text.model.classes().unwrap().iter().map(|label| label.to_string()).collect();
    assert_eq!(
        auc("binary_str/skops/model.skops", &names[0], &names[1]),
        auc("binary_str/booster/model.lgb", "0", "1")
    );
}

#[test]
fn columns_of_two_models_are_read_at_once() {
    // The columns of one model are a part of the other's, in another order.
    let tree = "Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nsplit_gain=1\nthreshold=0.5\ndecision_type=2\n\
                left_child=-1\nright_child=-2\nleaf_value=-1 1\nleaf_weight=1 1\nleaf_count=1 1\ninternal_value=0\n\
                internal_weight=0\ninternal_count=2\nis_linear=0\nshrinkage=1\n\n\nend of trees\n";
    let model = |names: &str, count: usize| {
        let infos = vec!["[0:1]"; count].join(" ");
        let header = format!(
            "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={}\n\
             objective=binary sigmoid:1\nfeature_names={names}\nfeature_infos={infos}\ntree_sizes={}\n\n",
            count - 1,
            tree.len() - "end of trees\n".len()
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{}.txt", names.replace(' ', "-")));
        std::fs::write(&path, header + tree).unwrap();
        super::Subject::open(&path).unwrap()
    };
    let text = "b,label,a,c\n0,0,1,5\n1,1,0,5\n0,0,0,5\n1,1,1,5\n";
    let request = Request { resamples: 0, ..Request::new(dataset("rows"), Columns::new("label")) };
    let both = vec![model("a b", 2), model("b", 1), model("c a", 2)];
    let evaluation = evaluated(both, text, FileFormat::Csv, &request).unwrap();
    let values: Vec<f64> =
        evaluation.measurements.iter().filter(|one| one.metric == "auc").map(|one| one.value).collect();
    assert_eq!(values, [0.5, 1.0, 0.5]);
    let missing = evaluated(vec![model("a", 1), model("d", 1)], text, FileFormat::Csv, &request);
    assert_eq!(kind(missing), ErrorKind::MissingColumns);
}

#[test]
fn a_label_can_be_a_segment_and_a_feature_too() {
    let columns = Columns { segments: vec!["label".to_owned(), "f3".to_owned()], ..Columns::new("label") };
    let request = Request { segment_rows: 1, resamples: 0, ..Request::new(dataset("rows"), columns) };
    let text = HEADER.to_owned() + &rows("0", "1");
    let evaluation = evaluated(two(), text, FileFormat::Csv, &request).unwrap();
    let named = |one: &SegmentRecord| format!("{}={}", one.column, one.value.as_deref().unwrap_or("rest"));
    let segments: Vec<String> = evaluation.segments.iter().map(named).collect();
    assert_eq!(segments, ["f3=1", "label=0", "label=1"]);
    assert_eq!(evaluation.dataset.segments, ["f3", "label"]);
    let in_one_class = evaluation.measurements.iter().find(|one| one.segment == Some(1)).unwrap();
    assert!(in_one_class.value.is_nan());
}
