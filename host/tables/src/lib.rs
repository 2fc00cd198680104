//! Tables in and out, for LightGBM models: CSV, Parquet, Arrow IPC and JSON lines, in bounded memory.
//!
//! [`Scoring`] reads rows, predicts for each and writes predictions, batch by batch. [`NumberTable`] reads the same
//! files for training. Both use the same readers, so a cell is the same number in training and in prediction.
//!
//! ```
//! use hydra_lightgbm::loaded::Model;
//! use hydra_lightgbm::text::{Limits, TextModel};
//! use hydra_tables::{FileFormat, Output, Scoring, Source};
//!
//! # fn main() -> hydra_base::Result<()> {
//! let text = include_bytes!("../../../tests/fixtures/models/regression/booster/model.lgb");
//! let model = Model::from_text_model(TextModel::parse(text, &Limits::default())?)?;
//! let rows = "id,f0,f1,f2,f3,f4\na7,0.5,1,-1,0,2\na8,,NA,true,0,2\n";
//!
//! let mut predictions = Vec::new();
//! let scored = Scoring::new(model).keep(["id"]).run(
//!     Source::from_reader("rows", rows.as_bytes()),
//!     FileFormat::Csv,
//!     Output::to_writer(&mut predictions, FileFormat::Csv),
//! )?;
//! assert_eq!(scored, 2);
//! assert!(predictions.starts_with(b"id,prediction\na7,"));
//! # Ok(())
//! # }
//! ```

mod encoded;
mod features;
mod files;
mod format;
mod guard;
mod input;
mod numbers;
mod output;
mod rows;
mod scoring;
mod wanted;

pub use bytes::Bytes;
pub use encoded::EncodedRows;
pub use files::{FoundFile, RowFiles};
pub use format::{FileFormat, is_dash};
pub use guard::guarded;
pub use input::{RemoteFile, Source, number};
pub use numbers::NumberTable;
pub use output::{NewFile, Output, Upload, remove_partial_files};
pub use rows::{RowBatch, RowReader};
pub use scoring::{Scoring, ScoringRun, ScoringSummary};

/// The largest number of rows in a batch, unless [`Scoring::batch_rows`] sets another.
pub const BATCH_ROWS: usize = 1 << 15;
