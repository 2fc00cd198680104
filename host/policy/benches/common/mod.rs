//! What benchmarks of policies decide about.

use hydra_registry::base::names::Version;
use hydra_registry::policy::{Context, Input, ModelVersion, RunData};

/// A promotion: two versions with twenty metrics each.
pub fn promotion() -> Input {
    let mut context = Context::new("churn", 1_700_000_000_000, "bench");
    context.champion = Some(version(2));
    Input::promotion(version(3), context)
}

fn version(number: u64) -> ModelVersion {
    let metrics = (0..20).map(|index| (format!("metric_{index:02}"), 1.0 / f64::from(index + 1))).collect();
    let name = Version::new(number).expect("a positive number");
    let mut version = ModelVersion::new(name, 1_700_000_000_000);
    version.run_id = Some(format!("{number:032x}"));
    version.run = Some(RunData { metrics, ..RunData::default() });
    version
}
