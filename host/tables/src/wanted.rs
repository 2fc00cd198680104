//! The wanted columns of a file: the model's features and the columns to keep.

use std::collections::HashSet;

use hydra_base::text::listed;
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::{ColumnNames, FeatureKind, are_placeholders};

/// The columns and rows that a reader returns.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The model's features, in its order.
    pub features: Vec<String>,
    /// The kind of each feature's values, for formats without types.
    pub kinds: Vec<FeatureKind>,
    /// The columns that the output repeats before the predictions, each once.
    pub keep: Vec<String>,
    /// The number of rows in a batch.
    pub batch_rows: usize,
    /// Whether every column of the file is a feature; then [`Wanted::see_columns`] sets the features.
    every_column: bool,
    /// Whether batches contain the line numbers of their rows.
    pub lines: bool,
}

/// The positions of the wanted columns in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The column of each feature.
    pub features: Vec<usize>,
    /// The column of each kept one.
    pub kept: Vec<usize>,
    /// The names of the columns that are neither.
    pub ignored: Vec<String>,
}

impl Wanted {
    /// These features and the columns to keep.
    pub fn new(features: &[String], keep: &[String], batch_rows: usize) -> Self {
        let mut seen = HashSet::new();
        let keep = keep.iter().filter(|name| seen.insert(*name)).cloned().collect();
        let features = features.to_vec();
        Self {
            kinds: vec![FeatureKind::Numeric; features.len()],
            features,
            keep,
            batch_rows,
            every_column: false,
            lines: false,
        }
    }

    /// Every column of a file, as numbers, and the line of each row.
    pub fn every_column(batch_rows: usize) -> Self {
        Self {
            features: Vec::new(),
            kinds: Vec::new(),
            keep: Vec::new(),
            batch_rows,
            every_column: true,
            lines: true,
        }
    }

    /// Makes the file's columns the features, if every column is wanted.
    pub fn see_columns<S: AsRef<str>>(&mut self, columns: &[S]) {
        if self.every_column {
            self.features = columns.iter().map(|name| name.as_ref().to_owned()).collect();
            self.kinds = vec![FeatureKind::Numeric; columns.len()];
        }
    }

    /// Finds the wanted columns among those of a file.
    ///
    /// LightGBM writes spaces in names as underscores, so both spellings match. The columns that are not kept are taken by position
    /// if neither they nor the features have names ([`ColumnNames::match_features`]). [`ErrorKind::MissingColumns`] if columns to
    /// keep are missing, [`ErrorKind::InvalidData`] if features are missing or a wanted name appears twice.
    pub fn select<S: AsRef<str>>(&self, columns: &[S]) -> Result<Selection> {
        let names = ColumnNames::new(columns);
        let kept = self.keep.iter().map(|name| names.find(name)).collect::<Result<Vec<_>>>()?;
        let missing = || self.keep.iter().zip(&kept).filter(|(_, column)| column.is_none());
        if missing().next().is_some() {
            let missing: Vec<&String> = missing().map(|(name, _)| name).collect();
            return Err(Error::new(ErrorKind::MissingColumns, "columns to keep are missing from the input")
                .with_context("missing", listed(&missing)));
        }
        let kept: Vec<usize> = kept.into_iter().flatten().collect();
        let found = names.match_features(&self.features, &kept)?;
        let ignored = found.others.into_iter().map(|column| columns[column].as_ref().to_owned()).collect();
        Ok(Selection { features: found.features, kept, ignored })
    }

    /// Whether the model was trained without names.
    pub fn has_placeholder_names(&self) -> bool {
        are_placeholders(&self.features)
    }
}
