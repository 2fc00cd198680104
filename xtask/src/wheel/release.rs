//! What people install: a wheel for Linux since 2014, and a source distribution.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{MODULE, TOOLS, check_library, home, maturin, one_file};
use crate::shell::{cargo, path_with, python, run as sh, say, step};
use crate::{demo, paths, setup};

/// The environment with zig.
pub const ZIG: &str = "zig";

/// The largest wheel, in bytes.
const MOST: u64 = 25_000_000;

/// The files outside the crates that the crates include, and the licences.
const INCLUDED: [&str; 8] = [
    "LICENSE",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "docs/policy-case.schema.json",
    "policy-guest/heap/src/heap.rs",
    "policy-guest/panic/src/panic_text.rs",
    "policy-guest/src/evidence.rs",
    "wit/lifecycle.wit",
];

/// The default policy in a source distribution: `host/policy/build.rs` embeds it instead of compiling it.
const PREBUILT: &str = "prebuilt/default_policy.wasm";

/// Builds the wheel that is published. zig links it against the C library of 2014.
pub fn wheel() -> Result<PathBuf> {
    let home = home("release");
    setup::reset_directory(&home)?;
    let mut command = maturin(&["build"]);
    command.args(["--zig", "--compatibility", "manylinux2014", "--out"]).arg(&home);
    // A separate directory: maturin builds pyo3 with other variables than the rest of the project.
    command.arg("--target-dir").arg(demo::target_directory().join("wheel/build"));
    // maturin finds zig by the `PATH`. It runs outside the repository, whose `.cargo/config.toml` names the headers of this machine's C compiler. zig has its own.
    command.current_dir(env::temp_dir()).env_remove("CPATH").env("PATH", path_with(ZIG)?);
    say("building the wheel of the Python package (takes a while)");
    sh(&mut command)?;
    let wheel = one_file(&home, "whl")?;
    check(&wheel, &home.join("unpacked"))?;
    Ok(wheel)
}

/// Checks the size and the extension module.
fn check(wheel: &Path, unpacked: &Path) -> Result<()> {
    let bytes = fs::metadata(wheel).context("cannot measure the wheel")?.len();
    say(format!("the wheel has {bytes} bytes of at most {MOST}"));
    if bytes > MOST {
        bail!("{} is larger than {MOST} bytes", wheel.display());
    }
    step("unpacking the wheel", python(TOOLS).args(["-m", "zipfile", "-e"]).arg(wheel).arg(unpacked))?;
    check_library(&unpacked.join(MODULE))
}

/// Packs the sources. Building them takes a Rust toolchain and a C compiler: the component of the default policy is
/// included, because compiling it takes a further target of Rust.
pub fn sdist() -> Result<PathBuf> {
    let home = home("sdist");
    setup::reset_directory(&home)?;
    step("packing the crates", maturin(&["sdist"]).arg("--out").arg(&home))?;
    let archive = one_file(&home, "gz")?;
    let name = archive.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let inside = home.join(name.trim_end_matches(".tar.gz"));
    step("unpacking them", Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&home))?;
    for file in INCLUDED {
        copy(&paths::root().join(file), &inside.join(file))?;
    }
    copy(&default_policy()?, &inside.join(PREBUILT))?;
    // Without the crates that are not in it, which `--locked` would notice. The versions of the others stay.
    let mut metadata = cargo();
    metadata.args(["metadata", "--offline", "--format-version", "1"]).current_dir(&inside);
    step("locking the crates in it", &mut metadata)?;
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-czf"]).arg(&archive);
    step(
        "packing the source distribution",
        tar.arg("-C").arg(&home).arg(inside.file_name().unwrap_or_default()),
    )?;
    Ok(archive)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let directory = to.parent().context("the path has no directory")?;
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// The newest component that the build script of `hydra-policy` has made.
fn default_policy() -> Result<PathBuf> {
    sh(cargo().args(["build", "--workspace", "--lib", "--locked", "--quiet"]))?;
    let builds = demo::target_directory().join("debug/build");
    let mut found = Vec::new();
    for entry in fs::read_dir(&builds).with_context(|| format!("cannot list {}", builds.display()))? {
        let component = entry?.path().join("out/default_policy.wasm");
        if let Ok(modified) = fs::metadata(&component).and_then(|file| file.modified()) {
            found.push((modified, component));
        }
    }
    found.into_iter().max().map(|(_, component)| component).context("the default policy was not built")
}
