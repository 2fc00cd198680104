mod damage;
mod old;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::testing::is_category;
use hydra_base::ErrorKind::{InvalidModel, UnsupportedModel};

const SMALL: &str = "\
tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=regression
feature_names=a b c
monotone_constraints=0 1 -1
feature_infos=[0:1] none 0:1:2

Tree=0
num_leaves=3
num_cat=1
split_feature=0 2
split_gain=2 1
threshold=0.5 0
decision_type=2 1
left_child=1 -1
right_child=-2 -3
leaf_value=0.1 -0.2 0.3
leaf_weight=1 1 1
leaf_count=1 1 1
internal_value=0 0
internal_weight=3 2
internal_count=3 2
cat_boundaries=0 1
cat_threshold=5
is_linear=0
shrinkage=1


Tree=1
num_leaves=2
num_cat=0
split_feature=1
split_gain=1
threshold=-1.5
decision_type=8
left_child=-1
right_child=-2
leaf_value=1 2
leaf_weight=1 1
leaf_count=1 1
internal_value=0
internal_weight=2
internal_count=2
is_linear=1
leaf_const=0.25 -1
num_features=2 0
leaf_features=0 1
leaf_coeff=0.5 2
shrinkage=0.1


end of trees

feature_importances:
a=1

parameters:
[boosting: gbdt]

end of parameters

pandas_categorical:[[\"x\", \"y\", 1.5], [true, 3]]
";

fn parse(text: &str) -> Result<TextModel> {
    TextModel::parse(text.as_bytes(), &Limits::default())
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models")
}

/// The text of every model that is stored as a booster, by the name of its case.
fn boosters() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for case in fs::read_dir(fixtures()).unwrap() {
        let case = case.unwrap();
        if let Ok(text) = fs::read_to_string(case.path().join("booster/model.lgb")) {
            found.push((case.file_name().into_string().unwrap(), text));
        }
    }
    found
}

#[test]
fn everything_in_a_model_is_read() {
    let model = parse(SMALL).unwrap();
    assert_eq!(model.feature_names(), ["a", "b", "c"]);
    assert_eq!(model.feature_infos().collect::<Vec<_>>(), ["[0:1]", "none", "0:1:2"]);
    assert_eq!(model.objective(), Some(&Objective::Regression { sqrt: false }));
    assert_eq!((model.num_class(), model.num_iterations(), model.num_trees()), (1, 2, 2));
    assert_eq!(model.max_depth(), 2);
    assert!(!model.average_output());
    assert_eq!(model.pandas_categorical().unwrap()[1], [Category::Bool(true), Category::Integer(3)]);

    let tree = model.tree(0);
    assert_eq!(tree.split_feature(), [0, 2]);
    assert_eq!(tree.threshold(), [0.5, 0.0]);
    assert_eq!(tree.left_child(), [1, -1]);
    assert_eq!(tree.right_child(), [-2, -3]);
    assert_eq!(tree.leaf_value(), [0.1, -0.2, 0.3]);
    assert_eq!((tree.leaf_count(), tree.internal_count()), (&[1, 1, 1][..], &[3, 2][..]));
    assert_eq!(tree.bitset(0), [5]);
    assert!(tree.decision_type()[0].default_left() && !tree.decision_type()[0].is_categorical());
    assert!(tree.decision_type()[1].is_categorical());
    assert!(tree.linear().is_none());

    let tree = model.tree(1);
    assert_eq!(tree.decision_type()[0].missing_type(), MissingType::NaN);
    let linear = tree.linear().unwrap();
    assert_eq!(linear.constants(), [0.25, -1.0]);
    assert_eq!(linear.terms(0), (&[0, 1][..], &[0.5, 2.0][..]));
    assert_eq!(linear.terms(1), (&[][..], &[][..]));
}

#[test]
fn what_is_written_is_read_back() {
    let model = parse(SMALL).unwrap();
    let text = model.emit();
    insta::assert_snapshot!(text);
    assert_eq!(parse(&text).unwrap().emit(), text);
}

#[test]
fn every_booster_of_the_fixtures_is_read_and_written() {
    let boosters = boosters();
    assert!(boosters.len() >= 9, "the fixtures are there");
    for (case, text) in boosters {
        let model = parse(&text).unwrap();
        let expected = fs::read(fixtures().join(&case).join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        assert_eq!(serde_json::json!(model.feature_names()), expected["feature_names"], "{case}");
        let booster = &expected["booster"];
        assert_eq!(serde_json::json!(model.num_trees()), booster["num_trees"], "{case}");
        assert_eq!(
            serde_json::json!(model.trees_per_iteration()),
            booster["num_class_trees_per_iteration"],
            "{case}"
        );
        for (index, list) in model.pandas_categorical().unwrap_or_default().iter().enumerate() {
            let expected = booster["pandas_categorical"][index].as_array().unwrap();
            let equal = list.iter().zip(expected).all(|(ours, theirs)| is_category(ours, theirs));
            assert!(list.len() == expected.len() && equal, "{case}: {list:?} is not {expected:?}");
        }
        let written = model.emit();
        let again = parse(&written).unwrap();
        assert_eq!(again.emit(), written, "{case}");
        for (a, b) in model.trees().zip(again.trees()) {
            assert_eq!(a.threshold(), b.threshold(), "{case}");
            assert_eq!(a.leaf_value(), b.leaf_value(), "{case}");
        }
    }
}

#[test]
fn tabs_in_names_are_kept() {
    let text = SMALL.replacen("feature_names=a b c", "feature_names=a\tx b c", 1);
    let model = parse(&text).unwrap();
    assert_eq!(model.feature_names(), ["a\tx", "b", "c"]);
    assert!(model.emit().contains("feature_names=a\tx b c\n"));
}

#[test]
fn limits_are_kept() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        TextModel::parse(SMALL.as_bytes(), &limits).map(|_| ())
    };
    assert!(limits(|_| ()).is_ok());
    let changes: [fn(&mut Limits); 6] = [
        |limits| limits.bytes = 100,
        |limits| limits.features = 2,
        |limits| limits.trees = 1,
        |limits| limits.leaves = 2,
        |limits| limits.categorical_splits = 0,
        |limits| limits.depth = 1,
    ];
    for change in changes {
        let error = limits(change).unwrap_err();
        assert_eq!(error.kind(), InvalidModel);
        assert!(format!("{error}").contains("limit"), "{error}");
    }
}

#[test]
fn optional_parts_may_be_missing() {
    let mut text = SMALL.to_owned();
    for line in [
        "num_tree_per_iteration=1\n",
        "objective=regression\n",
        "monotone_constraints=0 1 -1\n",
        "split_gain=2 1\n",
        "leaf_weight=1 1 1\n",
        "leaf_count=1 1 1\n",
        "internal_count=3 2\n",
        "pandas_categorical:[[\"x\", \"y\", 1.5], [true, 3]]\n",
    ] {
        assert!(text.contains(line), "{line}");
        text = text.replacen(line, "", 1);
    }
    let model = parse(&text).unwrap();
    assert_eq!(model.objective(), None);
    assert_eq!(model.pandas_categorical(), None);
    assert_eq!(model.tree(0).leaf_count(), [0, 0, 0]);
    assert_eq!(model.trees_per_iteration(), 1);
}

#[test]
fn gains_may_be_anything() {
    let model = parse(&SMALL.replacen("split_gain=2 1", "split_gain=nan -inf", 1)).unwrap();
    assert_eq!(model.tree(0).split_gain(), [0.0, f32::NEG_INFINITY]);
    assert_eq!(parse(&model.emit()).unwrap().emit(), model.emit());
}

#[test]
fn trees_of_one_leaf_and_no_trees_are_models() {
    let header = &SMALL[..SMALL.find("Tree=0").unwrap()];
    let leaf = "num_leaves=1\nnum_cat=0\nsplit_feature=\nthreshold=\nleft_child=\nright_child=\nleaf_value=3.5\n\
                leaf_weight=\nleaf_count=\ninternal_count=\nis_linear=0\nshrinkage=1\n";
    let model = parse(&format!("{header}Tree=0\n{leaf}\n\nend of trees\n")).unwrap();
    assert_eq!(model.tree(0).leaf_value(), [3.5]);
    assert_eq!((model.num_trees(), model.max_depth()), (1, 0));
    let model = parse(&format!("{header}end of trees\n")).unwrap();
    assert_eq!(model.num_trees(), 0);
    assert_eq!(parse(&model.emit()).unwrap().num_trees(), 0);
}
