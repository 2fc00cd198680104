//! Compiles a Rust guest. The build script of the default policy uses it, so it depends on the standard library only.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Rust target of policies. Unlike the WASI targets it imports nothing.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The stack of a guest in bytes. The linker's default is 1 MiB, but the host clears the initial memory of each instance. This
/// stack holds only values whose address is taken; the host keeps the call stack, and bounds it.
const STACK: u32 = 64 << 10;

/// Compiles `package` of the project at `root` into a core module and returns its path. The error is a text for users.
///
/// `target_dir` must not be one that a running cargo has locked.
pub fn build_module(
    cargo: &OsStr,
    root: &Path,
    package: &str,
    target_dir: &Path,
    flags: &[&str],
) -> Result<PathBuf, String> {
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--quiet", "--lib", "--package", package, "--target", TARGET])
        .args(flags)
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir);
    isolate(&mut command, root);

    let output = command.output().map_err(|error| {
        format!(
            "cannot run {}: {error}\ninstall cargo from https://rustup.rs to build a Rust policy",
            cargo.display()
        )
    })?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        // E0463: the target's standard library is not installed.
        let hint = if stderr.contains("E0463") {
            format!("\nthe Rust target for policies is missing; run `rustup target add {TARGET}`")
        } else {
            String::new()
        };
        return Err(format!("{}{hint}", stderr.trim_end()));
    }
    Ok(target_dir.join(TARGET).join("release").join(package.replace('-', "_")).with_extension("wasm"))
}

/// Gives cargo a clean environment: flags and wrappers meant for the host (coverage, sanitizers, clippy, a target CPU)
/// would break a WebAssembly build, and the component must have the same bytes on every machine.
fn isolate(command: &mut Command, root: &Path) {
    const KEEP: [&str; 6] =
        ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_"];
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let of_cargo = name.starts_with("CARGO") && !KEEP.iter().any(|keep| name.starts_with(keep));
        if of_cargo || name.starts_with("RUSTC") || name.starts_with("RUSTFLAGS") {
            command.env_remove(name);
        }
    }

    // Panic messages hold source paths: without the remapping the digest would depend on the directory of the checkout.
    let mut flags = vec![
        format!("-Clink-arg=-zstack-size={STACK}"),
        format!("--remap-path-prefix={}=/workspace", root.display()),
    ];
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
    command
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
}
