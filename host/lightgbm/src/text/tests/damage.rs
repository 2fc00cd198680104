//! Damaged texts result in errors that name tree, key and line.

use super::*;

#[test]
fn damage_is_named() {
    let cases = [
        // The header.
        ("tree\n", "treee\n", InvalidModel, "first line of the text is not"),
        ("version=v4", "version=v5", UnsupportedModel, "format is unknown"),
        ("label_index=0\n", "", InvalidModel, "lacks a line"),
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
        ("leaf_value=0.1", "leaf_value=nan", InvalidModel, "value 0 is out of range"),
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
        // After the trees.
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
        ("version=v4", "version=v5"),
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
fn a_cut_text_is_an_error() {
    let end = SMALL.find("end of trees").unwrap();
    for length in 0..end + "end of tree".len() {
        let error = parse(&SMALL[..length]).unwrap_err();
        // A truncated key is an unknown key.
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
fn random_damage_never_panics() {
    // A small linear congruential generator, so that the damage is the same in every run.
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
