//! `cargo xtask layers`: checks the dependencies of programs that use single crates, and those between the crates.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::shell::{cargo, say};

/// A program that uses crates of this workspace, and its permitted dependencies.
struct Program {
    /// What the program does.
    what: &'static str,
    /// The arguments of `cargo tree` that select a crate and its features.
    selection: &'static [&'static str],
    /// The maximum number of packages that it depends on, including this workspace's and build dependencies.
    most: usize,
    /// Packages that it must not depend on.
    without: &'static [&'static str],
}

/// The packages that build LightGBM's C++.
const CPP: [&str; 4] = ["lightgbm3", "lightgbm3-sys", "cmake", "bindgen"];

const PROGRAMS: [Program; 7] = [
    Program {
        what: "scores a model file",
        selection: &["-p", "hydra-lightgbm", "--no-default-features"],
        most: 45,
        without: &["wasmtime", "clap", "reqwest", "tokio", "parquet", "ring", "hydra-trust"],
    },
    Program {
        what: "scores Arrow batches with a model file",
        selection: &["-p", "hydra-lightgbm", "--no-default-features", "--features", "arrow"],
        most: 80,
        without: &["wasmtime", "clap", "reqwest", "tokio", "parquet", "ring", "hydra-trust"],
    },
    Program {
        what: "reads evaluations",
        selection: &["-p", "hydra-evaluation", "--no-default-features"],
        most: 45,
        without: &["hydra-lightgbm", "hydra-tables", "arrow-array", "wasmtime", "clap", "tokio"],
    },
    Program {
        what: "loads the champion from a server and scores",
        selection: &["-p", "hydra-models", "--no-default-features", "--features", "rest"],
        most: 190,
        without: &["wasmtime", "clap", "parquet", "rusqlite", "hydra-trust"],
    },
    Program {
        what: "checks signatures",
        selection: &["-p", "hydra-trust", "--no-default-features"],
        most: 45,
        without: &[
            "wasmtime",
            "clap",
            "reqwest",
            "tokio",
            "hydra-lightgbm",
            "hydra-mlflow",
            "sigstore-verify",
        ],
    },
    Program {
        what: "is the command line without training",
        selection: &["-p", "hydra-registry-cli", "--no-default-features"],
        most: 400,
        without: &["sigstore-verify", "aws-lc-sys"],
    },
    Program {
        what: "is the Python package",
        selection: &["-p", "hydra-registry-python"],
        most: 400,
        without: &["sigstore-verify", "aws-lc-sys"],
    },
];

/// Each crate, and the crates of this workspace that it may depend on, directly or indirectly.
const ARROWS: [(&str, &[&str]); 17] = [
    ("hydra-base", &[]),
    ("hydra-ledger-rules", &[]),
    ("hydra-trust", &["hydra-base"]),
    ("hydra-guest-cargo", &[]),
    ("hydra-lightgbm", &["hydra-base"]),
    ("hydra-training", &["hydra-base", "hydra-lightgbm"]),
    ("hydra-tables", &["hydra-base", "hydra-lightgbm"]),
    ("hydra-evaluation", &["hydra-base", "hydra-lightgbm", "hydra-tables"]),
    ("hydra-mlflow", &["hydra-base"]),
    ("hydra-models", &["hydra-base", "hydra-lightgbm", "hydra-mlflow"]),
    ("hydra-policy", &["hydra-base", "hydra-guest-cargo"]),
    ("hydra-policy-kit", &["hydra-base", "hydra-guest-cargo", "hydra-policy"]),
    ("hydra-lifecycle", LIFECYCLE),
    ("hydra-notify", REGISTRY),
    ("hydra-page", REGISTRY),
    ("hydra-registry", REGISTRY),
    ("hydra-serve", SERVE),
];

/// The evaluations are documents here: reading rows needs `hydra-tables`, which is missing from this list.
const LIFECYCLE: &[&str] = &[
    "hydra-base",
    "hydra-evaluation",
    "hydra-guest-cargo",
    "hydra-ledger-rules",
    "hydra-lightgbm",
    "hydra-mlflow",
    "hydra-models",
    "hydra-policy",
    "hydra-trust",
];

/// What `hydra-registry` and the crates directly above it may depend on. No crate can depend on itself.
const REGISTRY: &[&str] = &[
    "hydra-base",
    "hydra-evaluation",
    "hydra-guest-cargo",
    "hydra-ledger-rules",
    "hydra-lifecycle",
    "hydra-lightgbm",
    "hydra-mlflow",
    "hydra-models",
    "hydra-policy",
    "hydra-registry",
    "hydra-trust",
];

const SERVE: &[&str] = &[
    "hydra-base",
    "hydra-evaluation",
    "hydra-guest-cargo",
    "hydra-ledger-rules",
    "hydra-lifecycle",
    "hydra-lightgbm",
    "hydra-mlflow",
    "hydra-models",
    "hydra-notify",
    "hydra-page",
    "hydra-policy",
    "hydra-registry",
    "hydra-tables",
    "hydra-trust",
];

/// Prints the number of packages that each program depends on. Fails if a program depends on too many or on a forbidden
/// one, or if a crate depends on a crate above it.
pub fn run() -> Result<()> {
    for program in &PROGRAMS {
        let packages = packages(program.selection)?;
        say(format!("{:>4} packages of at most {:>3}: {}", packages.len(), program.most, program.what));
        check(program, &packages)?;
    }
    for (name, allowed) in ARROWS {
        check_arrows(name, allowed)?;
    }
    say("no crate depends on a crate above it");
    Ok(())
}

fn check(program: &Program, packages: &BTreeSet<String>) -> Result<()> {
    let what = program.what;
    let names: BTreeSet<&str> = packages.iter().map(|package| name_of(package)).collect();
    if let Some(name) = program.without.iter().chain(&CPP).find(|name| names.contains(**name)) {
        bail!("a program that {what} depends on {name}");
    }
    if packages.len() > program.most {
        bail!("a program that {what} depends on more than {} packages: {packages:#?}", program.most);
    }
    Ok(())
}

fn check_arrows(name: &str, allowed: &[&str]) -> Result<()> {
    let found = packages(&["-p", name])?;
    let ours = found.iter().map(|package| name_of(package)).filter(|package| package.starts_with("hydra-"));
    match ours.into_iter().find(|package| *package != name && !allowed.contains(package)) {
        Some(package) => bail!("{name} depends on {package}: the layers in ARCHITECTURE.md forbid it"),
        None => Ok(()),
    }
}

/// The packages, each as `name version`, that a selection of `cargo tree` depends on, including itself.
fn packages(selection: &[&str]) -> Result<BTreeSet<String>> {
    let mut command = cargo();
    command
        .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .args(selection)
        .current_dir(paths::root());
    let output = command.output().context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout).context("the output of cargo tree is not UTF-8")?;
    let package = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(text.lines().filter(|line| !line.is_empty()).map(package).collect())
}

fn name_of(package: &str) -> &str {
    package.split(' ').next().unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_stay_small_and_no_crate_depends_on_one_above_it() {
        run().expect("the layers hold");
    }

    #[test]
    fn a_forbidden_dependency_is_found() {
        let program =
            Program { what: "trains", selection: &["-p", "hydra-training"], most: usize::MAX, without: &[] };
        let error = check(&program, &packages(program.selection).expect("a tree")).expect_err("C++");
        assert_eq!(error.to_string(), "a program that trains depends on lightgbm3");
        let error = check_arrows("hydra-registry", &["hydra-base"]).expect_err("an arrow");
        assert!(error.to_string().ends_with("the layers in ARCHITECTURE.md forbid it"), "{error}");
    }
}
