//! `serve`: the real binary, asked by clients over sockets.

mod access;
mod canary;
pub mod client;
mod ends;
mod follow;
mod hostile;
mod http2;
mod limits;
mod outage;
pub mod process;
mod protocols;
mod shadow;
mod stalls;

use hydra_lightgbm::{Matrix, Model, Prediction};
use hydra_registry::{Alias, ModelRegistry, OpenOptions};

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::{model, version};

/// Rows of five features.
pub const ROWS: [[f64; 5]; 4] = [
    [0.5, -1.0, 2.0, 0.25, 1.5],
    [0.0, 3.0, -0.25, 1.0, -2.0],
    [-3.0, 0.5, 0.5, 7.0, 0.0],
    [1.0, 1.0, 1.0, 1.0, 1.0],
];

/// A project with versions of these fixtures, of which the first one is the champion.
fn project(cases: &[&str]) -> Project {
    project_in(None, cases)
}

/// [`project`] in a store.
fn project_in(tracking_uri: Option<&str>, cases: &[&str]) -> Project {
    let project = Project::new(tracking_uri, &fresh_name("serving"));
    for (index, case) in cases.iter().enumerate() {
        project.json(["log-candidate", &model(case), "--metric", "auc=1"]);
        if index == 0 {
            project.json(["promote"]);
        }
    }
    project
}

/// What a fixture's model predicts for [`ROWS`].
fn expected(case: &str) -> Vec<f64> {
    let opened = Model::open(model(case)).expect("a model");
    let rows = ROWS.as_flattened();
    match opened.predict(&Matrix::from_rows(rows, 5).expect("rows")).expect("predictions") {
        Prediction::Values { values, .. } => values,
        other => panic!("no numbers: {other:?}"),
    }
}

/// The registry of a project in its own database, for what no command does.
async fn registry(project: &Project) -> ModelRegistry {
    registry_at(&format!("sqlite:///{}", project.path().join("mlflow.db").display()), project).await
}

/// The registry of a project in a store.
async fn registry_at(tracking_uri: &str, project: &Project) -> ModelRegistry {
    let text = std::fs::read_to_string(project.path().join("hydra.toml")).expect("hydra.toml");
    let name = text.split('"').nth(1).expect("a name").to_owned();
    let options = OpenOptions::new()
        .with_tracking_uri(tracking_uri)
        .with_cache_dir(env!("CARGO_TARGET_TMPDIR"))
        .with_actor("tester")
        .with_model(name);
    ModelRegistry::connect(options).await.expect("a registry")
}

/// Moves an alias without the ledger, as any client of MLflow can.
async fn point(registry: &ModelRegistry, alias: &Alias, number: u64) {
    let store = &registry.backend().registry;
    store.set_alias(registry.model(), alias, version(number)).await.expect("a moved alias");
}
