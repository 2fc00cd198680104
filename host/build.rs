//! Builds the default policy: `policy-guest` compiled to a core module, wrapped as a component, for the library to
//! embed.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";

fn main() -> Result<(), Box<dyn Error>> {
    let manifest_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let workspace = manifest_dir.parent().ok_or("the crate has no parent directory")?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    for input in ["policy-guest/src", "policy-guest/Cargo.toml", "wit", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }

    // `<target>/<profile>/build/<package>/out`: one directory for the guests of every profile, outside those that the
    // first cargo has locked.
    let target_dir =
        out_dir.ancestors().nth(4).ok_or("OUT_DIR is not inside a target directory")?.join("guests");
    let module = build_module(workspace, &target_dir)?;
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&fs::read(module)?)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| format!("cannot wrap the default policy as a component: {error:#}"))?;
    fs::write(out_dir.join("default_policy.wasm"), component)?;
    Ok(())
}

/// Runs a second cargo on the guest, in a target directory of its own.
fn build_module(workspace: &Path, target_dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo
        .args(["build", "--release", "--locked", "--quiet", "--lib", "--package", "policy-guest"])
        .args(["--target", TARGET])
        .arg("--manifest-path")
        .arg(workspace.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir);
    isolate(&mut cargo, workspace)?;

    let output = cargo.output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        // E0463: the target's standard library is not installed.
        let hint = if stderr.contains("E0463") {
            format!("\nThe Rust target for policies is missing. Run: rustup target add {TARGET}\n")
        } else {
            String::new()
        };
        return Err(format!("cannot build the default policy\n{stderr}{hint}").into());
    }
    Ok(target_dir.join(TARGET).join("release/policy_guest.wasm"))
}

/// Gives the second cargo a clean environment: flags and wrappers meant for the host (coverage, sanitizers, clippy, a
/// target CPU) would break a WebAssembly build, and the component must be the same bytes whoever builds it.
fn isolate(cargo: &mut Command, workspace: &Path) -> Result<(), Box<dyn Error>> {
    const KEEP: [&str; 6] =
        ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_"];
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let of_cargo = name.starts_with("CARGO") && !KEEP.iter().any(|keep| name.starts_with(keep));
        if of_cargo || name.starts_with("RUSTC") || name.starts_with("RUSTFLAGS") {
            cargo.env_remove(name);
        }
    }

    // Panic messages hold source paths: without the remapping the digest would tell one checkout from another.
    let mut remap = vec![format!("--remap-path-prefix={}=/workspace", workspace.display())];
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    remap.extend(home.map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", remap.join("\u{1f}"))
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    Ok(())
}
