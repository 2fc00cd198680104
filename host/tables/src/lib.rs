//! Tables in and out: CSV, Parquet, Arrow IPC and JSON lines, read and written in bounded memory.

mod format;
mod guard;
mod input;
mod output;
mod wanted;

pub use format::{FileFormat, is_dash};
pub use guard::guarded;
pub use input::{Batch, BatchReader, Input};
pub use output::Output;
pub use wanted::Wanted;

/// Most rows that a batch has unless the caller says otherwise.
pub const BATCH_ROWS: usize = 1 << 15;
