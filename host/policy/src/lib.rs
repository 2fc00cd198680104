//! What a policy is: the sandboxed WebAssembly component that decides promotions and rollbacks.
//!
//! One [`PolicyEngine`] per process compiles components and measures time; a [`Policy`] is a component, checked and
//! compiled; each [`Policy::decide`] runs it in a fresh instance under a [`Budget`]. A policy only proposes: the guards
//! of `hydra-lifecycle` check a [`Verdict`] before anything is changed.
//!
//! The types of the contract have the names of its records. So [`ModelVersion`] and [`Transition`] are what a policy
//! receives about a version and about a past change; `hydra-mlflow` and `hydra-lifecycle` use the same names for the
//! whole entities, of which these are the policy's part.
//!
//! ```
//! use hydra_base::names::Version;
//! use hydra_policy::{Budget, Context, EngineOptions, ModelVersion, Policy, PolicyEngine};
//!
//! # fn main() -> hydra_base::Result<()> {
//! let engine = PolicyEngine::new(&EngineOptions::default())?;
//! let policy = Policy::load_default(&engine, &Budget::default())?;
//! let target = ModelVersion::new(Version::new(3)?, 0);
//! let decision = policy.decide_promotion(&target, &Context::new("churn", 0, "me"))?;
//! assert_eq!(decision.verdict.moves()[0].to_string(), "champion -> 3");
//! # Ok(())
//! # }
//! ```

mod answer;
mod budget;
mod cache;
mod caps;
mod compiler;
mod component;
mod conversion;
mod cost;
mod engine;
mod input;
mod interface;
#[doc(hidden)]
pub mod json;
mod panic_text;
mod policy;
mod sandbox;
mod semaphore;
mod settings;
mod since_v0_1;
mod since_v0_2;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod testing;
mod text;
mod ticker;
mod types;
mod weight;

#[cfg(test)]
mod tests;

pub use budget::{Budget, Limit, Usage};
pub use compiler::{COMPILER_ARGUMENT, CompileLimits, CompilerCommand, compiler_main};
pub use component::{ComponentSummary, INTERFACE};
pub use engine::{EngineOptions, PolicyEngine, Pooling};
pub use input::Input;
pub use interface::INTERFACE_VERSIONS;
pub use json::Float;
#[doc(hidden)]
pub use json::alias_moves;
pub use policy::{Decision, Policy, other_digest};
pub use settings::{Descriptor, Setting, SettingKind};
pub use text::{format_duration, parse_duration};
pub use types::{
    Activity, Agreement, Approval, ApprovalRecord, Change, Comparison, Context, Direction, Evaluation,
    EvaluationKind, Interval, IntervalMethod, MeasuredMetric, Measurement, ModelFacts, ModelFormat,
    ModelState, ModelVersion, Operation, OutputKind, OverrideKind, Panel, PanelRole, Quantile,
    QuarantineRecord, RunData, Segment, SignatureColumn, Signer, TargetOrigin, Transition, Verdict,
    VerdictKind,
};
