//! Generated guests: random valid modules with the exports of a policy, wrapped as components.
//!
//! A random module would not describe itself validly, so the host would never ask it for a decision. This crate
//! replaces `describe` by a valid function and leaves the rest unchanged.

use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Unstructured;
use hydra_base::ErrorKind;
use hydra_base::names::Version;
use hydra_policy::{Budget, Context, EngineOptions, Input, ModelVersion, Policy, PolicyEngine, RunData};
use wasm_encoder::{CodeSection, Function, Instruction, MemArg, RawSection};
use wasm_smith::{Config, Module};
use wasmparser::{ExternalKind, Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, decode, embed_component_metadata};

const DESCRIBE: &str = "hydra:lifecycle/policy@0.2.0#describe";

/// The exports that the canonical ABI requires of a policy's core module.
const EXPORTS: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32) unreachable)
    (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32) unreachable)
    (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32) unreachable))"#;

static ENGINE: LazyLock<PolicyEngine> =
    LazyLock::new(|| PolicyEngine::new(&EngineOptions::default()).expect("the engine starts"));

/// The result for a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The noise did not result in a module.
    NoGuest,
    /// The guest was rejected, or failed to describe itself.
    Refused,
    /// The guest was asked, and every answer was an error.
    Failed(ErrorKind),
    /// The guest returned a verdict.
    Decided,
}

/// Creates a guest from `noise` and asks it for a promotion and a rollback. Panics if the host fails with an error that
/// guests must not cause, or cannot decide afterwards.
pub fn try_guest(noise: &[u8]) -> Fate {
    let Some(bytes) = component(noise) else { return Fate::NoGuest };
    let budget =
        Budget::default().with_fuel(200_000).with_wall_clock(Duration::from_secs(5)).with_memory(16 << 20);
    let policy = match Policy::load(&ENGINE, &bytes, &budget) {
        Ok(policy) => policy,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Internal, "{error:?}");
            return Fate::Refused;
        }
    };
    let fates = inputs().map(|input| match policy.decide(&input) {
        Ok(_) => Fate::Decided,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Internal, "{error:?}");
            Fate::Failed(error.kind())
        }
    });
    let [promotion, rollback] = fates;
    if promotion == Fate::Decided { promotion } else { rollback }
}

/// Asks the default policy on the engine that has run all these guests.
pub fn assert_engine_is_sound() {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| {
        Policy::load_default(&ENGINE, &Budget::default()).expect("the default policy loads")
    });
    let [promotion, _] = inputs();
    let decision = POLICY.decide(&promotion).expect("the default policy decides");
    assert_eq!(decision.verdict.moves().len(), 2);
}

fn inputs() -> [Input; 2] {
    let version = |number| {
        let number = Version::new(number).expect("a positive number");
        let mut version = ModelVersion::new(number, 0);
        let metrics = [("auc".to_owned(), 0.9), ("nan".to_owned(), f64::NAN)];
        version.run = Some(RunData::default().with_metrics(metrics));
        version
    };
    let mut context = Context::new("churn", 1_700_000_000_000, "fuzz");
    context.champion = Some(version(2));
    [Input::promotion(version(3), context.clone()), Input::rollback(Some(version(1)), context)]
}

fn component(noise: &[u8]) -> Option<Vec<u8>> {
    static EXPORTS_WASM: LazyLock<Vec<u8>> =
        LazyLock::new(|| wat::parse_str(EXPORTS).expect("the text is valid"));
    let config = Config {
        exports: Some(EXPORTS_WASM.clone()),
        max_imports: 0,
        max_memory32_bytes: 64 << 20,
        max_tags: 0,
        // The engine would reject features that it does not have.
        compact_imports_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    };
    let module = Module::new(config, &mut Unstructured::new(noise)).ok()?;
    let mut module = with_proper_description(&module.to_bytes());
    let DecodedWasm::Component(resolve, world) = decode(Policy::default_bytes()).ok()? else { return None };
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).ok()?;
    ComponentEncoder::default().validate(true).module(&module).ok()?.encode().ok()
}

/// The module with another body for `describe`.
fn with_proper_description(bytes: &[u8]) -> Vec<u8> {
    let mut module = wasm_encoder::Module::new();
    let (mut code, mut describe) = (CodeSection::new(), None);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.expect("the generator makes valid modules");
        match &payload {
            Payload::ExportSection(exports) => {
                let mut exports = exports.clone().into_iter().flatten();
                describe =
                    exports.find(|export| export.kind == ExternalKind::Func && export.name == DESCRIBE);
            }
            // Without imports, the index of a function is that of its body.
            Payload::CodeSectionEntry(body) => {
                if describe.is_some_and(|export| export.index == code.len()) {
                    code.function(&description());
                } else {
                    code.raw(&bytes[body.range()]);
                }
                continue;
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            if id == wasm_encoder::SectionId::Code as u8 {
                continue;
            }
            if id > wasm_encoder::SectionId::Code as u8 || id == wasm_encoder::SectionId::Data as u8 {
                flush(&mut module, &mut code);
            }
            module.section(&RawSection { id, data: &bytes[range] });
        }
    }
    flush(&mut module, &mut code);
    module.finish()
}

/// Inserts the code section before the data section.
fn flush(module: &mut wasm_encoder::Module, code: &mut CodeSection) {
    if code.len() > 0 {
        module.section(&std::mem::take(code));
    }
}

/// Stores a descriptor at address 64 and returns the address: the name and version `fuzz`, no summary, no settings.
fn description() -> Function {
    let text = i32::from_le_bytes(*b"fuzz");
    let words = [(32, text), (64, 32), (68, 4), (72, 32), (76, 4), (80, 32), (84, 0), (88, 32), (92, 0)];
    let mut function = Function::new([]);
    for (address, word) in words {
        function
            .instruction(&Instruction::I32Const(address))
            .instruction(&Instruction::I32Const(word))
            .instruction(&Instruction::I32Store(MemArg { offset: 0, align: 2, memory_index: 0 }));
    }
    function.instruction(&Instruction::I32Const(64)).instruction(&Instruction::End);
    function
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn noise(seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..1024).flat_map(|_| next().to_le_bytes()).collect()
    }

    /// `HYDRA_GUESTS` sets the number of guests.
    #[test]
    fn generated_guests_end_with_errors_or_verdicts() {
        let count = std::env::var("HYDRA_GUESTS").map_or(1000, |count| count.parse().expect("a number"));
        let fates: Vec<_> = (0..count).map(|seed| try_guest(&noise(seed))).collect();
        assert_engine_is_sound();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for fate in &fates {
            *counts.entry(format!("{fate:?}")).or_default() += 1;
        }
        println!("{count} seeds: {counts:?}");
        let asked = fates.iter().filter(|fate| matches!(fate, Fate::Failed(_) | Fate::Decided)).count();
        assert!(asked > fates.len() / 4, "most guests were never asked: {counts:?}");
        // Some run too long, some trap, and some return a malformed answer.
        for kind in [ErrorKind::PolicyFuel, ErrorKind::PolicyTrap, ErrorKind::PolicyProtocol] {
            assert!(fates.contains(&Fate::Failed(kind)), "noise of few kinds: {counts:?}");
        }
    }
}
