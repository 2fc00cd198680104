//! A training pipeline that embeds the library: train, log, promote, predict, roll back.
//!
//! `cargo run --example pipeline` uses the local store of the current project; set `MLFLOW_TRACKING_URI` to use another.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::collections::BTreeMap;

use hydra_lightgbm::matrix::Matrix;
use hydra_models::candidate::ModelSource;
use hydra_registry::{ModelRegistry, OpenOptions};
use hydra_training::baseline::{BaselineModel, TrainingParameters};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let registry = ModelRegistry::open(OpenOptions::from_process()?.with_model("pipeline-example")).await?;
    for rounds in [5, 50] {
        let version = train_and_log(&registry, rounds).await?;
        let transition = registry.promote_to_champion(Some(version)).await?;
        println!("version {version}: {:?}, because {}", transition.outcome, transition.explanation);
    }

    let champion = registry.load_champion().await?;
    let rows = Matrix::from_rows(&[10.0, 1.0, 150.0, 6.0], 2)?;
    println!("champion {} predicts {:?}", champion.version.version, champion.outputs(&rows)?);

    let transition = registry.rollback().await?;
    println!("rollback: {:?}, because {}", transition.outcome, transition.explanation);
    Ok(())
}

async fn train_and_log(registry: &ModelRegistry, rounds: u32) -> anyhow::Result<hydra_base::names::Version> {
    let rows: Vec<[f64; 2]> = (0..200).map(|i| [f64::from(i), f64::from(i % 7)]).collect();
    let labels: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(row[0] + row[1] > 110.0))).collect();
    let parameters = TrainingParameters { n_estimators: rounds, ..Default::default() };
    let model = BaselineModel::train_with(&parameters, &rows, &labels, &["amount", "weekday"])?;
    let metrics = BTreeMap::from([("rounds".to_owned(), f64::from(rounds))]);
    let config = json!({"data": {"rows": rows.len()}, "n_estimators": rounds});
    let tags = BTreeMap::from([("pipeline".to_owned(), "example".to_owned())]);
    let (_run, version) =
        registry.log_candidate(ModelSource::Text(model.into_text()), metrics, config, tags, None).await?;
    Ok(version)
}
