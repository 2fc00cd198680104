//! Files that are refused before anything in them runs.

use std::io::Write;

use super::guests::{component, load};
use super::*;

#[track_caller]
fn refused(bytes: &[u8]) -> hydra_base::Error {
    let error = Policy::load(engine(), bytes, &Budget::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyIncompatible, "{error:?}");
    error
}

#[test]
fn imports_are_refused_by_name() {
    let error = load("imports_wasi", &Budget::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyIncompatible);
    assert_eq!(
        error.to_string(),
        "the component has imports, but a policy must have none (imports: wasi:clocks/monotonic-clock@0.2.6, host-log)"
    );
    assert!(error.hint().unwrap().contains("wasm32-unknown-unknown"));
}

#[test]
fn other_interface_versions_are_refused_with_what_was_found() {
    let error = refused(&component("other_version"));
    assert_eq!(
        error.to_string(),
        "the component exports an unsupported version of hydra:lifecycle/policy \
         (found: 0.3.0, expected: hydra:lifecycle/policy@0.2.0 or hydra:lifecycle/policy@0.1.0)"
    );
}

#[test]
fn a_component_without_the_interface_is_refused_with_what_it_exports() {
    let error = refused(&component("no_interface"));
    assert_eq!(
        error.to_string(),
        "the component does not export the policy interface \
         (expected: hydra:lifecycle/policy@0.2.0 or hydra:lifecycle/policy@0.1.0, exports: wasi:cli/run@0.2.0)"
    );
}

#[test]
fn an_interface_of_other_types_is_refused() {
    let error = refused(&component("wrong_types"));
    assert_eq!(error.message(), "the component is not a valid policy");
}

#[test]
fn a_core_module_is_refused_with_what_to_do() {
    let error = refused(&wat::parse_str("(module)").unwrap());
    assert_eq!(error.to_string(), "the file is a core module, not a component");
    assert!(error.hint().unwrap().contains("policy build"));
}

#[test]
fn a_truncated_component_is_refused_wherever_it_ends() {
    let bytes = Policy::default_bytes();
    for end in (0..bytes.len()).step_by(bytes.len() / 97) {
        refused(&bytes[..end]);
    }
    assert_engine_is_sound();
}

#[test]
fn random_bytes_are_refused() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..200 {
        let length = (random() % 2000) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| random() as u8).collect();
        refused(&bytes);
        // The same noise behind a proper header gets further.
        let mut header = b"\0asm\x0d\0\x01\0".to_vec();
        header.append(&mut bytes);
        refused(&header);
    }
    assert_engine_is_sound();
}

#[test]
fn a_damaged_component_never_harms_the_host() {
    let mut state = 1_u64;
    for _ in 0..60 {
        let mut bytes = Policy::default_bytes().to_vec();
        for _ in 0..3 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let at = (state >> 20) as usize % bytes.len();
            bytes[at] ^= 1 << (state >> 60 & 7);
        }
        let budget = Budget { fuel: 5_000_000, ..Budget::default() };
        if let Ok(policy) = Policy::load(engine(), &bytes, &budget) {
            let _ = policy.decide_promotion(&rich_version(3), &context(Some(2), Some(1)));
            let _ = policy.decide_rollback(None, &context(Some(2), Some(1)));
        }
    }
    assert_engine_is_sound();
}

#[test]
fn deeply_nested_components_are_refused() {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..200 {
        let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
        leb128(&mut outer, bytes.len());
        outer.append(&mut bytes);
        bytes = outer;
    }
    let error = refused(&bytes);
    assert!(error.message().contains("nested components"), "{error}");
}

#[test]
fn deeply_nested_types_are_refused_before_a_recursive_reader_sees_them() {
    let error = refused(&nested_types(200_000));
    assert!(error.message().contains("nested types"), "{error}");
}

#[test]
fn what_the_cap_on_nested_types_lets_through_does_not_overflow_a_small_stack() {
    let work = || drop(refused(&nested_types(498)));
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
}

/// A component type that declares a component type that declares a component type and so on.
fn nested_types(levels: usize) -> Vec<u8> {
    let mut section = vec![1];
    for _ in 0..levels {
        section.extend([0x41, 0x01, 0x01]);
    }
    section.extend([0x41, 0x00]);
    let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
    leb128(&mut bytes, section.len());
    bytes.append(&mut section);
    bytes
}

#[test]
fn many_modules_are_refused() {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..100 {
        bytes.extend(b"\x01\x08\0asm\x01\0\0\0");
    }
    let error = refused(&bytes);
    assert!(error.message().contains("modules and components"), "{error}");
}

#[test]
fn a_huge_function_is_refused_before_it_is_compiled() {
    let module = format!("(component (core module (func {})))", "nop ".repeat(2 << 20));
    let error = refused(&wat::parse_str(module).unwrap());
    assert!(error.message().contains("bytes in one function"), "{error}");
}

#[test]
fn a_missing_or_oversized_file_is_refused() {
    let error = Policy::load_file(engine(), std::path::Path::new("/nonexistent.wasm"), &Budget::default())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyNotFound);

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(Policy::default_bytes()).unwrap();
    let policy = Policy::load_file(engine(), file.path(), &Budget::default()).unwrap();
    assert_eq!(policy.sha256(), default_policy().sha256());
    let small = Budget { component_bytes: 1000, ..Budget::default() };
    let error = Policy::load_file(engine(), file.path(), &small).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicySize);
}

pub(super) fn leb128(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        bytes.push(if value == 0 { byte } else { byte | 0x80 });
        if value == 0 {
            return;
        }
    }
}
