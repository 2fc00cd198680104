//! What needs LightGBM itself, and with it the crate's feature `training`: training a baseline, and LightGBM's own scores.

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
