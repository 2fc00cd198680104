//! Builds the default policy: `policy-guest` compiled to a core module, wrapped as a component, for the library to
//! embed. The source distribution of the Python package contains the component, because people who install it do not have
//! the Rust target of policies.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let workspace = manifest_dir.ancestors().nth(2).ok_or("the crate does not lie in the repository")?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let embedded = out_dir.join("default_policy.wasm");
    let prebuilt = workspace.join("prebuilt/default_policy.wasm");
    if prebuilt.exists() {
        println!("cargo::rerun-if-changed={}", prebuilt.display());
        fs::copy(prebuilt, embedded)?;
        return Ok(());
    }
    for input in ["policy-guest", "wit", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }

    // `<target>/<profile>/build/<package>/out`: one directory for the guests of every profile, outside those that the
    // cargo which runs this has locked.
    let target_dir =
        out_dir.ancestors().nth(4).ok_or("OUT_DIR is not inside a target directory")?.join("guests");
    let cargo = env::var_os("CARGO").ok_or("cargo does not name itself")?;
    let module =
        hydra_guest_cargo::build_module(&cargo, workspace, "policy-guest", &target_dir, &["--locked"])
            .map_err(|error| format!("cannot build the default policy\n{error}"))?;
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&fs::read(module)?)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| format!("cannot wrap the default policy as a component: {error:#}"))?;
    fs::write(embedded, component)?;
    Ok(())
}
