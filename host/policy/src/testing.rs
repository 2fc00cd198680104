//! Helpers shared by tests and benches of policies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Context, Input, ModelVersion, RunData};
use hydra_base::names::Version;

/// A promotion: two versions with twenty metrics each.
#[must_use]
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

/// The files of compiled code in a cache with their modification times: compiling again changes them.
#[must_use]
pub fn compiled_code(dir: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a readable cache").map(|entry| entry.expect("a readable cache")) {
        let (path, metadata) = (entry.path(), entry.metadata().expect("a readable cache"));
        if metadata.is_dir() {
            files.extend(compiled_code(&path));
        } else if path.extension().is_none() {
            // Files with an extension hold wasmtime's usage counts.
            files.insert(path, metadata.modified().expect("a readable cache"));
        }
    }
    files
}
