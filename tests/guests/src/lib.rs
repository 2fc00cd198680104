//! Compiles the guests in this directory to components, for the unit tests of the sandbox and for the integration tests.

#![expect(clippy::missing_panics_doc, reason = "a test that panics has failed")]

use std::path::PathBuf;

use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, decode, embed_component_metadata};

/// The component of a guest, given its text. The contract, in its version and with its types, is that of `policy`, the
/// component of any policy.
#[must_use]
pub fn component_of(name: &str, text: &str, policy: &[u8]) -> Vec<u8> {
    let Ok(DecodedWasm::Component(resolve, world)) = decode(policy) else {
        panic!("the policy is not a component");
    };
    let contract = resolve.packages.iter().find(|(_, package)| package.name.namespace == "hydra");
    let version = contract.and_then(|(_, package)| package.name.version.clone()).expect("a version");
    let text = text
        .replace("(; prelude ;)", &read("prelude"))
        .replace("policy@0.2.0#", &format!("policy@{version}#"));
    let mut wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    if !wasm.starts_with(b"\0asm\x01\0\0\0") {
        return wasm;
    }
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default()
        .validate(true)
        .module(&wasm)
        .and_then(|mut encoder| encoder.encode())
        .expect("a component")
}

/// The component of a policy of version 0.1 of the contract: `default` or `metric-gate` in `tests/fixtures/policies/v0.1`.
#[must_use]
pub fn policy_of_0_1(name: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/policies/v0.1");
    let path = fixtures.join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The guest's source in WebAssembly text format.
#[must_use]
pub fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.wat"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
