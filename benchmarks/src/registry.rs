//! The registry's operations with the library. `benchmarks/python/registry.py` uses MLflow's Python client.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use futures_util::TryStreamExt as _;
use hydra_base::names::Version;
use hydra_lifecycle::transition::{Outcome, Transition};
use hydra_mlflow::environment::Environment;
use hydra_policy::{Budget, EngineOptions, Policy, PolicyEngine};
use hydra_registry::project::{Project, ProjectConfig};
use hydra_registry::{ModelRegistry, OpenOptions, PolicySource};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::{Worker, timed};

/// An open registry in the state of a long-lived program: connections are open, and the policy is loaded.
pub struct Session {
    runtime: Runtime,
    registry: ModelRegistry,
    /// The same registry without a model cache.
    uncached: ModelRegistry,
    model_file: PathBuf,
}

impl Session {
    /// Opens the model at a tracking URI. Candidates log the model in `file`; `cache` is the cache directory.
    pub fn open(uri: &str, model: &str, file: &str, cache: &str) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let policy =
            Policy::load_default(&PolicyEngine::new(&EngineOptions::default())?, &Budget::default())?;
        let options = |cache_bytes: &str| {
            let variables =
                [("HYDRA_CACHE_DIR", cache), ("HYDRA_CACHE_BYTES", cache_bytes), ("HYDRA_ACTOR", "bench")];
            let environment =
                Environment::from_iter(variables.map(|(key, value)| (key.to_owned(), value.to_owned())));
            OpenOptions::new(Project::around(Path::new(cache)), ProjectConfig::default(), environment)
                .with_tracking_uri(uri)
                .with_model(model)
                .with_policy(PolicySource::Loaded(policy.clone()))
        };
        let registry = runtime.block_on(ModelRegistry::open(options("1000000000")))?;
        let uncached = ModelRegistry::open_existing(options("0"))?;
        Ok(Self { runtime, registry, uncached, model_file: file.into() })
    }

    async fn log(&self) -> Result<()> {
        let metrics = [("auc", 0.913), ("logloss", 0.25), ("rows", 20000.0)];
        let metrics = metrics.map(|(key, value)| (key.to_owned(), value));
        let config = json!({"seed": 7, "name": "bench", "data": {"rows": 20000, "split": 0.8}});
        let tags = BTreeMap::from([("team".to_owned(), "bench".to_owned())]);
        let model = self.model_file.clone();
        self.registry.log_candidate(model, metrics.into(), config, tags, Some("bench".to_owned())).await?;
        Ok(())
    }

    /// Runs an operation and discards its result.
    async fn run(&self, operation: &str, version: u64) -> Result<()> {
        match operation {
            "log" => self.log().await,
            "promote" => {
                let version = Version::new(version).ok();
                done(&self.registry.promote_to_champion(version).await?)
            }
            "rollback" => done(&self.registry.rollback().await?),
            "champion" => self.registry.champion_info().await.map(drop).map_err(Into::into),
            "load" => self.registry.load_champion().await.map(drop).map_err(Into::into),
            "load-uncached" => self.uncached.load_champion().await.map(drop).map_err(Into::into),
            "list" => {
                let versions: Vec<_> = self.registry.list_versions().await?.try_collect().await?;
                ensure!(!versions.is_empty(), "the model has no versions");
                Ok(())
            }
            _ => bail!("no such operation"),
        }
    }
}

impl Worker for Session {
    /// `OPERATION VERSION`: the duration in seconds. Version 0 is the version behind `candidate`.
    fn answer(&mut self, what: &str, arguments: &[&str]) -> Result<Vec<f64>> {
        let [version] = arguments else { bail!("which version?") };
        let version = version.parse()?;
        Ok(vec![timed(|| self.runtime.block_on(self.run(what, version)))?.1])
    }
}

/// Fails if a transition changed nothing, because then its time is not comparable.
fn done(transition: &Transition) -> Result<()> {
    match transition.outcome {
        Outcome::Done => Ok(()),
        other => bail!("{other:?}: {}", transition.explanation),
    }
}
