//! A training pipeline that embeds the library: train, log, promote, predict, roll back.
//!
//! `cargo run --example pipeline` uses the local store of the current project; set `MLFLOW_TRACKING_URI` to use another.

#![expect(clippy::print_stdout, reason = "the example prints what it does")]

use hydra_registry::lightgbm::matrix::Matrix;
use hydra_registry::{Candidate, ModelRegistry, OpenOptions, Target, Version};
use hydra_training::baseline::{BaselineModel, TrainingParameters};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = OpenOptions::from_process()?.with_model("pipeline-example");
    let registry = ModelRegistry::connect_or_create(options).await?;
    for rounds in [5, 50] {
        let version = train_and_log(&registry, rounds).await?;
        let transition = registry.promote(version).reason("example").await?;
        println!("version {version}: {}, because {}", transition.outcome, transition.explanation);
    }

    let champion = registry.load_champion().await?;
    let rows = Matrix::from_rows(&[10.0, 1.0, 150.0, 6.0], 2)?;
    println!("champion {} predicts {:?}", champion.version, champion.model.outputs(&rows)?);

    let transition = registry.rollback(Target::PolicyChoice).await?;
    println!("rollback: {}, because {}", transition.outcome, transition.explanation);
    Ok(())
}

async fn train_and_log(registry: &ModelRegistry, rounds: u32) -> anyhow::Result<Version> {
    let rows: Vec<[f64; 2]> = (0..200).map(|i| [f64::from(i), f64::from(i % 7)]).collect();
    let labels: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(row[0] + row[1] > 110.0))).collect();
    let parameters = TrainingParameters::new().n_estimators(rounds);
    let model = BaselineModel::train_with(&parameters, &rows, &labels, &["amount", "weekday"])?;
    let candidate = Candidate::from_text(model.into_text())
        .metric("rounds", f64::from(rounds))
        .config(json!({"data": {"rows": rows.len()}, "n_estimators": rounds}))
        .tag("pipeline", "example");
    Ok(registry.log(candidate).await?.version)
}
