//! The command line of hydra-registry.
fn main() {}
