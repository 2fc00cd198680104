//! `cargo xtask demo`: the whole lifecycle on a small real data set, without a server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Scope};
use crate::shell::{cargo, run as sh, say};
use crate::{paths, progress};

/// The training data.
pub const TRAIN: &str = "breast_cancer_train.csv";
const HOLDOUT: &str = "breast_cancer_holdout.csv";

/// The steps: a sentence that describes each, and its command line.
const STEPS: &[(&str, &[&str])] = &[
    (
        "Train a deliberately small model and log it as a candidate.",
        &[
            "log-candidate",
            "--train",
            TRAIN,
            "--label",
            "malignant",
            "--param",
            "n_estimators=5",
            "--param",
            "num_leaves=4",
            "--run-name",
            "small",
            "--tag",
            "team=demo",
        ],
    ),
    (
        "Ask the policy to promote the candidate. There is no champion yet.",
        &["promote", "--reason", "first model"],
    ),
    (
        "Train a second model with LightGBM's defaults and log it.",
        &[
            "log-candidate",
            "--train",
            TRAIN,
            "--label",
            "malignant",
            "--run-name",
            "default",
            "--tag",
            "team=demo",
        ],
    ),
    (
        "Promote it: the former champion becomes `archived`.",
        &["promote", "--reason", "better on the holdout"],
    ),
    ("Who is champion now, and why?", &["champion"]),
    ("Predict rows that no model has seen.", &["predict", HOLDOUT, "--out", "predictions.csv"]),
    ("Something is wrong in production: bring the former champion back.", &["rollback", "--reason", "demo"]),
    ("Every version and where the aliases are.", &["list"]),
];

/// Runs the demo in the given directory, or in `demo/` in the repository.
pub fn run(args: &[String]) -> Result<()> {
    let home = match args {
        [] => paths::root().join("demo"),
        [directory] if !directory.starts_with('-') => std::path::absolute(directory)?,
        other => bail!("`demo` takes one directory, got {other:?}"),
    };
    setup::run(Scope::Build)?;
    say("building hydra-registry (the first build takes several minutes)");
    // Build the whole workspace, so that the tests reuse the result: cargo unifies features over the selected packages.
    progress::build(cargo().args(["build", "--workspace", "--bin", "hydra-registry", "--locked"]))?;
    prepare(&home)?;

    let binary = target_directory().join("debug/hydra-registry");
    for (index, (what, command)) in STEPS.iter().enumerate() {
        say(format!("\n{}. {what}", index + 1));
        say(format!("   $ hydra-registry {}", shown(command)));
        sh(&mut registry_command(&binary, &home, command))?;
    }
    show_predictions(&home.join("predictions.csv"))?;
    say(epilogue(&home, &binary));
    Ok(())
}

/// Creates a project with the demo's data in an empty directory, or in the directory of an earlier demo.
pub fn prepare(home: &Path) -> Result<()> {
    if home.join("hydra.toml").exists() {
        fs::remove_dir_all(home).with_context(|| format!("cannot empty {}", home.display()))?;
    } else if home.exists() && fs::read_dir(home)?.next().is_some() {
        bail!("{} is not empty and not an earlier demo; choose another directory", home.display());
    }
    fs::create_dir_all(home)?;
    fs::write(
        home.join("hydra.toml"),
        "# The project root of the demo: the store is next to this file.\nmodel = \"breast-cancer\"\n",
    )?;
    for name in [TRAIN, HOLDOUT] {
        fs::copy(paths::root().join("examples/data").join(name), home.join(name))?;
    }
    Ok(())
}

/// A command in the demo's directory, without the settings in the caller's environment.
pub fn registry_command(binary: &Path, home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.args(args).current_dir(home);
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("MLFLOW_") || name.starts_with("HYDRA_") {
            command.env_remove(&key);
        }
    }
    command
}

/// The directory of cargo's build results.
pub fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths::root().join("target"), PathBuf::from)
}

fn show_predictions(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    say(format!("\nThe first predictions of step 6 ({} rows):", text.lines().count().saturating_sub(1)));
    for line in text.lines().take(4) {
        say(format!("   {line}"));
    }
    Ok(())
}

fn shown(command: &[&str]) -> String {
    let quoted =
        command.iter().map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).to_string() });
    quoted.collect::<Vec<_>>().join(" ")
}

fn epilogue(home: &Path, binary: &Path) -> String {
    let (home, binary) = (home.display(), binary.display());
    format!(
        "
Done. The demo's store is in {home}. Go on from there:
   cd {home}
   {binary} predict {HOLDOUT} --output-type label
   {binary} --output json champion        # for scripts
   {binary} promote 2 --dry-run           # decide, explain, change nothing
   mlflow ui --backend-store-uri sqlite:///{home}/mlflow.db    # the same in MLflow's own UI"
    )
}
