//! Equality with LightGBM: with its recorded predictions, and with the library itself on random models and rows.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a child process reports on stdout"
)]

mod contributions;
mod generator;
mod mutations;
mod parity;
mod random;
mod scores;
