//! The arguments of `evaluate`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::predict::{FormatArg, input_format};
use crate::selector::SelectorArgs;
use hydra_base::{Error, ErrorKind, Result};
use hydra_evaluation::{Columns, Metric, Request};
use hydra_tables::{FileFormat, is_dash};

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct EvaluateArgs {
    /// The labelled rows: CSV with a header, Parquet, Arrow IPC or JSON lines; `-` reads stdin
    pub rows: PathBuf,

    /// The column of the labels: classes of the model, numbers, or grades of relevance from 0 to 30
    #[arg(long, value_name = "COLUMN")]
    pub label: String,

    /// The versions to measure [default: those behind `champion` and `candidate`]
    #[command(flatten)]
    pub versions: SelectorArgs,

    /// The column of the rows' weights
    #[arg(long, value_name = "COLUMN")]
    pub weight: Option<String>,

    /// The column of the groups of a ranking, or of rows that belong together, such as a customer's
    #[arg(long, value_name = "COLUMN")]
    pub group: Option<String>,

    /// A column of segments, such as a region, in each of which everything is measured separately
    #[arg(long = "segment", value_name = "COLUMN")]
    pub segments: Vec<String>,

    /// The metrics, such as auc,log_loss or ndcg@10 [default: by the objective]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub metrics: Vec<Metric>,

    /// A probability above it predicts the second of two classes
    #[arg(long, value_name = "SCORE", default_value_t = 0.5, allow_negative_numbers = true)]
    pub threshold: f64,

    /// The number of resamples of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub resamples: u32,

    /// The least number of rows of a segment; smaller ones are measured together
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub segment_rows: u64,

    /// Number the segments instead of naming them by their values
    #[arg(long)]
    pub anonymous_segments: bool,

    /// The name of the dataset [default: the name of the file]
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,

    /// Also write the evaluation to this file, as canonical JSON
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// The format of the rows [default: from the file extension; CSV for stdin]
    #[arg(long = "in-format", visible_alias = "format", value_enum, value_name = "FORMAT")]
    pub in_format: Option<FormatArg>,

    /// The columns that had pandas' category type in training; needed if neither the model nor the rows identify them
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub categories: Vec<String>,

    /// The number of threads [default: the number of processors]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub threads: usize,
}

const AFTER_HELP: &str = "\
The other versions are compared with the champion if it is one of them, else with the first. An interval holds the
true value with a confidence of 95 %; `better` and `worse` are shown only if the interval of the difference excludes 0.
docs/evaluation.md defines the metrics and the intervals. The same file gives the same figures.

Examples:
  hydra-registry evaluate holdout.parquet --label churned
  hydra-registry evaluate holdout.csv --label churned --segment region --metrics auc,log_loss
  hydra-registry evaluate holdout.csv --label churned --alias champion --model-file new.lgb";

impl EvaluateArgs {
    /// The format of the rows.
    pub fn format(&self) -> Result<FileFormat> {
        input_format(&self.rows, self.in_format)
    }

    /// The request for an evaluation.
    ///
    /// [`ErrorKind::InvalidArgument`] if stdin has no name as a dataset.
    pub fn request(&self) -> Result<Request> {
        let mut columns = Columns::new(&self.label);
        columns.weight.clone_from(&self.weight);
        columns.group.clone_from(&self.group);
        columns.segments.clone_from(&self.segments);
        let mut request = Request::new(self.dataset_name()?, columns);
        request.metrics = (!self.metrics.is_empty()).then(|| self.metrics.clone());
        request.threshold = self.threshold;
        request.resamples = self.resamples;
        request.segment_rows = self.segment_rows;
        request.anonymous_segments = self.anonymous_segments;
        request.threads = self.threads;
        Ok(request)
    }

    fn dataset_name(&self) -> Result<String> {
        let of_file = || {
            let name = Path::file_name(&self.rows).filter(|_| !is_dash(&self.rows));
            name.map(|name| name.to_string_lossy().into_owned())
        };
        self.dataset.clone().filter(|name| !name.is_empty()).or_else(of_file).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "the rows on stdin have no name")
                .with_hint("name the dataset with --dataset")
        })
    }
}
