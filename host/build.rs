//! Builds the default policy.
fn main() {}
