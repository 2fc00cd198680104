//! The arguments of `predict`.

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::rows::RowsArgs;
use crate::delimiter::delimiter;
use crate::remote::row_files;
use crate::selector::ModelArgs;
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::arrow::OutputType;
use hydra_mlflow::environment::Environment;
use hydra_tables::{FileFormat, RowFiles, is_dash};

/// Arguments of `predict`.
///
/// The output has the rows of the input in the same order: the columns to keep, then `prediction`, or one
/// column `probability_LABEL`, `prediction_N`, `leaf_N` or `contribution_FEATURE` for each class, output, tree or feature. The columns
/// of predictions name the version and the meaning of the values (`probability`, `label`, `value`, `scores`,
/// `leaf`, `contribution`): in their metadata in Parquet and Arrow, on stderr with CSV and JSON lines.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP, override_usage = "hydra-registry predict [OPTIONS] <INPUT>...")]
pub struct PredictArgs {
    /// The rows to score, and the columns to keep.
    #[command(flatten)]
    pub rows: RowsArgs,

    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// The output file, or its address in an object store (s3://, gs://, abfss://), which appears only when it is complete [default:
    /// stdout]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Also write what was read to this file, as JSON: rows, missing values and unknown categories of each column, ignored columns,
    /// the version and the speed
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// The format of the input [default: from the file extension; CSV for stdin]
    #[arg(long = "in-format", visible_alias = "format", value_enum, value_name = "FORMAT")]
    pub in_format: Option<FormatArg>,

    /// What separates the columns of CSV: a character, or `tab` [default: found in the header]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub delimiter: Option<u8>,

    /// The format of the output [default: from the extension of --out, else the format of the input]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub out_format: Option<FormatArg>,

    /// What to predict [default: as Python's predict: labels for a classifier, else the objective's output]
    #[arg(long, value_enum, value_name = "TYPE")]
    pub output_type: Option<OutputTypeArg>,

    /// Writes only the K features with the largest contributions of each row, the largest first, and their contributions; with
    /// `--output-type contrib`
    #[arg(long, value_name = "K")]
    pub top: Option<NonZero<usize>>,
    /// Write the version of the model in each row as well, in a column `model_version` before the predictions
    #[arg(long)]
    pub with_version: bool,

    /// The columns that had pandas' category type in training; needed if neither the model nor the input identifies them
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub categories: Vec<String>,

    /// The engine that computes the predictions
    #[arg(long, value_enum, value_name = "ENGINE", default_value_t)]
    pub engine: EngineArg,

    /// The number of scoring threads, in addition to one that reads [default: the number of processors]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub threads: usize,

    /// The number of rows to score at a time [default: as many as fit in about 32 MB, at most 32768]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_rows: Option<u32>,
}

const AFTER_HELP: &str = "\
Columns are matched by name, in any order; other columns are ignored.
Empty cells, NA, NaN and null are missing values. Memory use does not grow with the input.
Input that is compressed with gzip, zstd or bzip2 is decompressed.
Several inputs are read one after the other, the files of directories and patterns in the order of their names; those that start with
`.` or `_` do not count. The value in the name of a directory (region=north/part-0.parquet) is a column of its files.
Columns of predictions name the model, its version and the meaning of their values (probability, label, value,
scores, leaf) in their metadata in Parquet and Arrow; with CSV and JSON lines, a line on stderr does.
`--out -` writes to stdout; Arrow data is a stream on stdout and a file otherwise.

Examples:
  hydra-registry predict clients.csv --keep client_id --output-type proba --out scores.parquet
  hydra-registry predict --keep client_id,region clients.csv
  hydra-registry predict clients.csv --alias candidate --output-type contrib --top 3 --out reasons.csv
  hydra-registry predict clients.jsonl.gz > predictions.jsonl
  hydra-registry predict 'daily/2026-11-*.parquet' --out november.parquet
  hydra-registry predict s3://bucket/clients/ --out s3://bucket/scores.parquet";

/// The formats of files of rows, as arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Comma-separated values with a header (.csv)
    Csv,
    /// Apache Parquet (.parquet, .pq)
    Parquet,
    /// Apache Arrow IPC, as a file (.arrow, .feather, .ipc) or a stream (.arrows)
    Arrow,
    /// One JSON object per line (.jsonl, .ndjson)
    Jsonl,
}

impl From<FormatArg> for FileFormat {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Csv => Self::Csv,
            FormatArg::Parquet => Self::Parquet,
            FormatArg::Arrow => Self::Arrow,
            FormatArg::Jsonl => Self::Jsonl,
        }
    }
}

/// What to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputTypeArg {
    /// The sum of the trees, before the objective's transformation
    Raw,
    /// The objective's output: probabilities, counts, values
    Output,
    /// The probability of every class
    Proba,
    /// The label of the most probable class
    Label,
    /// The index of the leaf reached in every tree
    Leaf,
    /// The contribution of every feature to the raw score (SHAP values, as LightGBM's pred_contrib), and the expected value
    Contrib,
}

/// What computes predictions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// The built-in scorer: the same numbers as LightGBM, but faster
    #[default]
    Native,
    /// LightGBM itself, on one thread
    Lightgbm,
}

impl PredictArgs {
    /// What to predict.
    pub fn output(&self) -> Result<OutputType> {
        if self.top.is_some() && self.output_type != Some(OutputTypeArg::Contrib) {
            return Err(Error::new(ErrorKind::InvalidArgument, "--top is only for contributions")
                .with_hint("add --output-type contrib"));
        }
        Ok(match self.output_type {
            None => OutputType::Predict,
            Some(OutputTypeArg::Raw) => OutputType::Raw,
            Some(OutputTypeArg::Output) => OutputType::Output,
            Some(OutputTypeArg::Proba) => OutputType::Probabilities,
            Some(OutputTypeArg::Label) => OutputType::Labels,
            Some(OutputTypeArg::Leaf) => OutputType::Leaves,
            Some(OutputTypeArg::Contrib) => {
                self.top.map_or(OutputType::Contributions, OutputType::TopContributions)
            }
        })
    }

    /// The files of rows.
    ///
    /// Fails like [`row_files`].
    pub fn files(&self, environment: &Environment) -> Result<RowFiles> {
        let files = row_files(&self.rows.inputs, self.in_format.map(FileFormat::from), environment)?;
        Ok(files.delimited_by(self.delimiter))
    }

    /// The format of the output; by default that of the `input`.
    pub fn output_format(&self, input: FileFormat) -> Result<FileFormat> {
        match (
            self.out_format.map(FileFormat::from).or_else(|| FileFormat::of(self.out_file()?)),
            self.out_file(),
        ) {
            (Some(format), _) => Ok(format),
            // The content of a compressed or tab-separated file would contradict its name.
            (None, Some(path)) if path.extension().is_some() => Err(Error::new(
                ErrorKind::InvalidArgument,
                "cannot determine the output's format from its extension",
            )
            .with_context("file", path.display())
            .with_hint("set --out-format to csv, parquet, arrow or jsonl")),
            _ => Ok(input),
        }
    }

    /// The file to write, if it is not stdout.
    #[must_use]
    pub fn out_file(&self) -> Option<&Path> {
        self.out.as_deref().filter(|path| !is_dash(path))
    }
}
