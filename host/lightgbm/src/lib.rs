//! LightGBM models: reads untrusted files, validates them, and computes LightGBM's scores to the bit, in safe Rust.
//!
//! [`Model`] is a model ready to predict, from any supported file. [`text`], [`pickle`] and [`skops`] read files;
//! [`scorer`] evaluates the trees. The crate does not use Python, C++ or LightGBM.
//!
//! ```
//! use hydra_lightgbm::{Matrix, Model, Prediction};
//!
//! # fn main() -> hydra_lightgbm::Result<()> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/binary_int/skops/model.skops");
//! // A file that `mlflow.lightgbm.log_model` wrote for a scikit-learn style classifier.
//! let model = Model::open(path)?;
//!
//! // Two rows of five features; a missing value is NaN.
//! let rows = [0.5, -1.0, f64::NAN, 2.0, 0.0, 1.5, 0.0, 3.0, -0.25, 1.0];
//! let rows = Matrix::from_rows(&rows, model.feature_names().len())?;
//!
//! // As in Python, a classifier predicts labels. Scores and probabilities have their own methods.
//! let Prediction::Labels(labels) = model.predict(&rows)? else { panic!("not a classifier") };
//! assert_eq!(labels.len(), 2);
//! let probabilities = model.probabilities(&rows)?;
//! assert_eq!(probabilities.len(), 2 * model.num_classes()?);
//! # Ok(())
//! # }
//! ```
//!
//! Features: `arrow` adds the module `arrow` with predictions on record batches. [`Table`](loaded::Table) has rows with
//! named columns.

#[cfg(feature = "arrow")]
pub mod arrow;
pub mod decimal;
mod error;
pub mod extracted;
mod foreign;
pub mod labels;
pub mod loaded;
pub mod matrix;
mod numpy;
pub mod objective;
pub mod pickle;
pub mod scorer;
pub mod skops;
pub mod text;

#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod testing;

pub use extracted::Estimator;
pub use hydra_base::{Error, ErrorKind, Result};
pub use labels::{ClassLabel, ClassLabels};
pub use loaded::{Engine, Model, ModelFormat, ModelLimits, OutputKind, Prediction};
pub use matrix::{Layout, Matrix};
pub use objective::Objective;
pub use scorer::Scorer;
pub use text::{Limits, TextModel};
