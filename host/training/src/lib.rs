//! Training a baseline with LightGBM itself, and LightGBM as the oracle of our scores.
//!
//! This is the only crate that builds C++: it needs CMake and libclang.

pub mod baseline;
pub mod booster;

pub use baseline::{BaselineModel, TrainingParameters};
pub use booster::Booster;
