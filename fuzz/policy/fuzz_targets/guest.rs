//! Loads any bytes as a guest. The host returns an error or a verdict, and stays usable.

#![no_main]

use hydra_registry_fuzz_policy::{assert_engine_is_sound, try_guest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|noise: &[u8]| {
    try_guest(noise);
    assert_engine_is_sound();
});
