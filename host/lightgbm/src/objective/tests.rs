use super::Objective;
use super::atof::atof;
use hydra_base::ErrorKind;

#[test]
fn every_name_that_lightgbm_writes_is_read() {
    for (text, objective) in [
        ("regression", Objective::Regression { sqrt: false }),
        ("regression sqrt", Objective::Regression { sqrt: true }),
        ("l1", Objective::RegressionL1 { sqrt: false }),
        ("huber", Objective::Huber),
        ("fair", Objective::Fair { sqrt: false }),
        ("quantile sqrt", Objective::Quantile { sqrt: true }),
        ("mape", Objective::Mape { sqrt: false }),
        ("poisson", Objective::Poisson),
        ("gamma", Objective::Gamma),
        ("tweedie", Objective::Tweedie),
        ("binary sigmoid:1", Objective::Binary { sigmoid: 1.0 }),
        ("binary sigmoid:0.7", Objective::Binary { sigmoid: 0.7 }),
        ("multiclass num_class:3", Objective::Multiclass { num_class: 3 }),
        ("multiclassova num_class:4 sigmoid:2", Objective::MulticlassOva { num_class: 4, sigmoid: 2.0 }),
        ("cross_entropy", Objective::CrossEntropy),
        ("cross_entropy_lambda", Objective::CrossEntropyLambda),
        ("lambdarank", Objective::Lambdarank),
        ("rank_xendcg", Objective::RankXendcg),
        ("none", Objective::Custom),
        ("custom", Objective::Custom),
    ] {
        let read = Objective::parse(text).unwrap();
        assert_eq!(read, objective);
        assert_eq!(Objective::parse(read.name()).is_ok(), !text.contains(':'), "{text}");
    }
}

#[test]
fn unknown_names_and_bad_parameters_are_errors() {
    for text in ["", "entropy", "binary2 sigmoid:1"] {
        assert_eq!(Objective::parse(text).unwrap_err().kind(), ErrorKind::UnsupportedModel, "{text}");
    }
    for text in [
        "binary",
        "binary sigmoid:0",
        "binary sigmoid:-1",
        "binary sigmoid:x",
        "binary sigmoid:",
        "binary sigmoid:1e",
        "binary sigmoid:nan",
        "multiclass",
        "multiclass num_class:0",
        "multiclass num_class:+3",
        "multiclass num_class:99999999999999999999999",
    ] {
        assert_eq!(Objective::parse(text).unwrap_err().kind(), ErrorKind::InvalidModel, "{text}");
    }
}

#[test]
fn numbers_have_the_value_that_lightgbm_reads_not_the_nearest_one() {
    assert_eq!(atof("1"), Some(1.0));
    assert_eq!(atof("0.25"), Some(0.25));
    assert_eq!(atof("1e-3"), Some(1.0 / 1000.0));
    assert_eq!(atof("2.5e+2"), Some(250.0));
    // 8 + 409/1000 differs by one unit in the last place from 8.409 rounded correctly.
    let read = atof("8.409").unwrap();
    assert_eq!(read, 8.0 + 409.0 / 1000.0);
}

#[test]
fn outputs_follow_the_objective() {
    let convert = |objective: Objective, mut row: Vec<f64>| {
        objective.convert(&mut row);
        row
    };
    assert_eq!(convert(Objective::Binary { sigmoid: 1.0 }, vec![0.0]), [0.5]);
    assert_eq!(convert(Objective::Regression { sqrt: true }, vec![-3.0]), [-9.0]);
    assert_eq!(convert(Objective::Regression { sqrt: false }, vec![-3.0]), [-3.0]);
    assert_eq!(convert(Objective::Poisson, vec![0.0]), [1.0]);
    assert_eq!(convert(Objective::Multiclass { num_class: 2 }, vec![7.0, 7.0]), [0.5, 0.5]);
    assert_eq!(convert(Objective::CrossEntropyLambda, vec![0.0]), [2.0_f64.ln()]);
    assert_eq!(convert(Objective::Custom, vec![4.0, 5.0]), [4.0, 5.0]);
}
