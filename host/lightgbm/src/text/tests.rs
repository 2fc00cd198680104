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
    assert_eq!(model.feature_infos(), ["[0:1]", "none", "0:1:2"]);
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
fn damage_is_named() {
    let cases = [
        // The header.
        ("tree\n", "treee\n", InvalidModel, "first line of the text is not"),
        ("version=v4", "version=v2", UnsupportedModel, "format is unknown"),
        ("version=v4\n", "", InvalidModel, "lacks a line"),
        ("num_class=1", "num_class=0", InvalidModel, "not between 1"),
        ("num_class=1", "num_class=2", InvalidModel, "1 trees per iteration do not match"),
        ("num_class=1", "num_class=99999999", InvalidModel, "not between 1"),
        ("num_class=1", "num_class=x", InvalidModel, "expected an integer"),
        ("num_class=1\n", "num_class=1\nnum_class=1\n", InvalidModel, "appears twice"),
        ("num_class=1\n", "num_klass=1\n", UnsupportedModel, "unknown header line"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=3", InvalidModel, "do not match"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=0", InvalidModel, "do not match"),
        ("objective=regression", "objective=multiclass num_class:3", InvalidModel, "does not match"),
        ("objective=regression", "objective=", UnsupportedModel, "unknown objective"),
        ("max_feature_idx=2", "max_feature_idx=3", InvalidModel, "expected 4 words, found 3"),
        ("max_feature_idx=2", "max_feature_idx=-1", InvalidModel, "not between 1"),
        ("max_feature_idx=2", "max_feature_idx=2147483647", InvalidModel, "not between 1"),
        ("feature_infos=[0:1] none", "feature_infos=[0:1]", InvalidModel, "expected 3 words, found 2"),
        ("constraints=0 1 -1", "constraints=0 1 -2", InvalidModel, "is not -1, 0 or 1"),
        ("constraints=0 1 -1", "constraints=0 1", InvalidModel, "expected 3 values, found 2"),
        ("feature_names=a b c", "feature_names=a b\tc", InvalidModel, "expected 3 words, found 2"),
        ("feature_names=a b c", "feature_names=a b c\u{1}", InvalidModel, "control character"),
        // Trees as a whole.
        ("Tree=1", "Tree=2", InvalidModel, "not numbered"),
        ("Tree=1", "Tree=one", InvalidModel, "expected an integer"),
        ("num_leaves=3\n", "", InvalidModel, "num_leaves must come first"),
        ("num_leaves=3", "num_leaves=0", InvalidModel, "not between 1"),
        ("num_leaves=3", "num_leaves=-1", InvalidModel, "not between 1"),
        ("num_leaves=3", "num_leaves=9999999", InvalidModel, "the text ends earlier"),
        ("num_leaves=3", "num_leaves=99999999", InvalidModel, "not between 1"),
        ("num_leaves=3", "num_leaves=4", InvalidModel, "expected 3 values, found 2"),
        ("num_leaves=3\n", "num_leaves=3\nnum_leaves=3\n", InvalidModel, "appears twice"),
        ("split_gain=2 1", "split_pain=2 1", UnsupportedModel, "unknown key"),
        ("threshold=0.5 0\n", "", InvalidModel, "lacks a key"),
        ("leaf_value=0.1 -0.2 0.3\n", "", InvalidModel, "lacks a key"),
        ("num_cat=1\n", "num_cat=1\n\n", InvalidModel, "lacks a key"),
        ("end of trees\n", "", InvalidModel, "end of trees"),
        ("end of trees\n", "end of tree\n", InvalidModel, "end of trees"),
        // Arrays.
        ("split_feature=0 2", "split_feature=0 3", InvalidModel, "value 1 is out of range"),
        ("split_feature=0 2", "split_feature=-1 2", InvalidModel, "value 0 is out of range"),
        ("split_feature=0 2", "split_feature=0 2 1", InvalidModel, "expected 2 values, found more"),
        ("split_feature=0 2", "split_feature=0 2.0", InvalidModel, "not a number of the expected type"),
        (
            "split_feature=0 2",
            "split_feature=0 99999999999",
            InvalidModel,
            "not a number of the expected type",
        ),
        ("threshold=0.5 0", "threshold=nan 0", InvalidModel, "value 0 is out of range"),
        ("threshold=0.5 0", "threshold=0x1p3 0", InvalidModel, "not a number of the expected type"),
        ("threshold=0.5 0", "threshold=0.5,0", InvalidModel, "not a number of the expected type"),
        ("leaf_value=0.1", "leaf_value=inf", InvalidModel, "value 0 is out of range"),
        ("leaf_value=0.1", "leaf_value=1e999", InvalidModel, "value 0 is out of range"),
        ("leaf_value=0.1", "leaf_value=+0.1", InvalidModel, "not a number of the expected type"),
        ("decision_type=2 1", "decision_type=2 12", InvalidModel, "value 1 is out of range"),
        ("decision_type=2 1", "decision_type=2 -1", InvalidModel, "value 1 is out of range"),
        ("leaf_count=1 1 1", "leaf_count=1 -1 1", InvalidModel, "value 1 is out of range"),
        ("internal_weight=3 2", "internal_weight=3", InvalidModel, "expected 2 values, found 1"),
        ("internal_weight=3 2", "internal_weight=3 x", InvalidModel, "not a number of the expected type"),
        // The shape of trees.
        ("left_child=1 -1", "left_child=0 -1", InvalidModel, "value 0 is out of range"),
        ("left_child=1 -1", "left_child=2 -1", InvalidModel, "value 0 is out of range"),
        ("left_child=1 -1", "left_child=1 -4", InvalidModel, "value 1 is out of range"),
        ("left_child=1 -1", "left_child=1 -2", InvalidModel, "leaf 1 has two parents"),
        ("left_child=1 -1", "left_child=1 1", InvalidModel, "node 1 has two parents"),
        ("left_child=1 -1", "left_child=-1 1", InvalidModel, "only 3 of 5"),
        ("left_child=1 -1", "left_child=-2147483648 -1", InvalidModel, "value 0 is out of range"),
        // Categories.
        ("threshold=0.5 0", "threshold=0.5 1", InvalidModel, "refers to a bitset that does not exist"),
        ("threshold=0.5 0", "threshold=0.5 -1", InvalidModel, "refers to a bitset that does not exist"),
        ("threshold=0.5 0", "threshold=0.5 0.5", InvalidModel, "refers to a bitset that does not exist"),
        ("threshold=0.5 0", "threshold=0.5 inf", InvalidModel, "refers to a bitset that does not exist"),
        ("decision_type=8", "decision_type=9", InvalidModel, "refers to a bitset that does not exist"),
        ("num_cat=1", "num_cat=2", InvalidModel, "expected 3 values, found 2"),
        ("num_cat=1", "num_cat=-1", InvalidModel, "not between 0"),
        ("num_cat=1", "num_cat=2147483647", InvalidModel, "not between 0"),
        ("cat_boundaries=0 1", "cat_boundaries=1 1", InvalidModel, "value 0 is out of range"),
        ("cat_boundaries=0 1", "cat_boundaries=0 2", InvalidModel, "expected 2 values, found 1"),
        ("cat_boundaries=0 1", "cat_boundaries=0 -1", InvalidModel, "value 1 is out of range"),
        ("cat_threshold=5", "cat_threshold=4294967296", InvalidModel, "value 0 is out of range"),
        ("cat_threshold=5", "cat_threshold=-5", InvalidModel, "value 0 is out of range"),
        ("cat_threshold=5\n", "", InvalidModel, "lacks a key"),
        // Linear models.
        ("leaf_features=0 1", "leaf_features=0 3", InvalidModel, "value 1 is out of range"),
        ("leaf_features=0 1", "leaf_features=0", InvalidModel, "expected 2 values, found 1"),
        ("leaf_coeff=0.5 2", "leaf_coeff=0.5", InvalidModel, "expected 2 values, found 1"),
        ("leaf_coeff=0.5 2", "leaf_coeff=0.5 1e-310", InvalidModel, "value 1 is out of range"),
        ("leaf_const=0.25", "leaf_const=nan", InvalidModel, "value 0 is out of range"),
        ("num_features=2 0", "num_features=2 -1", InvalidModel, "value 1 is out of range"),
        ("num_features=2 0", "num_features=2147483647 2147483647", InvalidModel, "the text ends earlier"),
        ("is_linear=1", "is_linear=0", InvalidModel, "is_linear=1 must come first"),
        ("is_linear=1", "is_linear=2", InvalidModel, "expected 0 or 1"),
        ("leaf_coeff=0.5 2\n", "", InvalidModel, "lacks a key"),
        // Behind the trees.
        ("end of parameters", "end of parameter", InvalidModel, "truncated"),
        ("feature_importances:", "importances:", InvalidModel, "unknown line"),
        ("pandas_categorical:[", "pandas_categorical:", InvalidModel, "not lists"),
        ("[true, 3]", "[true, [3]]", InvalidModel, "is a list"),
    ];
    for (from, to, kind, message) in cases {
        assert!(SMALL.contains(from), "{from}");
        let error = parse(&SMALL.replacen(from, to, 1)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), kind, "{from} -> {to}: {error}");
        assert!(error.message().contains(message), "{from} -> {to}: {error}");
    }
}

#[test]
fn errors_name_tree_key_and_line() {
    let error = parse(&SMALL.replacen("leaf_coeff=0.5 2", "leaf_coeff=0.5 x", 1)).unwrap_err();
    insta::assert_snapshot!(error, @"value 1 is not a number of the expected type (tree: 1, key: leaf_coeff, line: 52)");
}

#[test]
fn errors_name_the_line_that_is_wrong() {
    for (from, to) in [
        ("version=v4", "version=v2"),
        ("num_class=1", "num_class=0"),
        ("num_class=1", "num_class=x"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=3"),
        ("max_feature_idx=2", "max_feature_idx=-1"),
        ("objective=regression", "objective=what"),
        ("feature_names=a b c", "feature_names=a b"),
        ("feature_infos=[0:1] none", "feature_infos=[0:1]"),
        ("constraints=0 1 -1", "constraints=0 1 -2"),
        ("Tree=1", "Tree=2"),
        ("num_leaves=3", "num_leaves=99999999"),
        ("num_leaves=3", "num_leaves=x"),
        ("is_linear=1", "is_linear=2"),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let error = parse(&SMALL.replacen(from, to, 1)).unwrap_err();
        let line = SMALL[..SMALL.find(from).unwrap()].matches('\n').count() + 1;
        assert!(error.to_string().contains(&format!("line: {line})")), "{from} -> {to}: {error}, not {line}");
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
fn a_cut_text_is_an_error() {
    let end = SMALL.find("end of trees").unwrap();
    for length in 0..end + "end of tree".len() {
        let error = parse(&SMALL[..length]).unwrap_err();
        // A key that was cut is an unknown one.
        assert!(matches!(error.kind(), InvalidModel | UnsupportedModel), "{length}: {error}");
    }
}

#[test]
fn windows_line_ends_are_read_but_do_not_fit_tree_sizes() {
    let model = parse(&SMALL.replace('\n', "\r\n")).unwrap();
    assert_eq!(model.emit(), parse(SMALL).unwrap().emit());
    for (case, text) in boosters() {
        let error = parse(&text.replace('\n', "\r\n")).unwrap_err();
        assert!(error.message().contains("tree_sizes"), "{case}: {error}");
    }
}

#[test]
fn tree_sizes_have_to_fit() {
    let text = parse(SMALL).unwrap().emit();
    let sizes = text.lines().find(|line| line.starts_with("tree_sizes=")).unwrap();
    for wrong in ["tree_sizes=", "tree_sizes=1 2", "tree_sizes=99999999999999999999 1", "tree_sizes=-1 2"] {
        assert_eq!(parse(&text.replace(sizes, wrong)).unwrap_err().kind(), InvalidModel, "{wrong}");
    }
    let more = format!("{sizes} 100");
    assert_eq!(parse(&text.replace(sizes, &more)).unwrap_err().kind(), InvalidModel);
    assert!(parse(&text.replace(&format!("{sizes}\n"), "")).is_ok());
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

#[test]
fn random_damage_never_panics() {
    // A small linear congruential generator: the same damage every time.
    let mut state = 42_u64;
    let mut random = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for _ in 0..20_000 {
        let mut bytes = SMALL.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(bytes.len().max(1));
            match random(4) {
                0 => bytes[at] = b"0123456789-. =\n\r\0e:"[random(18)],
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"0123456789-. =\n"[random(15)]),
                _ => bytes.truncate(at.max(8)),
            }
        }
        if let Ok(model) = TextModel::parse(&bytes, &Limits::default()) {
            let text = model.emit();
            assert_eq!(parse(&text).unwrap().emit(), text);
        }
    }
}
