//! A column of segments: the values that occur, with the rare ones in one rest.

use std::collections::HashMap;

use arrow_array::StringArray;

use crate::dataset::Segments;
use hydra_base::{Error, ErrorKind, Result};

/// The most segments of a column, besides its rest.
const MOST_SEGMENTS: usize = 50;

/// The most characters of a segment's value.
const MOST_CHARS: usize = 200;

/// The values of a column so far.
#[derive(Debug, Default)]
pub(super) struct SegmentColumn {
    ids: Vec<u16>,
    values: HashMap<String, u16>,
    /// The number of rows of each value.
    rows: Vec<u64>,
}

impl SegmentColumn {
    /// Adds the values of a batch; a missing value is an empty one.
    ///
    /// [`ErrorKind::TooManySegments`] if there are more than 65,535 different ones.
    pub(super) fn push(&mut self, texts: &StringArray) -> Result<()> {
        for text in texts {
            let text = text.unwrap_or_default();
            let id = match self.values.get(text) {
                Some(id) => *id,
                None => {
                    let id = u16::try_from(self.values.len()).ok().filter(|id| *id < u16::MAX);
                    let id = id.ok_or_else(|| {
                        Error::new(
                            ErrorKind::TooManySegments,
                            "the column has more than 65,535 different values, which are too many segments",
                        )
                        .with_hint("choose a column with few different values, such as a region")
                    })?;
                    self.values.insert(text.to_owned(), id);
                    self.rows.push(0);
                    id
                }
            };
            self.ids.push(id);
            self.rows[usize::from(id)] += 1;
        }
        Ok(())
    }

    /// The segments by their values, and last the rest: the values with fewer than `segment_rows` rows, those of more than
    /// [`MOST_CHARS`] characters, and those beyond the [`MOST_SEGMENTS`] with the most rows.
    ///
    /// `#` and a number stand for the values if they are `anonymous`.
    pub(super) fn finish(self, column: &str, segment_rows: u64, anonymous: bool) -> Result<Segments> {
        let rows = |id: u16| self.rows[usize::from(id)];
        let is_segment = |(value, id): &(&String, u16)| {
            rows(*id) >= segment_rows && value.chars().nth(MOST_CHARS).is_none()
        };
        let values = self.values.iter().map(|(value, id)| (value, *id));
        let mut frequent: Vec<(&String, u16)> = values.filter(is_segment).collect();
        frequent.sort_unstable_by(|(a, a_id), (b, b_id)| rows(*b_id).cmp(&rows(*a_id)).then(a.cmp(b)));
        frequent.truncate(MOST_SEGMENTS);
        frequent.sort_unstable();

        let mut segments = vec![frequent.len() as u16; self.values.len()];
        let mut values = Vec::with_capacity(frequent.len() + 1);
        for (segment, (value, id)) in frequent.into_iter().enumerate() {
            segments[usize::from(id)] = segment as u16;
            values.push(Some(if anonymous { format!("#{}", segment + 1) } else { value.clone() }));
        }
        if values.len() < self.values.len() {
            values.push(None);
        }
        let mut ids = self.ids;
        for id in &mut ids {
            *id = segments[usize::from(*id)];
        }
        Segments::new(column, ids, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(texts: &[Option<&str>], segment_rows: u64, anonymous: bool) -> Segments {
        let mut column = SegmentColumn::default();
        for batch in texts.chunks(2) {
            column.push(&StringArray::from(batch.to_vec())).unwrap();
        }
        column.finish("region", segment_rows, anonymous).unwrap()
    }

    fn values(segments: &Segments) -> Vec<Option<&str>> {
        segments.values.iter().map(Option::as_deref).collect()
    }

    #[test]
    fn rare_values_are_one_segment() {
        let texts =
            [Some("west"), Some("east"), Some("west"), None, Some("east"), Some("north"), Some("west")];
        let segments = finished(&texts, 2, false);
        assert_eq!(values(&segments), [Some("east"), Some("west"), None]);
        assert_eq!(segments.ids, [1, 0, 1, 2, 0, 2, 1]);
        assert_eq!(values(&finished(&texts, 2, true)), [Some("#1"), Some("#2"), None]);
        assert_eq!(
            values(&finished(&texts, 1, false)),
            [Some(""), Some("east"), Some("north"), Some("west")]
        );
    }

    #[test]
    fn a_long_value_is_rare() {
        let (long, longest) = ("x".repeat(MOST_CHARS + 1), "y".repeat(MOST_CHARS));
        let segments = finished(&[Some(&long), Some(&longest), Some(&long)], 1, false);
        assert_eq!(values(&segments), [Some(longest.as_str()), None]);
        assert_eq!(segments.ids, [1, 0, 1]);
    }

    #[test]
    fn only_the_most_frequent_values_are_segments() {
        let texts: Vec<String> =
            (0..3 * MOST_SEGMENTS).map(|row| format!("{:03}", row % (MOST_SEGMENTS + 10))).collect();
        let segments = finished(&texts.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>(), 1, false);
        assert_eq!(segments.values.len(), MOST_SEGMENTS + 1);
        assert_eq!(segments.values[MOST_SEGMENTS], None);
    }

    #[test]
    fn very_many_values_are_refused() {
        let mut column = SegmentColumn::default();
        let texts: Vec<String> = (0..70_000).map(|row| row.to_string()).collect();
        let error = column.push(&StringArray::from(texts)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooManySegments);
    }
}
