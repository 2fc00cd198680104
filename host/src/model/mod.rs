//! What a model is: reading LightGBM models from untrusted bytes, training a baseline, and scoring.

pub mod matrix;
pub mod objective;
pub mod scorer;
pub mod text;
