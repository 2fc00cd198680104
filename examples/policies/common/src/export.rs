//! The glue that makes a crate a policy.

/// Exports `settings` and `promotion` of a module of the crate under the contract's interface; rollbacks are always allowed.
/// Name, version and summary of the policy are those of the crate.
#[macro_export]
macro_rules! policy {
    ($rules:ident) => {
        /// The policy that this crate exports.
        pub struct Policy;

        impl $crate::contract::Guest for Policy {
            fn describe() -> $crate::contract::Descriptor {
                $crate::keep_panics();
                $crate::contract::Descriptor {
                    name: env!("CARGO_PKG_NAME").to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
                    settings: $rules::settings(),
                }
            }

            fn decide_promotion(
                target: $crate::contract::ModelVersion,
                context: $crate::contract::Context,
            ) -> Result<$crate::contract::Verdict, $crate::contract::PolicyError> {
                $crate::keep_panics();
                $rules::promotion(&target, &context)
            }

            fn decide_rollback(
                target: Option<$crate::contract::ModelVersion>,
                context: $crate::contract::Context,
            ) -> Result<$crate::contract::Verdict, $crate::contract::PolicyError> {
                $crate::keep_panics();
                Ok($crate::roll_back(target.as_ref(), &context))
            }
        }

        #[cfg(target_family = "wasm")]
        #[expect(unsafe_code, reason = "exported functions have fixed names")]
        mod glue {
            use super::Policy;

            $crate::bindings::export!(Policy with_types_in $crate::bindings);
        }
    };
}
