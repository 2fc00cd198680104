//! The actions of `tests/python/local_store.py`, in Rust.

use hydra_base::names::{LoggedModelId, ModelName};
use hydra_base::testing::{alias, key, model_name, tags, version};
use hydra_mlflow::entities::{
    DatasetInput, LoggedModelStatus, Metric, NewLoggedModel, NewModelVersion, NewRun, RunBatch, RunInputs,
    RunStatus,
};
use hydra_mlflow::store::{RegistryStore, TrackingStore};
use hydra_mlflow::testing::conformance::pairs;
use serde_json::{Value, json};

/// The registered model.
pub fn model() -> ModelName {
    model_name("risk model")
}

/// Does the same as the script's `write`.
pub async fn write(store: &(impl TrackingStore + RegistryStore), logged_models: bool) {
    let experiment_id =
        store.create_experiment("risk é", &tags([("team", "risk")])).await.expect("an experiment");
    let run = store
        .create_run(
            &NewRun::new(experiment_id.clone(), "bold-name")
                .start_time(1000)
                .user("ada")
                .tags(tags([("team", "risk")])),
        )
        .await
        .expect("a run");
    let metric = |key: &str, value, timestamp, step| Metric::new(key, value, timestamp).step(step);
    let batch = RunBatch::default()
        .metrics([
            metric("auc", 0.5, 10, 0),
            metric("auc", 0.75, 20, 1),
            metric("auc", 0.6, 15, 1),
            metric("nan", f64::NAN, 10, 0),
            metric("high", f64::INFINITY, 10, 0),
            metric("low", f64::NEG_INFINITY, 10, 0),
            metric("val/loss", 0.1 + 0.2, 10, -1),
        ])
        .params(pairs([("lr", "0.1"), ("nested.key", "[1, null]"), ("text", "two\nlines: é # '\"")]))
        .tags(pairs([("note", "no"), ("team", "credit")]));
    store.log_batch(&run.id, &batch).await.expect("a batch");
    let again = RunBatch::default().metrics(batch.metrics[..1].to_vec()).params(batch.params[..1].to_vec());
    store.log_batch(&run.id, &again).await.expect("a batch");

    let mut described =
        DatasetInput::new("holdout", "0123abcd", "local", r#"{"uri": "/data/é.csv"}"#).context("eval");
    described.schema = Some(r#"{"mlflow_colspec": []}"#.into());
    described.profile = Some(r#"{"num_rows": 3}"#.into());
    described.tags.insert("é".into(), String::new());
    let bare = DatasetInput::new("bare", "4567", "code", "{}");
    for _ in 0..2 {
        let inputs = RunInputs::default().dataset(described.clone()).dataset(bare.clone());
        store.log_inputs(&run.id, &inputs).await.expect("inputs");
    }

    let mut first = new_version(&format!("{}/model", run.artifact_uri)).run(run.id.clone());
    if logged_models {
        let new = NewLoggedModel::new(experiment_id, "model", run.id.clone())
            .params(pairs([("lr", "0.1")]))
            .tags(tags([("mlflow.user", "ada")]));
        let logged = store.create_logged_model(&new).await.expect("an answer").expect("a LoggedModel");
        store.log_output(&run.id, &logged.id).await.expect("a link");
        let points = [
            batch.metrics[1].clone(),
            metric("val/nan", f64::NAN, 10, 0),
            metric("val/high", f64::INFINITY, 10, 0),
        ];
        let of_model = RunBatch::default().metrics(points).logged_model(logged.id.clone());
        store.log_batch(&run.id, &of_model).await.expect("a batch");
        let on_dataset = RunBatch::default()
            .metrics([metric("val/brier", 0.25, 10, 0)])
            .logged_model(logged.id.clone())
            .dataset(&described);
        store.log_batch(&run.id, &on_dataset).await.expect("a batch");
        let measured = RunInputs::default().models([logged.id.clone()]);
        store.log_inputs(&run.id, &measured).await.expect("an input");
        for number in [1, 7] {
            store.note_version(&logged.id, &model(), version(number)).await.expect("a note");
        }
        store.finalize_logged_model(&logged.id, LoggedModelStatus::Ready).await.expect("an update");
        first = new_version(&format!("models:/{}", logged.id)).logged_model(logged.id);
    }

    let name = model();
    let owner = tags([("owner", "bob")]);
    store.create_registered_model(&name, &owner, "scores: loans\nand more").await.expect("a model");
    store.set_registered_model_tag(&name, &key("owner"), "ada").await.expect("a tag");
    let first = first.tags(tags([("hydra.entry", "{}"), ("empty", "")])).description("first");
    store.create_model_version(&first).await.expect("a version");
    let second = new_version("s3://bucket/model").run(run.id.clone());
    store.create_model_version(&second).await.expect("a version");
    let third = new_version("s3://bucket/model").tags(tags([("kept", "yes")])).description("third");
    store.create_model_version(&third).await.expect("a version");
    for value in ["no", "yes"] {
        store.set_version_tag(&name, version(2), &key("hydra.applied"), value).await.expect("a tag");
    }
    for (text, number) in [("champion", 1), ("archived", 3), ("champion", 2), ("candidate", 1), ("é-1", 1)] {
        store.set_alias(&name, &alias(text), version(number)).await.expect("an alias");
    }
    for text in ["candidate", "archived"] {
        store.delete_alias(&name, &alias(text)).await.expect("an alias");
    }
    store.delete_model_version(&name, version(3)).await.expect("a deletion");
    store.update_run(&run.id, RunStatus::Finished, Some(2000)).await.expect("an end");
}

/// Returns the same view as the script's `read`.
pub async fn read(store: &(impl TrackingStore + RegistryStore), logged_models: bool) -> Value {
    let experiment = store.experiment_by_name("risk é").await.expect("an answer").expect("it exists");
    let runs = store.runs_by_status(&experiment.id, RunStatus::Finished, 10, None).await.expect("a page");
    let [run] = &runs.items[..] else { panic!("one run: {:?}", runs.items) };
    let name = model();
    let registered = store.registered_model(&name).await.expect("it exists");
    let mut versions = Vec::new();
    for listed in store.model_versions(&name, None, 10, None).await.expect("a page").items {
        let version = store.model_version(&name, listed.version).await.expect("it exists");
        versions.push(json!({
            "version": version.version.get(),
            "description": version.description,
            "source": version.source,
            "run_id": version.run_id,
            "status": version.status,
            "tags": version.tags,
            "aliases": version.aliases,
            "download_uri": store.download_uri(&name, version.version).await.expect("a URI"),
        }));
    }
    let metrics: Value =
        run.metrics.iter().map(|metric| (metric.key.clone(), as_python_prints(metric.value))).collect();
    let inputs = store.inputs(&run.id).await.expect("inputs");
    let dataset = |one: &DatasetInput| {
        json!({
            "name": one.name,
            "digest": one.digest,
            "source_type": one.source_type,
            "source": one.source,
            "schema": one.schema,
            "profile": one.profile,
            "tags": one.tags,
        })
    };
    let mut seen = json!({
        "experiment": {"name": experiment.name, "location": experiment.artifact_location},
        "run": {
            "name": run.name,
            "status": run.status,
            "times": [run.start_time, run.end_time],
            "artifact_uri": run.artifact_uri,
            "user": run.user_id,
            "params": run.params,
            "tags": run.tags,
            "metrics": metrics,
            "datasets": inputs.datasets.iter().map(dataset).collect::<Value>(),
            "measured": inputs.models,
        },
        "model": {
            "description": registered.description,
            "tags": registered.tags,
            "aliases": registered.aliases.iter().map(|(alias, version)| (alias.to_string(), version.get())).collect::<Value>(),
        },
        "versions": versions,
    });
    let first = store.model_version(&name, version(1)).await.expect("it exists").source;
    if let Some(id) = first.strip_prefix("models:/").filter(|_| logged_models) {
        let id = LoggedModelId::new(id).expect("an id");
        let logged = store.logged_model(&id).await.expect("it exists");
        seen["logged_model"] = json!({
            "name": logged.name,
            "status": if logged.status == LoggedModelStatus::Ready { "READY" } else { "not ready" },
            "artifact_uri": logged.artifact_uri,
            "source_run": logged.source_run_id,
        });
    }
    seen
}

fn as_python_prints(value: f64) -> Value {
    let text = format!("{value:?}").to_lowercase();
    // Python writes the sign of an exponent.
    Value::String(text.replace('e', "e+").replace("e+-", "e-"))
}

fn new_version(source: &str) -> NewModelVersion {
    NewModelVersion::new(model(), source)
}
