//! Equality with LightGBM: with its recorded answers, and with the library itself on models and rows that no one recorded.

mod mutations;
mod parity;
mod random;
mod scores;
