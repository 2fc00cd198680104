//! What a model is: reading LightGBM models from untrusted bytes, training a baseline, and scoring.

pub mod arrow;
pub mod baseline;
pub mod booster;
pub mod extracted;
pub mod labels;
pub mod loaded;
pub mod matrix;
mod numpy;
pub mod objective;
pub mod pickle;
pub mod scorer;
pub mod skops;
pub mod text;

pub use baseline::BaselineModel;
pub use loaded::Model;
pub use text::Limits;
