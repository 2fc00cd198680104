//! `cargo xtask test`: runs every test, after installing the tools that the tests need.

use anyhow::Result;

use crate::setup::{self, MLFLOW, OTHER_MLFLOWS, Scope};
use crate::shell::{cargo, run as sh, say};
use crate::{dist, python, wheel};

/// Runs the tests; `--all` adds other servers and long runs. Other arguments go to `cargo test`.
pub fn run(flags: &[String]) -> Result<()> {
    let all = flags.iter().any(|flag| flag == "--all");
    let passed_on: Vec<&String> = flags.iter().filter(|flag| *flag != "--all").collect();
    setup::run(if all { Scope::All } else { Scope::Test })?;

    if passed_on.is_empty() {
        python::test(&wheel::dev()?)?;
    }
    let mut command = cargo();
    command.args(["test", "--workspace", "--locked"]).args(&passed_on);
    if all {
        command.args(["--", "--include-ignored"]);
    }
    sh(&mut command)?;
    if !passed_on.is_empty() {
        // The summary below is about a full run.
        return Ok(());
    }
    let interpreters = if all {
        generated_guests()?;
        keyless()?;
        dist::run(&[])?;
        python::test_everywhere()?
    } else {
        Vec::new()
    };

    say(format!(
        "\ncovered: {MLFLOW} server on sqlite, local databases, file and memory stores, S3, policies, models, the ledger, command line, the Python package"
    ));
    if all {
        say(format!(
            "         and {MLFLOW} on PostgreSQL and MariaDB, with artifacts in S3; generated guests; keyless signatures; the servers {}; a real OCI registry; \
             the static binary; the published wheel on \
             Python {}; Spark, Ray, Dask, DuckDB and DataFusion; the source distribution; the pages in Chromium",
            OTHER_MLFLOWS.join(", "),
            interpreters.join(", ")
        ));
    } else {
        say(format!(
            "not covered (cargo xtask test --all): {}, PostgreSQL, MariaDB, guests in other languages, long races, every fault, keyless signatures, a real OCI registry, the published wheel, Spark and Ray, the pages in a browser",
            OTHER_MLFLOWS.join(", ")
        ));
    }
    Ok(())
}

/// Runs the tests of the feature `keyless`, which is off by default.
fn keyless() -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--locked", "--features", "hydra-registry-cli/keyless"]).args([
        "--lib",
        "--test",
        "integration",
        "keyless",
    ]);
    sh(&mut command)
}

/// Runs generated guests. Their crate is outside the workspace, because fuzzing builds it with other flags.
fn generated_guests() -> Result<()> {
    let mut command = cargo();
    command
        .args(["test", "--manifest-path", "fuzz/policy/Cargo.toml", "--locked", "--lib"])
        .args(["--target-dir", "target/fuzz"])
        .env("HYDRA_GUESTS", "200");
    sh(&mut command)
}
