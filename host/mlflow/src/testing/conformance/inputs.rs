//! The inputs of runs: datasets and LoggedModels.

#![expect(missing_docs, reason = "the name of a case is the sentence that it tests")]

use futures_util::future::join_all;
use hydra_base::ErrorKind;
use hydra_base::names::RunId;
use hydra_base::testing::kind;

use super::tracking::logged_model;
use super::{Stores, fresh, new_run};
use crate::entities::{DatasetInput, Metric, RunBatch, RunInputs};

pub async fn the_inputs_of_a_run_are_read_back(stores: &Stores) {
    let store = &stores.backend.tracking;
    let run = stores.run().await;
    assert_eq!(store.inputs(&run).await.expect("an answer"), RunInputs::default());
    let given = RunInputs::default().dataset(bare("b")).dataset(described("a"));
    store.log_inputs(&run, &given).await.expect("a record");
    let expected = RunInputs::default().dataset(described("a")).dataset(bare("b"));
    assert_eq!(store.inputs(&run).await.expect("an answer"), expected);
    // Another input is added to them.
    store.log_inputs(&run, &RunInputs::default().dataset(described("c"))).await.expect("a record");
    assert_eq!(store.inputs(&run).await.expect("an answer"), expected.dataset(described("c")));
}

pub async fn a_repeated_input_changes_nothing(stores: &Stores) {
    let store = &stores.backend.tracking;
    let run = stores.run().await;
    let first = RunInputs::default().dataset(described("a"));
    store.log_inputs(&run, &first).await.expect("a record");
    store.log_inputs(&run, &first).await.expect("a repetition");
    let other = DatasetInput::new("a", "0123abcd", "code", "{}").context("training");
    store.log_inputs(&run, &RunInputs::default().dataset(other)).await.expect("a repetition");
    assert_eq!(store.inputs(&run).await.expect("an answer"), first);
}

pub async fn runs_of_an_experiment_share_the_description_of_a_dataset(stores: &Stores) {
    let store = &stores.backend.tracking;
    let experiment = stores.experiment().await;
    let first = store.create_run(&new_run(experiment.clone())).await.expect("a run").id;
    let second = store.create_run(&new_run(experiment)).await.expect("a run").id;
    store.log_inputs(&first, &RunInputs::default().dataset(described("a"))).await.expect("a record");
    let other = DatasetInput::new("a", "0123abcd", "code", "{}").context("training");
    store.log_inputs(&second, &RunInputs::default().dataset(other)).await.expect("a record");
    let expected = described("a").context("training");
    assert_eq!(store.inputs(&second).await.expect("an answer").datasets, [expected]);
    // Another digest is another dataset, and other experiments have their own.
    let later = DatasetInput::new("a", "later", "code", "{}");
    store.log_inputs(&second, &RunInputs::default().dataset(later.clone())).await.expect("a record");
    assert_eq!(store.inputs(&second).await.expect("an answer").datasets.last(), Some(&later));
    let elsewhere = stores.run().await;
    store.log_inputs(&elsewhere, &RunInputs::default().dataset(bare("a"))).await.expect("a record");
    assert_eq!(store.inputs(&elsewhere).await.expect("an answer").datasets, [bare("a")]);
}

pub async fn a_logged_model_is_an_input(stores: &Stores) {
    let store = &stores.backend.tracking;
    let Some((_, model)) = logged_model(stores).await else { return };
    let run = stores.run().await;
    let given = RunInputs::default().dataset(described("a")).models([model]);
    for _ in 0..2 {
        store.log_inputs(&run, &given).await.expect("a record");
        assert_eq!(store.inputs(&run).await.expect("an answer"), given);
    }
}

pub async fn metrics_of_a_logged_model_name_their_dataset(stores: &Stores) {
    let store = &stores.backend.tracking;
    let Some((run, model)) = logged_model(stores).await else { return };
    let metric = Metric::new("auc", 0.5, 7);
    let batch = RunBatch::default().metrics([metric.clone()]).logged_model(model).dataset(&described("a"));
    for _ in 0..2 {
        store.log_batch(&run, &batch).await.expect("a batch");
        assert_eq!(store.run(&run).await.expect("it exists").metrics, std::slice::from_ref(&metric));
    }
    for name in ["", "two words", "line\nbreak"] {
        let dataset = DatasetInput::new(name, "0123abcd", "code", "{}");
        let refused = store.log_batch(&run, &batch.clone().dataset(&dataset)).await;
        assert_eq!(kind(refused), ErrorKind::InvalidArgument, "{name:?}");
    }
}

pub async fn inputs_beyond_mlflows_limits_are_refused(stores: &Stores) {
    let store = &stores.backend.tracking;
    let run = stores.run().await;
    let long = |chars: usize| "é".repeat(chars);
    let good = described("a");
    for bad in [
        DatasetInput { name: long(501), ..good.clone() },
        DatasetInput { name: String::new(), ..good.clone() },
        DatasetInput { digest: long(37), ..good.clone() },
        DatasetInput { digest: String::new(), ..good.clone() },
        DatasetInput { source_type: long(37), ..good.clone() },
        DatasetInput { source: long(65_536), ..good.clone() },
        DatasetInput { schema: Some(long(1_048_576)), ..good.clone() },
        good.clone().context(long(501)),
    ] {
        let given = RunInputs::default().dataset(good.clone()).dataset(bad);
        assert_eq!(kind(store.log_inputs(&run, &given).await), ErrorKind::InvalidArgument);
    }
    assert_eq!(store.inputs(&run).await.expect("an answer"), RunInputs::default());
    let longest = DatasetInput { name: long(500), digest: long(36), ..good };
    let given = RunInputs::default().dataset(longest);
    store.log_inputs(&run, &given).await.expect("a record");
    assert_eq!(store.inputs(&run).await.expect("an answer"), given);
}

pub async fn a_run_that_does_not_exist_has_no_inputs(stores: &Stores) {
    let store = &stores.backend.tracking;
    let unknown = RunId::new(fresh("r").replace('-', "")).expect("a legal id");
    let given = RunInputs::default().dataset(described("a"));
    assert_eq!(kind(store.log_inputs(&unknown, &given).await), ErrorKind::NotFound);
    assert_eq!(kind(store.inputs(&unknown).await), ErrorKind::NotFound);
}

/// Their requests can collide.
pub async fn concurrent_runs_describe_a_dataset_once(stores: &Stores) {
    let experiment = stores.experiment().await;
    let runs = (0..8).map(|_| {
        let (tracking, experiment) = (stores.backend.tracking.clone(), experiment.clone());
        tokio::spawn(async move {
            let run = tracking.create_run(&new_run(experiment)).await.expect("a run").id;
            let given = RunInputs::default().dataset(described("a"));
            tracking.log_inputs(&run, &given).await.expect("a record");
            assert_eq!(tracking.inputs(&run).await.expect("an answer"), given);
        })
    });
    for run in join_all(runs).await {
        run.expect("a run");
    }
}

fn bare(name: &str) -> DatasetInput {
    DatasetInput::new(name, "0123abcd", "local", r#"{"uri": "/data/ü 'x'.csv"}"#)
}

fn described(name: &str) -> DatasetInput {
    DatasetInput {
        schema: Some(
            r#"{"mlflow_colspec": [{"type": "double", "name": "a \"b\"", "required": true}]}"#.into(),
        ),
        profile: Some(r#"{"num_rows": 3, "num_elements": 3}"#.into()),
        ..bare(name).context("eval")
    }
}
