//! Collects what metrics need of the rows, batch by batch: 8 bytes for each score, and the labels, weights, groups and segments once.

use std::collections::HashMap;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::FieldRef;

use super::cells::{kind_of, numbers, texts};
use super::segments::SegmentColumn;
use super::task::Classes;
use super::{Columns, ReadColumn};
use crate::dataset::{Dataset, Labels, MOST_ROWS};
use crate::metric::Task;
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};
use hydra_base::{Error, ErrorKind, Result, Sha256};

/// What is known of the rows so far, besides their scores.
pub(super) struct Collector<'a> {
    columns: &'a Columns,
    labels: LabelColumn,
    weights: Vec<f64>,
    groups: Vec<u32>,
    group_ids: HashMap<String, u32>,
    segments: Vec<SegmentColumn>,
    rows: usize,
    /// The rows of the files before the current one.
    rows_before: usize,
}

/// The labels so far.
enum LabelColumn {
    Classes { ids: Vec<u16>, classes: Classes, known: Known },
    Values(Vec<f64>),
    Grades(Vec<f64>),
}

/// The index of each class.
enum Known {
    Numbers(HashMap<u64, u16>),
    Texts(HashMap<String, u16>),
}

impl<'a> Collector<'a> {
    /// Nothing yet. `classes` are those of the models, for a task that has classes.
    pub(super) fn new(columns: &'a Columns, task: Task, classes: Option<Classes>) -> Self {
        let labels = match (task, classes) {
            (_, Some(classes)) => {
                LabelColumn::Classes { ids: Vec::new(), known: Known::of(&classes), classes }
            }
            (Task::Ranking, None) => LabelColumn::Grades(Vec::new()),
            _ => LabelColumn::Values(Vec::new()),
        };
        Self {
            columns,
            labels,
            weights: Vec::new(),
            groups: Vec::new(),
            group_ids: HashMap::new(),
            segments: columns.segments.iter().map(|_| SegmentColumn::default()).collect(),
            rows: 0,
            rows_before: 0,
        }
    }

    /// Counts the rows in messages from here.
    pub(super) fn begin_file(&mut self) {
        self.rows_before = self.rows;
    }

    /// What these columns are read as.
    pub(super) fn columns<'f>(&self, fields: impl Iterator<Item = &'f FieldRef>) -> Vec<ReadColumn> {
        let has_numbers = |name: &String| {
            let labels = *name == self.columns.label
                && !matches!(self.labels, LabelColumn::Classes { known: Known::Texts(_), .. });
            labels || self.columns.weight.as_ref() == Some(name)
        };
        let read = |field: &FieldRef| {
            let kind = match kind_of(field.data_type()) {
                "string" if has_numbers(field.name()) => "double",
                kind => kind,
            };
            ReadColumn { name: field.name().clone(), kind }
        };
        fields.map(read).collect()
    }

    /// Adds the rows of a batch.
    pub(super) fn push(&mut self, kept: &RecordBatch) -> Result<()> {
        if kept.num_rows() == 0 {
            return Ok(());
        }
        let first = self.rows - self.rows_before + 1;
        self.rows += kept.num_rows();
        if self.rows > MOST_ROWS {
            return Err(Error::new(
                ErrorKind::TooManyRows,
                "there are more than 2^31 - 1 rows to measure on",
            ));
        }
        let column = |name: &str| {
            let missing = || Error::new(ErrorKind::Internal, "a kept column is missing from a batch");
            kept.column_by_name(name).ok_or_else(missing)
        };
        let located = |name: &str, error: Error| error.with_context("column", excerpt(name, QUOTED_CHARS));
        let name = &self.columns.label;
        self.labels.push(column(name)?, first).map_err(|error| located(name, error))?;
        if let Some(name) = &self.columns.weight {
            let weights = numbers(column(name)?, ErrorKind::InvalidWeights, first);
            self.weights.extend(weights.map_err(|error| located(name, error))?);
        }
        if let Some(name) = &self.columns.group {
            self.push_groups(column(name)?, first).map_err(|error| located(name, error))?;
        }
        for (name, segments) in self.columns.segments.iter().zip(&mut self.segments) {
            segments.push(&texts(column(name)?)?).map_err(|error| located(name, error))?;
        }
        Ok(())
    }

    fn push_groups(&mut self, column: &ArrayRef, first: usize) -> Result<()> {
        for (index, text) in texts(column)?.iter().enumerate() {
            let Some(text) = text else {
                return Err(Error::new(ErrorKind::InvalidGroups, "the row has no group")
                    .with_context("row", first + index));
            };
            let id = match self.group_ids.get(text) {
                Some(id) => *id,
                None => {
                    let id = self.group_ids.len() as u32;
                    self.group_ids.insert(text.to_owned(), id);
                    id
                }
            };
            self.groups.push(id);
        }
        Ok(())
    }

    /// The dataset of all rows. `digest` is that of their bytes; a segment with fewer rows than `segment_rows` joins the rest of
    /// its column.
    ///
    /// Fails like the constructors of [`Labels`] and [`Dataset`].
    pub(super) fn finish(self, digest: Sha256, segment_rows: u64, anonymous: bool) -> Result<Dataset> {
        let located = |name: &str, error: Error| error.with_context("column", excerpt(name, QUOTED_CHARS));
        let labels = match self.labels {
            LabelColumn::Classes { ids, classes, .. } => {
                let first = ids.first().and_then(|id| classes.names().into_iter().nth(usize::from(*id)));
                Labels::classes(ids, classes.len()).map_err(|error| match (error.kind(), first) {
                    (ErrorKind::OneClass, Some(label)) => {
                        error.with_context("class", excerpt(label, QUOTED_CHARS))
                    }
                    _ => error,
                })
            }
            LabelColumn::Values(values) => Labels::values(values),
            LabelColumn::Grades(values) => Labels::grades(&values),
        };
        let mut dataset = Dataset::new(labels.map_err(|error| located(&self.columns.label, error))?, digest);
        if let Some(name) = &self.columns.weight {
            dataset = dataset.with_weights(self.weights).map_err(|error| located(name, error))?;
        }
        if let Some(name) = &self.columns.group {
            let groups = dataset.with_groups(self.groups, self.group_ids.len());
            dataset = groups.map_err(|error| located(name, error))?;
        }
        for (name, segments) in self.columns.segments.iter().zip(self.segments) {
            dataset = dataset.with_segments(segments.finish(name, segment_rows, anonymous)?)?;
        }
        Ok(dataset)
    }
}

impl LabelColumn {
    fn push(&mut self, column: &ArrayRef, first: usize) -> Result<()> {
        match self {
            Self::Values(values) | Self::Grades(values) => {
                let labels = numbers(column, ErrorKind::InvalidLabels, first)?;
                refuse_missing(labels.iter().map(|label| label.is_nan()), first)?;
                values.extend(labels);
            }
            Self::Classes { ids, known: Known::Numbers(known), classes } => {
                let labels = numbers(column, ErrorKind::InvalidLabels, first)?;
                refuse_missing(labels.iter().map(|label| label.is_nan()), first)?;
                for (index, label) in labels.iter().enumerate() {
                    let id = known.get(&key(*label)).copied();
                    ids.push(id.ok_or_else(|| unknown(&label.to_string(), classes, first + index))?);
                }
            }
            Self::Classes { ids, known: Known::Texts(known), classes } => {
                let labels = texts(column)?;
                refuse_missing((0..labels.len()).map(|row| labels.is_null(row)), first)?;
                for (index, label) in labels.iter().flatten().enumerate() {
                    let id = known.get(label).copied();
                    ids.push(id.ok_or_else(|| unknown(label, classes, first + index))?);
                }
            }
        }
        Ok(())
    }
}

impl Known {
    fn of(classes: &Classes) -> Self {
        match classes {
            Classes::Numbers(labels) => {
                Self::Numbers(labels.iter().zip(0..).map(|(label, id)| (key(*label), id)).collect())
            }
            Classes::Texts(labels) => Self::Texts(labels.iter().cloned().zip(0..).collect()),
        }
    }
}

/// Equal for equal numbers: the two zeros are the only pair of different bits.
fn key(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

fn refuse_missing(mut missing: impl Iterator<Item = bool>, first: usize) -> Result<()> {
    match missing.position(|missing| missing) {
        None => Ok(()),
        Some(index) => Err(Error::new(ErrorKind::InvalidLabels, "the row has no label")
            .with_context("row", first + index)
            .with_hint("remove rows without a label from the data")),
    }
}

fn unknown(label: &str, classes: &Classes, row: usize) -> Error {
    let message = format!("the label is not one of the model's classes: `{}`", excerpt(label, QUOTED_CHARS));
    Error::new(ErrorKind::UnknownLabel, message)
        .with_context("classes", listed(&classes.names()))
        .with_context("row", row)
}
