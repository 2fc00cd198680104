//! The default lifecycle policy of hydra-registry, as a WebAssembly component.
//!
//! The rules are in [`rules`]: pure functions, tested natively. This file exports them under the interface
//! `hydra:lifecycle/policy`; it is also the shortest example of a policy.

mod changes;
#[cfg(test)]
mod evidence;
pub mod rules;

#[cfg(target_family = "wasm")]
use policy_guest_heap as _;

pub use bindings::exports::hydra::lifecycle::policy as contract;

mod bindings {
    #![expect(missing_docs, reason = "generated from the WIT")]

    wit_bindgen::generate!({
        path: "../wit",
        world: "policy-component",
        additional_derives: [Clone, PartialEq],
    });
}

struct DefaultPolicy;

impl contract::Guest for DefaultPolicy {
    fn describe() -> contract::Descriptor {
        contract::Descriptor {
            name: "default".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "approves every promotion and archives the former champion; a rollback swaps the two"
                .to_owned(),
            settings: rules::settings(),
        }
    }

    fn decide_promotion(
        target: contract::ModelVersion,
        context: contract::Context,
    ) -> Result<contract::Verdict, contract::PolicyError> {
        rules::promotion(&target, &context)
    }

    fn decide_rollback(
        target: Option<contract::ModelVersion>,
        context: contract::Context,
    ) -> Result<contract::Verdict, contract::PolicyError> {
        rules::rollback(target.as_ref(), &context)
    }
}

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "exported functions have fixed names")]
mod export {
    use super::{DefaultPolicy, bindings};

    bindings::export!(DefaultPolicy with_types_in bindings);
}
