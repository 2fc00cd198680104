//! A candidate must beat the champion on one metric by a margin, and not fall behind on others.

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

struct MetricGate;

impl Guest for MetricGate {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "the candidate must beat the champion on a metric by a margin, without falling behind on the guard metrics".to_owned(),
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
    use super::{MetricGate, bindings};

    bindings::export!(MetricGate with_types_in bindings);
}
