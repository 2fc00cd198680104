//! Texts of LightGBM up to 2.1, and very wide ones.

use super::*;

/// As LightGBM 2.0 ended it. A feature has the name of a heading.
const OLD_TAIL: &str =
    "\nfeature importances:\na=1\nTree=0\n\npandas_categorical:[[\"x\", \"y\", 1.5], [true, 3]]\n";

fn old() -> String {
    let trees = SMALL.find("end of trees").unwrap();
    let text = format!("{}{OLD_TAIL}", &SMALL[..trees]);
    text.replacen("version=v4\n", "", 1)
}

/// Both readers agree.
fn read(text: &str) -> Result<TextModel> {
    let streamed = check(text.as_bytes(), &Limits::default());
    let whole = parse(text);
    match (&whole, streamed) {
        (Ok(model), Ok(summary)) => {
            assert_eq!(summary.feature_names, model.feature_names());
            assert!(summary.has_categories == model.pandas_categorical().is_some(), "{text}");
            assert_eq!(summary.bytes, text.len() as u64);
        }
        (Err(whole), Err(streamed)) => assert_eq!(whole.to_string(), streamed.to_string()),
        (whole, streamed) => panic!("whole: {:?}, streamed: {streamed:?}", whole.as_ref().err()),
    }
    whole
}

#[test]
fn texts_without_version_and_end_are_read() {
    let new = parse(SMALL).unwrap();
    let model = read(&old()).unwrap();
    assert_eq!(model.pandas_categorical(), new.pandas_categorical());
    assert_eq!(model.emit(), new.emit().replacen("version=v4", "version=v2", 1));
    // LightGBM 2.1 wrote the sizes of the trees; the empty line after them is not part of one.
    let first = SMALL.find("Tree=0").unwrap();
    let sizes = [
        SMALL.find("Tree=1").unwrap() - first,
        SMALL.find("end of trees").unwrap() - SMALL.find("Tree=1").unwrap(),
    ];
    let with_sizes = |sizes: [usize; 2]| {
        let header = format!("version=v2\ntree_sizes={} {}\nnum_class", sizes[0], sizes[1]);
        read(&old().replacen("num_class", &header, 1))
    };
    assert_eq!(with_sizes(sizes).unwrap().num_trees(), 2);
    assert_eq!(with_sizes([sizes[0], sizes[1] + 1]).unwrap_err().kind(), InvalidModel);
    let no_trees = format!("{}{}", &old()[..old().find("Tree=0").unwrap()], &OLD_TAIL[1..]);
    assert_eq!(read(&no_trees).unwrap().num_trees(), 0);
}

#[test]
fn a_text_that_ends_early_is_still_refused() {
    let cut = old().replacen("feature importances:", "feature import", 1);
    assert!(read(&cut).unwrap_err().to_string().contains("may be truncated"));
    // Later releases write the line.
    let newer = old().replacen("num_class", "version=v3\nnum_class", 1);
    assert!(read(&newer).unwrap_err().to_string().contains("may be truncated"));
}

#[test]
fn texts_that_lightgbm_4_does_not_read_are_named() {
    for (from, to) in [
        ("objective=regression\n", "objective=binary\nsigmoid=-1\n"),
        ("objective=regression\n", "objective=regression\nboost_from_average\n"),
        ("shrinkage=1\n", "shrinkage=1\nhas_categorical=0\n"),
    ] {
        let error = read(&old().replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.kind(), UnsupportedModel);
        assert!(error.to_string().contains("from before LightGBM 2.1"), "{error}");
    }
}

/// A public report has 9,249,959 sparse text features.
#[test]
fn millions_of_features_need_no_flag() {
    const FEATURES: usize = 9_249_959;
    let tail = &SMALL[SMALL.find("\nTree=0").unwrap()..];
    let head = format!(
        "tree\nversion=v4\nnum_class=1\nlabel_index=0\nmax_feature_idx={}\nfeature_names=",
        FEATURES - 1
    );
    let text =
        [&head, &" f".repeat(FEATURES), "\nfeature_infos=", &" 0".repeat(FEATURES), "\n", tail].concat();
    let summary = check(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(summary.feature_names.len(), FEATURES);
}
