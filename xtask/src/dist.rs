//! `cargo xtask dist`: builds the static binary for servers and containers, and checks that it needs nothing beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Scope};
use crate::shell::{cargo, path_with, run as sh, say, step};
use crate::wheel::ZIG;
use crate::{demo, paths};

/// The name of the binary.
const BINARY: &str = "hydra-registry";

/// The user and group that own nothing on a usual system.
const UNPRIVILEGED: &str = "65534:65534";

/// Builds the binary and its directory for `docker build`, and prints its path.
pub fn run(flags: &[String]) -> Result<()> {
    if let [flag, ..] = flags {
        bail!("unknown flag: `{flag}`; `dist` takes none");
    }
    setup::run(Scope::Release)?;
    let binary = build()?;
    check(&binary)?;
    let mut parity = Command::new("python3");
    parity.arg(paths::root().join("xtask/src/parity.py")).arg(&binary);
    step(
        "comparing its predictions with LightGBM's",
        parity.arg(paths::root().join("tests/fixtures/scores")),
    )?;
    say(format!("built {}, {} bytes", binary.display(), fs::metadata(&binary)?.len()));
    Ok(())
}

/// Builds the command line without training, linked to musl: no C library, no C++, no files beside it.
pub fn build() -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    setup::add_target(&target)?;
    let home = demo::target_directory().join("dist");
    let mut command = cargo();
    command.args(["zigbuild", "--locked", "--profile", "dist", "--package", "hydra-registry-cli"]);
    command.args(["--no-default-features", "--bin", BINARY, "--target", &target]);
    command.arg("--target-dir").arg(home.join("build"));
    // zig has its own headers; those that `.cargo/config.toml` names are of this machine's C compiler.
    command.env("CPATH", "").env("PATH", path_with(ZIG)?);
    say("building the static binary (takes a while)");
    sh(&mut command)?;
    let context = home.join("image");
    setup::reset_directory(&context)?;
    let binary = context.join(BINARY);
    fs::copy(home.join("build").join(&target).join("dist").join(BINARY), &binary)
        .context("cannot copy the binary")?;
    fs::copy(paths::root().join("deploy/Dockerfile"), context.join("Dockerfile"))
        .context("cannot copy the Dockerfile")?;
    Ok(binary)
}

/// Runs the binary alone in an empty directory as the root of its file system, without privileges, variables and `/proc`.
fn check(binary: &Path) -> Result<()> {
    let root = binary.with_file_name("root");
    setup::reset_directory(&root)?;
    fs::copy(binary, root.join(BINARY)).context("cannot copy the binary")?;
    let model = paths::root().join("tests/fixtures/scores/regression_l1.txt");
    fs::copy(model, root.join("model.txt")).context("cannot copy a model")?;
    let columns = (0..8).map(|column| format!("Column_{column}")).collect::<Vec<_>>().join(",");
    fs::write(root.join("rows.csv"), format!("{columns}\n1,2,3,4,5,6,7,8\n")).context("cannot write rows")?;
    let is_root = is_root()?;
    for words in [&["--version"][..], &["predict", "/rows.csv", "--model-file", "/model.txt"]] {
        let mut command = if is_root {
            let mut command = Command::new("chroot");
            command.arg(format!("--userspec={UNPRIVILEGED}"));
            command
        } else {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "chroot"]);
            command
        };
        command.arg(&root).arg(format!("/{BINARY}")).args(words).env_clear();
        step(&format!("running the binary in an empty root: {}", words[0]), &mut command)?;
    }
    fs::remove_dir_all(&root).context("cannot remove the empty root")
}

fn is_root() -> Result<bool> {
    let id = Command::new("id").arg("-u").output().context("cannot ask for the user")?;
    Ok(id.stdout.trim_ascii() == b"0")
}
