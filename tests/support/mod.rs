//! Helpers of the integration tests: real servers, the real Python client, and the real binary.

pub mod backends;
pub mod binary;
pub mod databases;
pub mod proxy;
pub mod python;
pub mod registry;
pub mod server;

use std::path::{Path, PathBuf};

pub use hydra_base::testing::version;

/// The repository's root.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the crate lies in the repository").to_path_buf()
}

/// The path of a model file among the fixtures.
pub fn model(case: &str) -> String {
    root().join("tests/fixtures/models").join(case).join("booster/model.lgb").display().to_string()
}

/// All files below a directory.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The Python of a test environment. Without the environment, the test fails and names the command that installs it.
pub fn python_of(environment: &str) -> PathBuf {
    let python = root().join(".tools").join(environment).join("bin/python");
    assert!(python.exists(), "{} is missing: `cargo xtask setup --all` installs it", python.display());
    python
}

/// One of the example policies, built once into a component.
pub fn example_policy(name: &str) -> String {
    static BUILDING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.wasm"));
    let project = root().join("examples/policies").join(name);
    let target = root().join("target/guests");
    let path = hydra_policy_kit::build(&project, Some(&built), Some(&target)).expect("a component");
    path.display().to_string()
}
