//! Which columns of a file are wanted: the model's features and those to keep.

use std::collections::{HashMap, HashSet};

use hydra_base::text::{QUOTED_CHARS, excerpt, listed};
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::{FeatureKind, Model};

/// What a reader has to bring.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The model's features, in its order.
    pub features: Vec<String>,
    /// What each feature's column holds, where the format has no types of its own.
    pub kinds: Vec<FeatureKind>,
    /// The columns to repeat before the predictions, each once.
    pub keep: Vec<String>,
    /// How many rows a batch has.
    pub batch_rows: usize,
    /// Whether every column of the file is a feature: [`Wanted::see_columns`] fills in which.
    every_column: bool,
    /// Whether batches say on which lines their rows are.
    pub lines: bool,
}

/// Where the wanted columns are in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The column of each feature.
    pub features: Vec<usize>,
    /// The column of each kept one.
    pub kept: Vec<usize>,
    /// The names of those that are neither.
    pub ignored: Vec<String>,
}

impl Wanted {
    /// What `model` needs of a file.
    pub fn new(model: &Model, keep: &[String], batch_rows: usize) -> Self {
        let mut seen = HashSet::new();
        let keep = keep.iter().filter(|name| seen.insert(*name)).cloned().collect();
        let features = model.feature_names().to_vec();
        Self {
            kinds: vec![FeatureKind::Numeric; features.len()],
            features,
            keep,
            batch_rows,
            every_column: false,
            lines: false,
        }
    }

    /// Every column of a file, as numbers, and on which line each row is.
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

    /// Takes the columns of the file for the features, where every column is wanted.
    pub fn see_columns<S: AsRef<str>>(&mut self, columns: &[S]) {
        if self.every_column {
            self.features = columns.iter().map(|name| name.as_ref().to_owned()).collect();
            self.kinds = vec![FeatureKind::Numeric; columns.len()];
        }
    }

    /// Finds the wanted columns among those of a file.
    ///
    /// LightGBM writes spaces in names as underscores, so both spellings match. A model that was trained without names
    /// (`Column_0`, `Column_1`, ...) takes the columns that are not kept by position. [`ErrorKind::InvalidData`] when
    /// columns are missing (the message lists them) or a wanted name appears twice.
    pub fn select<S: AsRef<str>>(&self, columns: &[S]) -> Result<Selection> {
        let names = Names::new(columns);
        let kept: Vec<Option<usize>> =
            self.keep.iter().map(|name| names.exact(name)).collect::<Result<_>>()?;
        let kept = all_found(&self.keep, kept, "columns to keep are missing from the input")?;
        let features = self.features.iter().map(|name| names.feature(name)).collect::<Result<Vec<_>>>()?;
        let features = if features.iter().all(Option::is_none) && self.has_placeholder_names() {
            let by_position: Vec<usize> =
                (0..columns.len()).filter(|column| !kept.contains(column)).collect();
            if by_position.len() != self.features.len() {
                return Err(invalid(
                    "the input has another number of columns than the model, which takes them by position",
                )
                .with_context("columns", by_position.len())
                .with_context("features", self.features.len())
                .with_hint("do not count the columns to keep"));
            }
            by_position
        } else {
            all_found(&self.features, features, "features of the model are missing from the input")?
        };
        let mut ignored = vec![true; columns.len()];
        for column in features.iter().chain(&kept) {
            ignored[*column] = false;
        }
        let ignored = columns.iter().zip(ignored).filter(|(_, ignored)| *ignored);
        let ignored = ignored.map(|(name, _)| name.as_ref().to_owned()).collect();
        Ok(Selection { features, kept, ignored })
    }

    /// Whether the model was trained without names.
    pub fn has_placeholder_names(&self) -> bool {
        self.features.iter().enumerate().all(|(index, name)| *name == format!("Column_{index}"))
    }
}

/// The columns of a file by name; a name that appears twice is an error only when it is asked for.
struct Names<'a> {
    exact: HashMap<&'a str, Vec<usize>>,
    /// By LightGBM's spelling, for names with spaces.
    underscored: HashMap<String, Vec<usize>>,
}

impl<'a> Names<'a> {
    fn new<S: AsRef<str>>(columns: &'a [S]) -> Self {
        let mut names = Self { exact: HashMap::new(), underscored: HashMap::new() };
        for (index, name) in columns.iter().enumerate() {
            let name = name.as_ref();
            names.exact.entry(name).or_default().push(index);
            if name.contains(' ') {
                names.underscored.entry(name.replace(' ', "_")).or_default().push(index);
            }
        }
        names
    }

    fn exact(&self, name: &str) -> Result<Option<usize>> {
        self.exact.get(name).map(|columns| only(name, columns)).transpose()
    }

    fn feature(&self, name: &str) -> Result<Option<usize>> {
        let columns = self.exact.get(name).or_else(|| self.underscored.get(name));
        columns.map(|columns| only(name, columns)).transpose()
    }
}

fn only(name: &str, columns: &[usize]) -> Result<usize> {
    match columns {
        [column] => Ok(*column),
        _ => Err(invalid("a column name appears twice").with_context("column", excerpt(name, QUOTED_CHARS))),
    }
}

fn all_found(names: &[String], columns: Vec<Option<usize>>, message: &str) -> Result<Vec<usize>> {
    let missing: Vec<&String> =
        names.iter().zip(&columns).filter(|(_, column)| column.is_none()).map(|(name, _)| name).collect();
    if missing.is_empty() {
        return Ok(columns.into_iter().flatten().collect());
    }
    Err(invalid(message).with_context("missing", listed(&missing)))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}
