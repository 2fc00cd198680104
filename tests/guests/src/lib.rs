//! Compiles the guests in this directory to components, for the unit tests of the sandbox and for the integration tests.

#![expect(clippy::missing_panics_doc, reason = "a test that panics has failed")]

use std::path::PathBuf;

use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, decode, embed_component_metadata};

/// The component of a guest, given its text. The types of the contract are read from `policy`, the component of any policy.
#[must_use]
pub fn component_of(name: &str, text: &str, policy: &[u8]) -> Vec<u8> {
    let text = text.replace("(; prelude ;)", &read("prelude"));
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    if wasm.starts_with(b"\0asm\x01\0\0\0") { wrap(wasm, policy) } else { wasm }
}

/// The guest's source in WebAssembly text format.
#[must_use]
pub fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.wat"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Wraps a core module as a component of the policy's world.
fn wrap(mut module: Vec<u8>, policy: &[u8]) -> Vec<u8> {
    let Ok(DecodedWasm::Component(resolve, world)) = decode(policy) else {
        panic!("the policy is not a component");
    };
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("a component")
}
