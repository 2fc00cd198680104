//! The code that needs LightGBM itself, and therefore the feature `training`: training a baseline, and LightGBM's own
//! scores.

#[cfg(not(feature = "training"))]
mod absent;
#[cfg(feature = "training")]
mod data;
#[cfg(feature = "training")]
mod lightgbm;

#[cfg(not(feature = "training"))]
pub use absent::{engine, trained};
#[cfg(feature = "training")]
pub use lightgbm::{engine, trained};
