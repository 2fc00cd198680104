//! The code that needs LightGBM itself: training a baseline, and LightGBM's own scores. Only the program uses it, so that the
//! library links no C++.

mod data;
mod lightgbm;

pub use lightgbm::{engine, trained};
