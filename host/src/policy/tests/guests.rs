//! Loads the guests of `tests/guests`.

use std::path::PathBuf;

use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, decode, embed_component_metadata};

use super::*;

/// The component made of `tests/guests/<name>.wat`.
pub(super) fn component(name: &str) -> Vec<u8> {
    let text = read(name).replace("(; prelude ;)", &read("prelude"));
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    if wasmparser::Parser::is_component(&wasm) { wasm } else { wrap(wasm) }
}

/// The policy made of `tests/guests/<name>.wat`.
pub(super) fn load(name: &str, budget: &Budget) -> Result<Policy> {
    Policy::load(engine(), &component(name), budget)
}

/// Asks a guest to promote version 3 over version 2, with version 1 archived.
pub(super) fn promote(name: &str, budget: &Budget) -> Result<Decision> {
    load(name, budget)?.decide_promotion(&ModelVersion::new(3, 0), &super::context(Some(2), Some(1)))
}

/// Asks a guest to roll back from version 2 to version 1.
pub(super) fn rollback(name: &str, budget: &Budget) -> Result<Decision> {
    load(name, budget)?.decide_rollback(None, &super::context(Some(2), Some(1)))
}

/// Wraps a core module as a component of the policy's world, whose types are read off the default policy.
fn wrap(mut module: Vec<u8>) -> Vec<u8> {
    let Ok(DecodedWasm::Component(resolve, world)) = decode(Policy::default_bytes()) else {
        panic!("the default policy is not a component");
    };
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/guests/{name}.wat"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
