//! A promotion takes two steps: first challenger, then champion.

mod rules;

#[path = "../../common/mod.rs"]
mod common;

use bindings::exports::hydra::lifecycle::policy as contract;
use contract::{Context, Descriptor, Guest, ModelVersion, PolicyError, Verdict};

mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "policy-component",
        additional_derives: [Clone, PartialEq],
    });
}

struct Challenger;

impl Guest for Challenger {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "the first promotion makes a version challenger, the next one champion".to_owned(),
            settings: rules::settings(),
        }
    }

    fn decide_promotion(target: ModelVersion, context: Context) -> Result<Verdict, PolicyError> {
        rules::promotion(&target, &context)
    }

    fn decide_rollback(target: Option<ModelVersion>, context: Context) -> Result<Verdict, PolicyError> {
        Ok(common::roll_back(target.as_ref(), &context))
    }
}

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "exported functions have fixed names")]
mod export {
    use super::{Challenger, bindings};

    bindings::export!(Challenger with_types_in bindings);
}
