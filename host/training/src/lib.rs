//! Trains a baseline with LightGBM itself, and scores with LightGBM as the reference for `hydra-lightgbm`.
//!
//! ```
//! use hydra_lightgbm::{Matrix, Model};
//! use hydra_training::{BaselineModel, Booster, TrainingParameters};
//!
//! # fn main() -> hydra_base::Result<()> {
//! let rows: Vec<[f64; 2]> = (0..200).map(|i| [f64::from(i), f64::from(i % 7)]).collect();
//! let labels: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i > 120))).collect();
//! let parameters = TrainingParameters::new().n_estimators(20);
//! let model = BaselineModel::train_with(&parameters, &rows, &labels, &["height", "weekday"])?;
//!
//! // LightGBM's probability for a row that was not in the training data.
//! let row = [150.5, 3.0];
//! let booster = Booster::load(model.text_model())?;
//! assert!(booster.output(&row)?[0] > 0.5);
//!
//! // `hydra-lightgbm` computes the same scores without LightGBM.
//! let model = Model::from_bytes(model.text().as_bytes(), &Default::default())?;
//! assert_eq!(model.raw_scores(&Matrix::from_rows(&row, 2)?)?, booster.raw_scores(&row)?);
//! # Ok(())
//! # }
//! ```
//!
//! This is the only crate that builds C++: it needs CMake and libclang.

pub mod baseline;
pub mod booster;

pub use baseline::{BaselineModel, TrainingParameters};
pub use booster::Booster;
