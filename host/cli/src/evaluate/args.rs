//! The arguments of `evaluate`.

use std::path::PathBuf;

use clap::Args;

use crate::delimiter::delimiter;
use crate::predict::FormatArg;
use crate::remote::row_files;
use crate::selector::SelectorArgs;
use hydra_base::names::DatasetName;
use hydra_base::text::listed;
use hydra_base::{Error, ErrorKind, Result};
use hydra_evaluation::{Columns, Metric, Request};
use hydra_mlflow::environment::Environment;
use hydra_tables::{FileFormat, RowFiles, is_dash};

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, mut_arg("label", |label| label.required(true)))]
pub struct EvaluateArgs {
    /// The labelled rows: CSV with a header, Parquet, Arrow IPC or JSON lines; directories of such files, patterns with `*`, addresses
    /// (s3://, gs://, abfss://, https://); `-` reads stdin
    #[arg(required = true)]
    pub rows: Vec<PathBuf>,

    /// The versions to measure [default: those behind `champion` and `candidate`]
    #[command(flatten)]
    pub versions: SelectorArgs,

    /// What to measure, and on which columns.
    #[command(flatten)]
    pub measure: MeasureArgs,

    /// Also write the evaluation to this file, as canonical JSON; `-` writes it to stdout in place of the report
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Do not record the evaluation: no run, and no tags on the versions
    #[arg(long)]
    pub no_record: bool,
}

/// What to measure, and on which columns. Without a label, nothing is measured.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// The column of the labels: classes of the model, numbers, or grades of relevance from 0 to 30
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,

    /// The column of the rows' weights
    #[arg(long, value_name = "COLUMN", requires = "label")]
    pub weight: Option<String>,

    /// The column of the groups of a ranking, or of rows that belong together, such as a customer's
    #[arg(long, value_name = "COLUMN", requires = "label")]
    pub group: Option<String>,

    /// A column of segments, such as a region, in each of which everything is measured separately
    #[arg(long = "segment", value_name = "COLUMN", requires = "label")]
    pub segments: Vec<String>,

    /// The metrics, such as auc,log_loss or ndcg@10 [default: by the objective]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "label")]
    pub metrics: Vec<Metric>,

    /// A probability above it predicts the second of two classes
    #[arg(
        long,
        value_name = "SCORE",
        default_value_t = 0.5,
        allow_negative_numbers = true,
        requires = "label"
    )]
    pub threshold: f64,

    /// The number of resamples of the bootstrap: at least 100, or 0 for none
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(..=100_000),
        requires = "label"
    )]
    pub resamples: u32,

    /// The least number of rows of a segment; smaller ones are measured together
    #[arg(long, value_name = "N", default_value_t = 100, requires = "label")]
    pub segment_rows: u64,

    /// Number the segments instead of naming them by their values
    #[arg(long, requires = "label")]
    pub anonymous_segments: bool,

    /// The name of the dataset [default: the name of the file or directory, without its extension, if that is ASCII]
    #[arg(long, value_name = "NAME", requires = "label")]
    pub name: Option<DatasetName>,

    /// The format of the rows [default: from the file extension; CSV for stdin]
    #[arg(
        long = "in-format",
        visible_alias = "format",
        value_enum,
        value_name = "FORMAT",
        requires = "label"
    )]
    pub in_format: Option<FormatArg>,

    /// What separates the columns of CSV: a character, or `tab` [default: found in the header]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter, requires = "label")]
    pub delimiter: Option<u8>,

    /// The columns that had pandas' category type in training; needed if neither the model nor the rows identify them
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', requires = "label")]
    pub categories: Vec<String>,

    /// The number of threads [default: the number of processors]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, requires = "label")]
    pub threads: usize,
}

const AFTER_HELP: &str = "\
The other versions are compared with the champion if it is one of them, else with the first. An interval holds the
true value with a confidence of 95 %; `better` and `worse` are shown only if the interval of the difference excludes 0.
docs/evaluation.md defines the metrics and the intervals. The same file gives the same figures.
If a registered version is measured, a run records the figures and the document, and the version gets a tag, which
decisions follow. Rows are never uploaded; the values of segments are, unless they are anonymous.

Examples:
  hydra-registry evaluate holdout.parquet --label churned
  hydra-registry evaluate holdout.csv --label churned --segment region --metrics auc,log_loss
  hydra-registry evaluate holdout.csv --label churned --alias champion --model-file new.lgb";

impl MeasureArgs {
    /// The files of rows.
    ///
    /// Fails like [`row_files`].
    pub fn files(&self, rows: &[PathBuf], environment: &Environment) -> Result<RowFiles> {
        let files = row_files(rows, self.in_format.map(FileFormat::from), environment)?;
        Ok(files.delimited_by(self.delimiter))
    }

    /// The request for an evaluation on `rows`.
    ///
    /// [`ErrorKind::InvalidArgument`] if they have no name as a dataset.
    pub fn request(&self, rows: &[PathBuf]) -> Result<Request> {
        let mut columns = Columns::new(self.label.as_deref().unwrap_or_default());
        columns.weight.clone_from(&self.weight);
        columns.group.clone_from(&self.group);
        columns.segments.clone_from(&self.segments);
        let mut request = Request::new(self.dataset_name(rows)?, columns);
        request.metrics = (!self.metrics.is_empty()).then(|| self.metrics.clone());
        request.threshold = self.threshold;
        request.resamples = self.resamples;
        request.segment_rows = self.segment_rows;
        request.anonymous_segments = self.anonymous_segments;
        request.threads = self.threads;
        Ok(request)
    }

    fn dataset_name(&self, rows: &[PathBuf]) -> Result<DatasetName> {
        let named = |rows: &[PathBuf]| match rows {
            [rows] if !is_dash(rows) => DatasetName::of_path(rows),
            _ => None,
        };
        let of_path = || named(rows);
        self.name.clone().or_else(of_path).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "the rows do not have a name that a dataset can have")
                .with_context("rows", shown(rows))
                .with_hint("name the dataset with --name")
        })
    }
}

/// The rows, for a message.
fn shown(rows: &[PathBuf]) -> String {
    listed(&rows.iter().map(|rows| rows.display().to_string()).collect::<Vec<_>>())
}
