//! The shadow scores what the champion answered, and its agreement becomes evidence.

use hydra_policy::EvaluationKind;
use hydra_registry::Target;

use super::process::{Serving, split};
use super::{ROWS, project, registry};

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_sees_how_far_the_shadow_agrees() {
    let project = project(&["regression", "regression"]);
    let serving =
        Serving::start(&project, &["--shadow", "candidate", "--record-shadow", "--instance", "shop 1"]);
    serving.wait_until("the shadow", |model| model["shadow"]["version"] == "2");
    for _ in 0..50 {
        let answer = serving.invoke(&split(&ROWS));
        assert_eq!((answer.status, answer.version()), (200, "1"));
    }
    // What only one request asked for is not compared.
    let mut raw = split(&ROWS);
    raw["params"] = serde_json::json!({"raw_score": true});
    assert_eq!(serving.invoke(&raw).status, 200);
    let model = serving.wait_until("its scores", |model| model["shadow"]["agreement"]["rows"] == 200);
    assert_eq!(model["shadow"]["agreement"]["equal"], 1.0, "{model}");
    assert_eq!(serving.metric("hydra_serve_shadow_rows_total", &[r#"version="2""#]), 200.0);
    assert_eq!(serving.metric("hydra_serve_shadow_dropped_rows_total", &[]), 0.0);
    serving.terminate();
    let ended = serving.wait();
    assert_eq!(ended.code, 0, "{}", ended.log);

    let registry = registry(&project).await;
    let question = registry.promote(Target::Candidate).question().await.expect("a question");
    let evaluations = &question.context().evaluations;
    assert_eq!(evaluations.len(), 1, "{}", ended.log);
    let evaluation = &evaluations[0];
    assert_eq!((evaluation.kind, evaluation.rows), (EvaluationKind::Shadow, 200));
    assert_eq!(evaluation.dataset, "shadow-shop_1");
    let agreement = &evaluation.agreements[0];
    assert_eq!((agreement.challenger.get(), agreement.baseline.get()), (2, 1));
    assert_eq!((agreement.equal.get(), agreement.mean_difference.get()), (1.0, 0.0));
    assert!(agreement.latency_ratio.is_some_and(|ratio| ratio.get() > 0.0));
    assert_eq!(agreement.difference_quantiles.len(), 4);

    // Another process of the same name continues in a run of its own; its evaluation takes the place of the former one.
    let serving =
        Serving::start(&project, &["--shadow", "candidate", "--record-shadow", "--instance", "shop 1"]);
    serving.wait_until("the shadow", |model| model["shadow"]["version"] == "2");
    assert_eq!(serving.invoke(&split(&ROWS)).status, 200);
    serving.wait_until("its scores", |model| model["shadow"]["agreement"]["rows"] == 4);
    serving.terminate();
    assert_eq!(serving.wait().code, 0);
    let question = registry.promote(Target::Candidate).question().await.expect("a question");
    assert_eq!(question.context().evaluations.len(), 1);
    assert_eq!(question.context().evaluations[0].rows, 4);
}

#[test]
fn without_a_shadow_and_with_an_incomparable_one_answers_stay_the_same() {
    let project = project(&["regression", "multi_int"]);
    let plain = Serving::start(&project, &[]);
    let shadowed = Serving::start(&project, &["--shadow", "candidate"]);
    shadowed.wait_until("the shadow", |model| model["shadow"]["version"] == "2");
    assert_eq!(plain.invoke(&split(&ROWS)).text(), shadowed.invoke(&split(&ROWS)).text());
    let model = shadowed.wait_until("the obstacle", |model| !model["shadow"]["agreement"].is_null());
    let obstacle = model["shadow"]["agreement"]["obstacle"].as_str().expect("an obstacle");
    assert!(obstacle.contains("different numbers of outputs"), "{obstacle}");
    assert_eq!(plain.model()["shadow"], serde_json::Value::Null);
}

#[test]
fn scores_drift_away_from_those_that_were_recorded() {
    let project = project(&["regression"]);
    let serving = Serving::start(&project, &[]);
    assert!(serving.model()["drift"].is_null());
    // Scores of rows that are all over the place, and their labels.
    let mut csv = "f0,f1,f2,f3,f4,y\n".to_owned();
    let row =
        |index: u32| [0.1, 0.37, 0.73, 0.19, 0.53].map(|step| (f64::from(index) * step).fract() * 6.0 - 3.0);
    for index in 0..400 {
        let cells = row(index).map(|cell| cell.to_string()).join(",");
        csv += &format!("{cells},{}\n", index % 7);
    }
    project.file("holdout.csv", csv);
    project.json(["evaluate", "holdout.csv", "--label", "y", "--resamples", "0"]);
    let model = serving.wait_until("the evaluation", |model| !model["drift"].is_null());
    assert_eq!(
        (&model["drift"]["dataset"], &model["drift"]["psi"]),
        (&"holdout".into(), &serde_json::Value::Null)
    );
    let rows: Vec<[f64; 5]> = (0..400).map(row).collect();
    assert_eq!(serving.invoke(&split(&rows)).status, 200);
    assert!(serving.metric("hydra_serve_score_drift", &[r#"version="1""#]) < 0.02);
    assert_eq!(serving.invoke(&split(&vec![ROWS[0]; 2_000])).status, 200);
    assert!(serving.metric("hydra_serve_score_drift", &[r#"version="1""#]) > 0.25);
}
