//! The champion lifecycle of LightGBM models on MLflow, with promotion rules in a sandboxed WebAssembly component.
//!
//! [`ModelRegistry`] is the way in: it logs candidates, asks a [policy](hydra_policy) for promotions and rollbacks, and loads the
//! champion. [`hydra_mlflow`] holds the stores, [`hydra_lightgbm`] reads and scores LightGBM models, [`hydra_lifecycle`] decides.
//!
//! ```no_run
//! use hydra_registry::{ModelRegistry, OpenOptions};
//!
//! # async fn example() -> hydra_base::Result<()> {
//! let registry = ModelRegistry::open(OpenOptions::from_process()?.with_model("churn")).await?;
//! let transition = registry.promote_to_champion(None).await?;
//! println!("{:?}: {}", transition.outcome, transition.explanation);
//! # Ok(())
//! # }
//! ```

mod open;
pub mod project;
mod registry;

pub use hydra_base::{Error, ErrorKind, Result};
pub use open::{DEFAULT_MODEL, OpenOptions, PolicySource};
pub use registry::{Champion, ChampionInfo, ModelRegistry, VersionInfo};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
