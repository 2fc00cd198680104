//! Text that is accepted is written again, and what is written means the same.

#![no_main]

use hydra_registry_fuzz::model::text::{Limits, TextModel};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let Ok(model) = TextModel::parse(bytes, &limits) else { return };
    let text = model.emit();
    let again = TextModel::parse(text.as_bytes(), &limits).expect("emitted text is valid");
    assert_eq!(again.emit(), text);
    assert_eq!(again.num_trees(), model.num_trees());
    assert_eq!(again.feature_names(), model.feature_names());
});
