//! What models say about themselves, on the files that Python and LightGBM wrote.

use crate::extracted::Estimator;
use crate::labels::ClassLabels;
use crate::loaded::{Model, ModelFormat, ModelLimits, OutputKind, Prediction};
use crate::matrix::Matrix;
use crate::testing::{directories, fixtures, pickles, read_model};
use hydra_base::ErrorKind;

fn opened(path: &str) -> Model {
    let bytes = std::fs::read(fixtures(path)).expect(path);
    let name = path.rsplit('/').next().expect("a name");
    Model::from_artifact(name, "", &bytes, &ModelLimits::default()).expect(path)
}

#[test]
fn a_model_answers_labels_exactly_if_it_says_so() {
    for recorded in directories().into_iter().chain(pickles()) {
        let answer = recorded.model.predict(&recorded.data()).expect("predictions");
        let says = recorded.model.output_kind() == OutputKind::Label;
        assert_eq!(matches!(answer, Prediction::Labels(_)), says, "{}", recorded.name);
    }
}

#[test]
fn the_file_decides_what_the_same_trees_answer() {
    for (path, format, kind) in [
        ("models/binary_int/booster/model.lgb", ModelFormat::Text, OutputKind::Probability),
        ("models/binary_int/skops/model.skops", ModelFormat::Skops, OutputKind::Label),
        ("models/binary_int/pickle/model.pkl", ModelFormat::Pickle, OutputKind::Label),
        ("models/regression/booster/model.lgb", ModelFormat::Text, OutputKind::Value),
        ("models/regression/skops/model.skops", ModelFormat::Skops, OutputKind::Value),
        ("pickles/4.7.0-ranker-p4.pkl", ModelFormat::Pickle, OutputKind::Scores),
    ] {
        let model = opened(path);
        assert_eq!((model.format(), model.output_kind()), (format, kind), "{path}");
    }
    assert_eq!(opened("models/binary_int/skops/model.skops").kind_of_outputs(), OutputKind::Probability);
}

#[test]
fn every_objective_has_a_kind() {
    for (objective, kind) in [
        ("multiclass", OutputKind::Probability),
        ("multiclassova", OutputKind::Probability),
        ("cross_entropy", OutputKind::Probability),
        ("cross_entropy_lambda", OutputKind::Value),
        ("poisson", OutputKind::Value),
        ("sqrt", OutputKind::Value),
        ("lambdarank", OutputKind::Scores),
        ("rank_xendcg", OutputKind::Scores),
    ] {
        let text = read_model(&fixtures("scores").join(objective).with_extension("txt"));
        let model = Model::from_text_model(text).expect(objective);
        assert_eq!(model.output_kind(), kind, "{objective}");
    }
}

#[test]
fn categories_are_those_of_training_and_of_pandas() {
    assert_eq!(opened("models/binary_cat/booster/model.lgb").category_features(), ["city", "tier"]);
    assert_eq!(opened("models/binary_cat/skops/model.skops").category_features(), ["city", "tier"]);
    assert_eq!(opened("models/regression/booster/model.lgb").category_features(), Vec::<&str>::new());
    // The header describes the ordered category `e` as numbers, and the list could be that of a constant feature as well.
    let path = fixtures("categories/ordered.lgb");
    let text = String::from_utf8(std::fs::read(path).expect("a model")).expect("text");
    let features = |text: &str| -> Vec<String> {
        let model = Model::from_bytes(text.as_bytes(), &ModelLimits::default()).expect("a model");
        model.category_features().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(features(&text), Vec::<String>::new());
    assert_eq!(features(&text.replace(" none none", " [0.5:1] [0.5:1]")), ["e"]);
}

#[test]
fn iterations_are_those_that_predict() {
    for case in ["binary_earlystop", "multi_int"] {
        let model = opened(&format!("models/{case}/skops/model.skops"));
        let used = model.iterations().unwrap_or(model.text_model().num_iterations());
        assert_eq!(model.used_iterations(), used, "{case}");
    }
}

#[test]
fn a_model_of_parts_answers_like_the_file_of_its_estimator() {
    let file = opened("models/binary_str/skops/model.skops");
    let text = || read_model(&fixtures("models/binary_str/booster/model.lgb"));
    let (rows, labels) = ([0.5, -1.0, f64::NAN, 2.0, 0.0].repeat(3), file.classes().cloned());
    let rows = Matrix::from_rows(&rows, 5).expect("whole rows");
    let parts = Model::from_parts(text(), Estimator::Classifier, labels, None).expect("a model");
    assert_eq!(parts.predict(&rows).expect("labels"), file.predict(&rows).expect("labels"));
    let first = Model::from_parts(text(), Estimator::Classifier, None, Some(1)).expect("a model");
    assert_eq!((first.used_iterations(), first.iterations()), (1, Some(1)));
    let three = Some(ClassLabels::Ints(vec![1, 2, 3]));
    let error = Model::from_parts(text(), Estimator::Classifier, three, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidModel);
}

#[test]
fn a_limited_model_leaves_the_original_as_it_is() {
    let model = opened("models/multi_int/booster/model.lgb");
    let (trees, all) = (model.num_trees(), model.used_iterations());
    let rest = model.limited(1, None);
    assert_eq!((rest.used_iterations(), rest.iterations()), (all - 1, None));
    assert_eq!(rest.limited(0, Some(2)).used_iterations(), 2, "of all iterations again");
    assert_eq!((model.num_trees(), model.clone().num_trees()), (trees, trees));
    let rows = [0.5, -1.0, f64::NAN, 2.0, 0.0];
    let rows = Matrix::from_rows(&rows, 5).expect("whole rows");
    let sum = |model: &Model| model.contributions(&rows).expect("contributions")[..6].iter().sum::<f64>();
    for model in [&model, &rest] {
        assert!((sum(model) - model.raw_scores(&rows).expect("scores")[0]).abs() < 1e-12);
    }
}

/// The files are sparse: reading them would take minutes.
#[test]
fn a_file_that_is_too_large_is_refused_by_its_size() {
    let limits = ModelLimits::default();
    for name in ["model.lgb", "model.pkl", "model.skops", "model"] {
        let path = std::env::temp_dir().join(format!("hydra-{}-{name}", std::process::id()));
        let size = limits.file_bytes(name) + 1;
        let file = std::fs::File::create(&path).expect("a file");
        file.set_len(size).expect("a sparse file");
        let refused = Model::open(&path);
        std::fs::remove_file(&path).expect("the file");
        let error = refused.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidModel, "{error}");
        assert!(error.to_string().contains(&format!("bytes: {size}")), "{error}");
    }
}
