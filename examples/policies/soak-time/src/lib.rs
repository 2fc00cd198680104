//! A candidate must have existed for some time before it may become champion.

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

struct SoakTime;

impl Guest for SoakTime {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "a version may become champion only some time after it was registered; until then the policy holds".to_owned(),
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
    use super::{SoakTime, bindings};

    bindings::export!(SoakTime with_types_in bindings);
}
