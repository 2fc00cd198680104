//! A column of segments: the values that occur, with the rare ones in one rest.

use std::collections::HashMap;

use arrow_array::StringArray;

use crate::dataset::Segments;
use hydra_base::text::excerpt;
use hydra_base::{Error, ErrorKind, Result};

/// The most segments of a column, besides its rest.
const MOST_SEGMENTS: usize = 50;

/// The most characters of a value in a segment's name.
const NAME_CHARS: usize = 200;

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

    /// The segments by their values, and last the rest: the values with fewer than `segment_rows` rows, and those beyond the
    /// [`MOST_SEGMENTS`] with the most rows.
    ///
    /// A segment is called `COLUMN=VALUE`, or `COLUMN#NUMBER` if they are `anonymous`; the rest `COLUMN (rest)`.
    pub(super) fn finish(self, column: &str, segment_rows: u64, anonymous: bool) -> Result<Segments> {
        let mut values: Vec<(&String, u16)> = self.values.iter().map(|(value, id)| (value, *id)).collect();
        let rows = |id: u16| self.rows[usize::from(id)];
        values.sort_unstable_by(|(a, a_id), (b, b_id)| rows(*b_id).cmp(&rows(*a_id)).then(a.cmp(b)));
        let frequent = values.partition_point(|(_, id)| rows(*id) >= segment_rows).min(MOST_SEGMENTS);
        let has_rest = frequent < values.len();
        values.truncate(frequent);
        values.sort_unstable();

        let column = excerpt(column, NAME_CHARS);
        let mut segments = vec![frequent as u16; self.values.len()];
        let mut names = Vec::with_capacity(frequent + 1);
        for (segment, (value, id)) in values.into_iter().enumerate() {
            segments[usize::from(id)] = segment as u16;
            names.push(if anonymous {
                format!("{column}#{}", segment + 1)
            } else {
                format!("{column}={}", excerpt(value, NAME_CHARS))
            });
        }
        if has_rest {
            names.push(format!("{column} (rest)"));
        }
        let mut ids = self.ids;
        for id in &mut ids {
            *id = segments[usize::from(*id)];
        }
        Segments::new(ids, names)
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

    #[test]
    fn rare_values_are_one_segment() {
        let texts =
            [Some("west"), Some("east"), Some("west"), None, Some("east"), Some("north"), Some("west")];
        let segments = finished(&texts, 2, false);
        assert_eq!(segments.names, ["region=east", "region=west", "region (rest)"]);
        assert_eq!(segments.ids, [1, 0, 1, 2, 0, 2, 1]);
        assert_eq!(finished(&texts, 2, true).names, ["region#1", "region#2", "region (rest)"]);
        assert_eq!(
            finished(&texts, 1, false).names,
            ["region=", "region=east", "region=north", "region=west"]
        );
    }

    #[test]
    fn only_the_most_frequent_values_are_segments() {
        let texts: Vec<String> =
            (0..3 * MOST_SEGMENTS).map(|row| format!("{:03}", row % (MOST_SEGMENTS + 10))).collect();
        let segments = finished(&texts.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>(), 1, false);
        assert_eq!(segments.names.len(), MOST_SEGMENTS + 1);
        assert_eq!(segments.names[MOST_SEGMENTS], "region (rest)");
    }

    #[test]
    fn very_many_values_are_refused() {
        let mut column = SegmentColumn::default();
        let texts: Vec<String> = (0..70_000).map(|row| row.to_string()).collect();
        let error = column.push(&StringArray::from(texts)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooManySegments);
    }
}
