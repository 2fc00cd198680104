//! Exports `rules` under the contract's interface, which makes the crate a policy. The file is the same for every
//! example, because name, version and summary come from the crate's manifest.

use super::roll_back;
use crate::rules;
use bindings::exports::hydra::lifecycle::policy::{
    Context, Descriptor, Guest, ModelVersion, PolicyError, Verdict,
};

pub mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "policy-component",
        additional_derives: [Clone, PartialEq],
    });
}

struct Policy;

impl Guest for Policy {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
            settings: rules::settings(),
        }
    }

    fn decide_promotion(target: ModelVersion, context: Context) -> Result<Verdict, PolicyError> {
        rules::promotion(&target, &context)
    }

    fn decide_rollback(target: Option<ModelVersion>, context: Context) -> Result<Verdict, PolicyError> {
        Ok(roll_back(target.as_ref(), &context))
    }
}

/// The default policy's heap, with which a decision needs no system call of the host.
#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "an allocator is unsafe by its nature")]
#[path = "../../../policy-guest/src/heap.rs"]
mod heap;

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "exported functions have fixed names")]
mod glue {
    use super::{Policy, bindings};

    bindings::export!(Policy with_types_in bindings);
}
