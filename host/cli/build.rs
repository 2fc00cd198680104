//! What `hydra-registry --version` says of the build: the commit, and the version of the engine that runs policies.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

// Cargo also sets these variables for the programs that it runs, so their names are not ones that hydra-registry reads.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=HYDRA_COMMIT");
    println!("cargo:rustc-env=BUILD_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo:rustc-env=BUILD_ENGINE={}", engine().unwrap_or_default());
}

/// The commit: the one that the environment names, or that of the checkout. Development builds do not look, because they would
/// compile again after each commit.
fn commit() -> Option<String> {
    if let Some(named) = env::var("HYDRA_COMMIT").ok().filter(|named| !named.is_empty()) {
        return Some(named.chars().filter(char::is_ascii_alphanumeric).take(40).collect());
    }
    if env::var("PROFILE").ok()? != "release" {
        return None;
    }
    let head = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo:rerun-if-changed={head}");
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The version of wasmtime in the lock file of the workspace.
fn engine() -> Option<String> {
    let lock = Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).join("../../Cargo.lock");
    println!("cargo:rerun-if-changed={}", lock.display());
    let lock = fs::read_to_string(lock).ok()?;
    let (_, package) = lock.split_once("name = \"wasmtime\"\nversion = \"")?;
    Some(package.split_once('"')?.0.to_owned())
}
