//! Equality with LightGBM: with its recorded answers, and with the library itself on models and rows that no one recorded.

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
