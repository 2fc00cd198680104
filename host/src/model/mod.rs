//! What a model is: reading LightGBM models from untrusted bytes, training a baseline, and scoring.

pub mod baseline;
pub mod booster;
