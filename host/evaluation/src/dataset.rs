//! What is known about the rows besides the scores: labels, weights, groups and segments.

use std::ops::Range;

use crate::measure::Segment;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result, Sha256};

/// The most rows: LightGBM's own limit, and what sums of ranks have room for.
pub const MOST_ROWS: usize = i32::MAX as usize;

/// The greatest grade of relevance for which LightGBM has a gain.
const GREATEST_GRADE: u8 = 30;

/// The most rows in a group: LightGBM has no discounts beyond.
const LONGEST_GROUP: usize = 10_000;

/// The labels of all rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels(pub(crate) Kind);

/// Labels of a kind, one for each row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Indices of classes, all below `classes`.
    Classes { ids: Vec<u16>, classes: usize },
    /// Finite numbers.
    Values(Vec<f64>),
    /// Grades of relevance, at most [`GREATEST_GRADE`].
    Grades(Vec<u8>),
}

impl Labels {
    /// Class indices, all below `classes`, which is at least 2.
    ///
    /// [`ErrorKind::NoRows`] without labels, [`ErrorKind::UnknownLabel`] for an index that is too large,
    /// [`ErrorKind::OneClass`] if all are equal.
    pub fn classes(ids: Vec<u16>, classes: usize) -> Result<Self> {
        check_rows(ids.len())?;
        if let Some(id) = ids.iter().find(|id| usize::from(**id) >= classes) {
            return Err(Error::new(ErrorKind::UnknownLabel, format!("the label is not a class: `{id}`"))
                .with_context("classes", classes));
        }
        if ids.iter().all(|id| *id == ids[0]) {
            return Err(Error::new(ErrorKind::OneClass, "all labels are of one class")
                .with_hint("evaluate on rows of several classes"));
        }
        Ok(Self(Kind::Classes { ids, classes }))
    }

    /// Numbers, for regressions.
    ///
    /// [`ErrorKind::NoRows`] without labels, [`ErrorKind::InvalidLabels`] for NaN or an infinite number.
    pub fn values(values: Vec<f64>) -> Result<Self> {
        check_rows(values.len())?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(row) => Err(invalid_label("the label is not a finite number", values[row], row)),
            None => Ok(Self(Kind::Values(values))),
        }
    }

    /// Grades of relevance, for rankings: whole numbers from 0 to 30, as LightGBM's gains allow.
    ///
    /// [`ErrorKind::NoRows`] without labels, [`ErrorKind::InvalidLabels`] for any other number.
    pub fn grades(values: &[f64]) -> Result<Self> {
        check_rows(values.len())?;
        let grade = |(row, value): (usize, &f64)| {
            let known = (0..=GREATEST_GRADE).find(|grade| f64::from(*grade) == *value);
            known.ok_or_else(|| invalid_label("the label is not a whole number from 0 to 30", *value, row))
        };
        Ok(Self(Kind::Grades(values.iter().enumerate().map(grade).collect::<Result<_>>()?)))
    }

    /// The number of labels.
    #[must_use]
    pub fn rows(&self) -> usize {
        match &self.0 {
            Kind::Classes { ids, .. } => ids.len(),
            Kind::Values(values) => values.len(),
            Kind::Grades(grades) => grades.len(),
        }
    }
}

/// Rows of equal values in one column: the segments in which metrics are measured separately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    pub(crate) column: String,
    pub(crate) ids: Vec<u16>,
    pub(crate) values: Vec<Option<String>>,
}

impl Segments {
    /// The segments of `column`: of each row, as an index into `values`. A value is none for the rest, the rows with rare values.
    ///
    /// [`ErrorKind::InvalidArgument`] for an index that is too large.
    pub fn new(column: impl Into<String>, ids: Vec<u16>, values: Vec<Option<String>>) -> Result<Self> {
        if ids.iter().any(|id| usize::from(*id) >= values.len()) {
            return Err(Error::new(ErrorKind::InvalidArgument, "a segment is not in the list of values")
                .with_context("segments", values.len()));
        }
        Ok(Self { column: column.into(), ids, values })
    }
}

/// All that is known about the rows besides the scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    pub(crate) labels: Labels,
    pub(crate) weights: Option<Vec<f64>>,
    /// Each row's group, numbered in the order of their first rows.
    pub(crate) groups: Option<Groups>,
    pub(crate) segments: Vec<Segments>,
    pub(crate) digest: Sha256,
}

/// The groups of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) ids: Vec<u32>,
    pub(crate) count: usize,
}

impl Dataset {
    /// Rows with these labels. `digest` identifies the rows: equal digests give equal resamples.
    #[must_use]
    pub fn new(labels: Labels, digest: Sha256) -> Self {
        Self { labels, weights: None, groups: None, segments: Vec::new(), digest }
    }

    /// Gives each row a weight.
    ///
    /// [`ErrorKind::InvalidWeights`] unless all are from 0 to 3.4e38, the range of LightGBM's weights, and one is
    /// positive; [`ErrorKind::InvalidArgument`] if there are not as many as rows.
    pub fn with_weights(mut self, weights: Vec<f64>) -> Result<Self> {
        self.check_length("weights", weights.len())?;
        let valid = 0.0..=f64::from(f32::MAX);
        if let Some(row) = weights.iter().position(|weight| !valid.contains(weight)) {
            let message = format!("the weight is not a number from 0 to 3.4e38: `{}`", weights[row]);
            return Err(Error::new(ErrorKind::InvalidWeights, message).with_context("row", row + 1));
        }
        if !weights.iter().any(|weight| (*weight as f32) > 0.0) {
            return Err(Error::new(ErrorKind::InvalidWeights, "all weights are zero"));
        }
        self.weights = Some(weights);
        Ok(self)
    }

    /// Puts each row in a group: a query of a ranking, or rows that belong together, such as those of a customer.
    ///
    /// `ids` number the groups in any way below `count`. Resamples draw whole groups. [`ErrorKind::InvalidGroups`] if a
    /// group of a ranking has more than 10,000 rows; [`ErrorKind::InvalidArgument`] if there are not as many ids as rows,
    /// or one is too large.
    pub fn with_groups(mut self, ids: Vec<u32>, count: usize) -> Result<Self> {
        self.check_length("groups", ids.len())?;
        let mut sizes = vec![0_usize; count];
        for id in &ids {
            let size = sizes.get_mut(*id as usize).ok_or_else(|| {
                Error::new(ErrorKind::InvalidArgument, "a group is not below the number of groups")
                    .with_context("group", id)
            })?;
            *size += 1;
        }
        let longest = sizes.iter().max().copied().unwrap_or(0);
        if matches!(self.labels.0, Kind::Grades(_)) && longest > LONGEST_GROUP {
            return Err(Error::new(ErrorKind::InvalidGroups, "a group has more than 10,000 rows")
                .with_context("rows", longest));
        }
        self.groups = Some(Groups { ids, count });
        Ok(self)
    }

    /// Adds a column of segments.
    ///
    /// [`ErrorKind::InvalidArgument`] if it has not as many rows as the labels.
    pub fn with_segments(mut self, segments: Segments) -> Result<Self> {
        self.check_length("segments", segments.ids.len())?;
        self.segments.push(segments);
        Ok(self)
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.labels.rows()
    }

    /// A row's weight: 1 without weights.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// What a resample draws: a row's group, or the row itself.
    pub(crate) fn unit(&self, row: usize) -> u32 {
        self.groups.as_ref().map_or(row as u32, |groups| groups.ids[row])
    }

    /// The number of what resamples draw.
    pub(crate) fn units(&self) -> usize {
        self.groups.as_ref().map_or(self.rows(), |groups| groups.count)
    }

    /// The class of each row; empty if the labels are not classes.
    pub(crate) fn class_ids(&self) -> &[u16] {
        match &self.labels.0 {
            Kind::Classes { ids, .. } => ids,
            _ => &[],
        }
    }

    /// The segments, and all rows as the first.
    pub(crate) fn partitions(&self) -> Partitions<'_> {
        let mut columns = Vec::with_capacity(self.segments.len());
        let mut count = 1;
        for segments in &self.segments {
            columns.push((count as u32, segments.ids.as_slice()));
            count += segments.values.len();
        }
        Partitions { columns, segments: &self.segments, count }
    }

    fn check_length(&self, what: &'static str, length: usize) -> Result<()> {
        if length == self.rows() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidArgument, format!("the number of {what} is not the number of rows"))
            .with_context("rows", self.rows())
            .with_context(what, length))
    }
}

/// All segments of all columns in one numbering, in which 0 stands for all rows.
#[derive(Debug)]
pub(crate) struct Partitions<'a> {
    /// For each column the number of its first segment, and each row's segment.
    columns: Vec<(u32, &'a [u16])>,
    segments: &'a [Segments],
    count: usize,
}

impl Partitions<'_> {
    /// The number of segments, with that of all rows.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// In how many segments each row is: all rows, and one for each column.
    pub(crate) fn per_row(&self) -> usize {
        1 + self.columns.len()
    }

    /// The segment of a row in the column before this one's number; all rows for 0.
    pub(crate) fn of(&self, column: usize, row: usize) -> u32 {
        match column.checked_sub(1) {
            None => 0,
            Some(column) => {
                let (first, ids) = self.columns[column];
                first + u32::from(ids[row])
            }
        }
    }

    /// The column whose segments [`Partitions::of`] numbers so.
    pub(crate) fn column(&self, segment: usize) -> usize {
        self.columns.iter().take_while(|(first, _)| *first as usize <= segment).count()
    }

    /// The segments that [`Partitions::of`] gives for this column.
    pub(crate) fn range(&self, column: usize) -> Range<usize> {
        let first = |column: usize| self.columns.get(column).map_or(self.len(), |(first, _)| *first as usize);
        match column.checked_sub(1) {
            None => 0..1,
            Some(column) => first(column)..first(column + 1),
        }
    }

    /// The segments of a row.
    pub(crate) fn each(&self, row: usize) -> impl Iterator<Item = usize> {
        (0..self.per_row()).map(move |column| self.of(column, row) as usize)
    }

    /// The segments after that of all rows. `sizes` are the numbers of rows, with that of all rows.
    pub(crate) fn described(&self, sizes: &[u64]) -> Vec<Segment> {
        let names = self.segments.iter().flat_map(|of_column| {
            of_column.values.iter().map(|value| (of_column.column.clone(), value.clone()))
        });
        let sizes = sizes.iter().skip(1);
        names.zip(sizes).map(|((column, value), rows)| Segment { column, value, rows: *rows }).collect()
    }

    /// The number of rows in each segment.
    pub(crate) fn sizes(&self, rows: usize) -> Vec<u64> {
        let mut sizes = vec![0; self.len()];
        for row in 0..rows {
            self.each(row).for_each(|segment| sizes[segment] += 1);
        }
        sizes
    }
}

fn check_rows(rows: usize) -> Result<()> {
    match rows {
        0 => Err(Error::new(ErrorKind::NoRows, "there are no rows to measure on")),
        1..=MOST_ROWS => Ok(()),
        _ => Err(Error::new(ErrorKind::TooManyRows, "there are more than 2^31 - 1 rows to measure on")
            .with_context("rows", rows)),
    }
}

fn invalid_label(message: &str, label: f64, row: usize) -> Error {
    let label = excerpt(label.to_string(), QUOTED_CHARS);
    Error::new(ErrorKind::InvalidLabels, format!("{message}: `{label}`")).with_context("row", row + 1)
}
