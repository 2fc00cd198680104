//! The documented behavior of `TrackingStore`.

#![expect(missing_docs, reason = "the name of a case is the sentence that it tests")]

use std::collections::BTreeMap;

use crate::entities::{
    LifecycleStage, LoggedModelStatus, Metric, NewLoggedModel, Run, RunBatch, RunStatus, Tags,
};
use hydra_base::ErrorKind;
use hydra_base::names::{ExperimentId, LoggedModelId, RunId};
use hydra_base::testing::{kind, tags};

use super::{Stores, fresh, new_run, pairs, params};

pub async fn an_unknown_experiment_name_is_none(stores: &Stores) {
    let found = stores.backend.tracking.experiment_by_name(&fresh("missing")).await.expect("an answer");
    assert!(found.is_none());
}

pub async fn an_experiment_is_found_by_name_and_by_id(stores: &Stores) {
    let name = fresh("expérience / 'x' %20");
    let id =
        stores.backend.tracking.create_experiment(&name, &tags([("team", "risk")])).await.expect("a new one");
    let by_name =
        stores.backend.tracking.experiment_by_name(&name).await.expect("an answer").expect("it exists");
    let by_id = stores.backend.tracking.experiment(&id).await.expect("it exists");
    assert_eq!(by_name, by_id);
    assert_eq!((by_id.id, by_id.name), (id, name));
    assert_eq!(by_id.lifecycle_stage, LifecycleStage::Active);
    assert!(!by_id.artifact_location.is_empty());
}

pub async fn an_unknown_experiment_id_is_not_found(stores: &Stores) {
    let id = ExperimentId::new("987654321").expect("a legal id");
    assert_eq!(kind(stores.backend.tracking.experiment(&id).await), ErrorKind::NotFound);
}

pub async fn a_taken_experiment_name_already_exists(stores: &Stores) {
    let name = fresh("experiment");
    stores.backend.tracking.create_experiment(&name, &Tags::new()).await.expect("a new one");
    let again = stores.backend.tracking.create_experiment(&name, &Tags::new()).await;
    assert_eq!(kind(again), ErrorKind::AlreadyExists);
}

pub async fn a_run_starts_running_with_its_name_and_user_as_tags(stores: &Stores) {
    let new = new_run(stores.experiment().await);
    let created = stores.backend.tracking.create_run(&new).await.expect("a new run");
    let run = stores.backend.tracking.run(&created.id).await.expect("it exists");
    assert_eq!(created, run);
    assert_eq!(run.experiment_id, new.experiment_id);
    assert_eq!((run.name.as_str(), run.user_id.as_str()), ("bold-name", "ada"));
    assert_eq!((run.status, run.lifecycle_stage), (RunStatus::Running, LifecycleStage::Active));
    assert_eq!((run.start_time, run.end_time), (Some(new.start_time), None));
    assert_eq!(run.tags, tags([("mlflow.runName", "bold-name"), ("mlflow.user", "ada"), ("team", "risk")]));
    assert!(run.metrics.is_empty() && run.params.is_empty());
    assert!(run.artifact_uri.contains(run.id.as_str()));
}

pub async fn a_run_in_an_unknown_experiment_is_not_found(stores: &Stores) {
    let new = new_run(ExperimentId::new("987654321").expect("a legal id"));
    assert_eq!(kind(stores.backend.tracking.create_run(&new).await), ErrorKind::NotFound);
}

pub async fn an_unknown_run_is_not_found_by_any_call(stores: &Stores) {
    let id = RunId::new(uuid::Uuid::new_v4().simple().to_string()).expect("a legal id");
    let store = &stores.backend.tracking;
    assert_eq!(kind(store.run(&id).await), ErrorKind::NotFound);
    assert_eq!(kind(store.log_batch(&id, &params(pairs([("a", "1")]))).await), ErrorKind::NotFound);
    assert_eq!(kind(store.update_run(&id, RunStatus::Finished, Some(1)).await), ErrorKind::NotFound);
}

pub async fn runs_are_read_by_their_ids(stores: &Stores) {
    let store = &stores.backend.tracking;
    let ids = [stores.run().await, stores.run().await, stores.run().await];
    store.log_batch(&ids[1], &params(pairs([("lr", "0.1")]))).await.expect("a legal batch");
    let mut runs = Vec::new();
    for id in &ids {
        runs.push(store.run(id).await.expect("it exists"));
    }
    let experiments: Vec<ExperimentId> = runs.iter().map(|run| run.experiment_id.clone()).collect();
    let unknown = RunId::new(uuid::Uuid::new_v4().simple().to_string()).expect("a legal id");
    let asked = [ids[1].clone(), unknown, ids[0].clone()];
    let mut found = store.runs(&experiments, &asked).await.expect("an answer");
    found.sort_by_key(|run| run.id != ids[0]);
    assert_eq!(found, runs[..2]);
    // A server has no such experiment; the runs of the others are found all the same.
    let unknown = ExperimentId::new("987654321").expect("a legal id");
    let found = store.runs(&[experiments[0].clone(), unknown], &ids[..1]).await.expect("an answer");
    assert_eq!(found, runs[..1]);
    assert!(store.runs(&experiments, &[]).await.expect("an answer").is_empty());
}

pub async fn a_batch_is_read_back(stores: &Stores) {
    let id = stores.run().await;
    let batch = RunBatch {
        metrics: vec![metric("val/auc", 0.1 + 0.2, 5, 0), metric("a loss", -1e-300, 6, -3)],
        params: pairs([
            ("lr", "0.1"),
            ("empty", ""),
            ("nested.key", "line one\nline two"),
            ("ü", "日本 'x' \"y\""),
        ]),
        tags: pairs([("note", "yes"), ("empty", ""), ("json", "{\"a\": [1, null]}")]),
        ..RunBatch::default()
    };
    stores.backend.tracking.log_batch(&id, &batch).await.expect("a legal batch");
    let run = stores.backend.tracking.run(&id).await.expect("it exists");
    assert_eq!(run.metrics, [batch.metrics[1].clone(), batch.metrics[0].clone()]);
    assert_eq!(run.params, batch.params.into_iter().collect::<BTreeMap<_, _>>());
    for (key, value) in &batch.tags {
        assert_eq!(run.tags.get(key), Some(value));
    }
}

pub async fn a_batch_larger_than_any_limit_is_logged_whole(stores: &Stores) {
    let id = stores.run().await;
    let numbered = |n: usize| (0..n).map(|i| (format!("key{i:04}"), i.to_string())).collect::<Vec<_>>();
    let batch = RunBatch {
        metrics: (0..1200).map(|i| metric(&format!("m{i:04}"), f64::from(i), 1, 0)).collect(),
        params: numbered(230),
        tags: numbered(210),
        ..RunBatch::default()
    };
    stores.backend.tracking.log_batch(&id, &batch).await.expect("a legal batch");
    let run = stores.backend.tracking.run(&id).await.expect("it exists");
    assert_eq!(run.metrics, batch.metrics);
    assert_eq!(run.params.len(), 230);
    assert_eq!(run.tags.keys().filter(|key| key.starts_with("key")).count(), 210);
}

pub async fn a_param_never_changes(stores: &Stores) {
    let id = stores.run().await;
    let store = &stores.backend.tracking;
    store.log_batch(&id, &params(pairs([("lr", "0.1")]))).await.expect("a legal batch");
    store.log_batch(&id, &params(pairs([("lr", "0.1")]))).await.expect("the same value changes nothing");
    let changed = store.log_batch(&id, &params(pairs([("new", "1"), ("lr", "0.2")]))).await;
    assert_eq!(kind(changed), ErrorKind::InvalidArgument);
    assert_eq!(store.run(&id).await.expect("it exists").params["lr"], "0.1");
}

pub async fn a_repeated_tag_is_replaced(stores: &Stores) {
    let id = stores.run().await;
    for value in ["one", "two"] {
        let batch = RunBatch { tags: pairs([("note", value)]), ..RunBatch::default() };
        stores.backend.tracking.log_batch(&id, &batch).await.expect("a legal batch");
    }
    assert_eq!(stores.backend.tracking.run(&id).await.expect("it exists").tags["note"], "two");
}

pub async fn nan_and_infinities_survive(stores: &Stores) {
    let id = stores.run().await;
    let metrics = vec![
        metric("high", f64::INFINITY, 1, 0),
        metric("low", f64::NEG_INFINITY, 1, 0),
        metric("nan", f64::NAN, 1, 0),
        metric("number", 1.5, 1, 0),
    ];
    stores
        .backend
        .tracking
        .log_batch(&id, &RunBatch { metrics, ..RunBatch::default() })
        .await
        .expect("a legal batch");
    let run = stores.backend.tracking.run(&id).await.expect("it exists");
    let [high, low, nan, number] = &run.metrics[..] else { panic!("four metrics: {:?}", run.metrics) };
    assert!(high.value >= f64::MAX, "SQL-backed stores keep the largest number: {}", high.value);
    assert!(low.value <= f64::MIN, "SQL-backed stores keep the smallest number: {}", low.value);
    assert!(nan.value.is_nan());
    assert_eq!(number.value, 1.5);
}

pub async fn the_latest_point_of_a_metric_wins(stores: &Stores) {
    let id = stores.run().await;
    let later_step = metric("auc", 0.1, 1, 2);
    let batches = [
        vec![metric("auc", 0.9, 9, 1), later_step.clone(), metric("auc", 0.5, 9, 0)],
        vec![metric("auc", 0.8, 9, 1)],
        vec![metric("loss", 0.3, 7, 0), metric("loss", 0.4, 7, 0), metric("loss", 0.2, 7, 0)],
    ];
    for metrics in batches {
        let batch = RunBatch { metrics, ..RunBatch::default() };
        stores.backend.tracking.log_batch(&id, &batch).await.expect("a legal batch");
    }
    let run = stores.backend.tracking.run(&id).await.expect("it exists");
    assert_eq!(run.metrics, [later_step, metric("loss", 0.4, 7, 0)]);
}

pub async fn a_batch_with_a_bad_key_is_refused(stores: &Stores) {
    let id = stores.run().await;
    for bad in ["", "..", "a/../../b", "/etc/passwd", "a//b", "line\nbreak"] {
        let batch = params(pairs([("good", "1"), (bad, "1")]));
        assert_eq!(
            kind(stores.backend.tracking.log_batch(&id, &batch).await),
            ErrorKind::InvalidName,
            "{bad:?}"
        );
    }
    assert!(stores.backend.tracking.run(&id).await.expect("it exists").params.is_empty());
}

pub async fn long_params_and_tags_are_kept_or_cut(stores: &Stores) {
    let id = stores.run().await;
    let text = "x".repeat(4000);
    let batch = RunBatch {
        params: vec![("long".into(), text.clone())],
        tags: vec![("long".into(), text.clone())],
        ..RunBatch::default()
    };
    stores.backend.tracking.log_batch(&id, &batch).await.expect("a legal batch");
    let run = stores.backend.tracking.run(&id).await.expect("it exists");
    assert_eq!((&run.params["long"], &run.tags["long"]), (&text, &text));
}

pub async fn a_run_ends_and_can_run_again(stores: &Stores) {
    let id = stores.run().await;
    for status in [RunStatus::Failed, RunStatus::Running, RunStatus::Killed, RunStatus::Finished] {
        let end = (status != RunStatus::Running).then_some(1_700_000_000_500);
        stores.backend.tracking.update_run(&id, status, end).await.expect("an update");
        let run = stores.backend.tracking.run(&id).await.expect("it exists");
        assert_eq!(run.status, status);
        if end.is_some() {
            assert_eq!(run.end_time, end);
        }
    }
}

pub async fn runs_are_listed_by_status_newest_first(stores: &Stores) {
    let experiment = stores.experiment().await;
    let older = start_run(stores, &experiment, 1_000).await;
    let failed = start_run(stores, &experiment, 2_000).await;
    let newer = start_run(stores, &experiment, 3_000).await;
    stores.run().await;
    stores.backend.tracking.update_run(&failed.id, RunStatus::Failed, Some(2_500)).await.expect("an update");
    let list = async |status| {
        let page =
            stores.backend.tracking.runs_by_status(&experiment, status, 10, None).await.expect("a page");
        assert!(page.next.is_none());
        page.items.into_iter().map(|run| run.id).collect::<Vec<_>>()
    };
    assert_eq!(list(RunStatus::Running).await, [newer.id, older.id]);
    assert_eq!(list(RunStatus::Failed).await, [failed.id]);
    assert!(list(RunStatus::Finished).await.is_empty());
}

pub async fn runs_are_listed_page_by_page(stores: &Stores) {
    let experiment = stores.experiment().await;
    for start in 0..5 {
        start_run(stores, &experiment, start).await;
    }
    let mut starts = Vec::new();
    let mut token = None;
    loop {
        let page = stores
            .backend
            .tracking
            .runs_by_status(&experiment, RunStatus::Running, 2, token.as_deref())
            .await
            .expect("a page");
        assert!(page.items.len() <= 2);
        starts.extend(page.items.into_iter().filter_map(|run| run.start_time));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(starts, [4, 3, 2, 1, 0]);
}

pub async fn an_output_can_be_linked_twice(stores: &Stores) {
    let Some((run, model)) = logged_model(stores).await else { return };
    for _ in 0..2 {
        stores.backend.tracking.log_output(&run, &model).await.expect("a link");
    }
}

pub async fn a_logged_model_is_created_pending_and_finalized(stores: &Stores) {
    let store = &stores.backend.tracking;
    let unknown = LoggedModelId::new(format!("m-{}", uuid::Uuid::new_v4().simple())).expect("a legal id");
    let Some((run, id)) = logged_model(stores).await else { return };
    let model = store.logged_model(&id).await.expect("it exists");
    assert_eq!((model.name.as_str(), model.status), ("model", LoggedModelStatus::Pending));
    assert_eq!(model.source_run_id, Some(run));
    assert!(model.artifact_uri.contains(id.as_str()));
    for status in [LoggedModelStatus::UploadFailed, LoggedModelStatus::Ready] {
        store.finalize_logged_model(&id, status).await.expect("an update");
        assert_eq!(store.logged_model(&id).await.expect("it exists").status, status);
    }
    assert_eq!(kind(store.logged_model(&unknown).await), ErrorKind::NotFound);
    let finalized = store.finalize_logged_model(&unknown, LoggedModelStatus::Ready).await;
    assert_eq!(kind(finalized), ErrorKind::NotFound);
}

/// A run and its LoggedModel; `None` on stores of MLflow 2.x, which do not have LoggedModels.
pub async fn logged_model(stores: &Stores) -> Option<(RunId, LoggedModelId)> {
    let experiment_id = stores.experiment().await;
    let run = stores.backend.tracking.create_run(&new_run(experiment_id.clone())).await.expect("a new run");
    let new = NewLoggedModel::new(experiment_id, "model", run.id.clone())
        .params(pairs([("lr", "0.1")]))
        .tags(tags([("mlflow.user", "ada")]));
    let created = stores.backend.tracking.create_logged_model(&new).await.expect("an answer");
    assert_eq!(created.is_some(), stores.has_logged_models);
    Some((run.id, created?.id))
}

async fn start_run(stores: &Stores, experiment: &ExperimentId, start_time: i64) -> Run {
    let new = new_run(experiment.clone()).start_time(start_time);
    stores.backend.tracking.create_run(&new).await.expect("a new run")
}

fn metric(key: &str, value: f64, timestamp: i64, step: i64) -> Metric {
    Metric::new(key, value, timestamp).step(step)
}
