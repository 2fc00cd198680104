//! The registry's operations with the library. `benchmarks/python/registry.py` uses MLflow's Python client.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use futures_util::TryStreamExt as _;
use hydra_policy::{Budget, EngineOptions, Policy, PolicyEngine};
use hydra_registry::{Candidate, ModelRegistry, OpenOptions, Outcome, Target, Transition, Version};
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
        let options = OpenOptions::new()
            .with_tracking_uri(uri)
            .with_model(model)
            .with_policy(policy)
            .with_actor("bench")
            .with_cache_dir(cache)
            .with_cache_bytes(1_000_000_000);
        let registry = runtime.block_on(ModelRegistry::connect_or_create(options.clone()))?;
        let uncached = runtime.block_on(ModelRegistry::connect(options.with_cache_bytes(0)))?;
        Ok(Self { runtime, registry, uncached, model_file: file.into() })
    }

    async fn log(&self) -> Result<()> {
        let candidate = Candidate::from_file(&self.model_file)
            .metrics([("auc", 0.913), ("logloss", 0.25), ("rows", 20000.0)])
            .config(json!({"seed": 7, "name": "bench", "data": {"rows": 20000, "split": 0.8}}))
            .tag("team", "bench")
            .run_name("bench");
        self.registry.log(candidate).await?;
        Ok(())
    }

    /// Runs an operation and discards its result.
    async fn run(&self, operation: &str, version: u64) -> Result<()> {
        match operation {
            "log" => self.log().await,
            // Before a promotion, so that the model is in the cache.
            "open" => done(&self.registry.promote(target(version)).dry_run().await?),
            "promote" => done(&self.registry.promote(target(version)).await?),
            "promote-uncached" => done(&self.uncached.promote(target(version)).await?),
            "rollback" => done(&self.registry.rollback(Target::PolicyChoice).await?),
            "champion" => self.registry.champion_info().await.map(drop).map_err(Into::into),
            "load" => self.registry.load_champion().await.map(drop).map_err(Into::into),
            "load-uncached" => self.uncached.load_champion().await.map(drop).map_err(Into::into),
            "list" => {
                let versions: Vec<_> = self.registry.list_versions().try_collect().await?;
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

/// Version 0 is the version behind `candidate`.
fn target(version: u64) -> Target {
    Version::new(version).map_or(Target::Candidate, Target::Version)
}

/// Fails if a transition changed nothing, because then its time is not comparable.
fn done(transition: &Transition) -> Result<()> {
    match transition.outcome {
        Outcome::Done => Ok(()),
        other => bail!("{other:?}: {}", transition.explanation),
    }
}
