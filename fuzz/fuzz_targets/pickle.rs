//! Reads or rejects a pickle; the text reader receives the resulting text.

#![no_main]

use hydra_lightgbm::extracted::ExtractLimits;
use hydra_lightgbm::pickle::read_pickle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = read_pickle(bytes, &ExtractLimits::default()) {
        assert!(model.classes.is_none_or(|classes| classes.len() <= ExtractLimits::default().classes));
    }
});
