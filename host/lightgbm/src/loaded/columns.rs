//! Finds a model's features among the columns of a table, by LightGBM's rules for names.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Model;
use crate::error::invalid;
use hydra_base::Result;
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};

/// The positions of a model's features among the columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// The index of each feature's column, in the order of the model's features.
    pub features: Vec<usize>,
    /// The indices of the columns that are neither features nor kept, in the order of the columns.
    pub others: Vec<usize>,
}

/// The columns of a table by name.
///
/// A repeated name is not an error until it is looked up.
#[derive(Debug)]
pub struct ColumnNames<'a> {
    names: Vec<&'a str>,
    by_name: HashMap<&'a str, Place>,
    /// The columns whose names LightGBM writes differently, by that spelling.
    by_spelling: HashMap<String, Place>,
}

/// The position of a name.
#[derive(Debug, Clone, Copy)]
enum Place {
    Once(usize),
    Repeated,
}

/// A name in the form that LightGBM writes into models: with underscores instead of spaces.
#[must_use]
pub fn spelled(name: &str) -> Cow<'_, str> {
    if name.contains(' ') { Cow::Owned(name.replace(' ', "_")) } else { Cow::Borrowed(name) }
}

/// Whether these are LightGBM's names for the features of a model that was trained without names: `Column_0`,
/// `Column_1`, ...
#[must_use]
pub fn are_placeholders(features: &[String]) -> bool {
    features.iter().enumerate().all(|(index, name)| *name == format!("Column_{index}"))
}

/// Whether these are the names that pandas gives columns without names: `0`, `1`, ... They say nothing but the position.
#[must_use]
pub fn are_positions<S: AsRef<str>>(columns: &[S]) -> bool {
    let is_position = |(index, name): (usize, &S)| {
        let name = name.as_ref();
        // Most names do not start with a digit.
        name.as_bytes().first().is_some_and(u8::is_ascii_digit) && *name == *index.to_string()
    };
    !columns.is_empty() && columns.iter().enumerate().all(is_position)
}

impl Model {
    /// Finds the model's features among the columns of a table, in any order.
    ///
    /// LightGBM writes spaces in names as underscores, so the column `a b` matches the feature `a_b`, unless there is a
    /// column `a_b`. If no column has the name of a feature, columns are taken by position in two cases: the model was trained
    /// without names (`Column_0`, `Column_1`, ...), or the columns have none but pandas' numbers (`0`, `1`, ...). Columns at the
    /// indices `kept` can be features, too, but not by position.
    ///
    /// [`ErrorKind::InvalidData`](hydra_base::ErrorKind::InvalidData) if features are missing (the message lists them
    /// and the remaining columns), if the name of a feature appears twice, or if the columns are taken by position and
    /// their number is not that of the features.
    ///
    /// ```
    /// use hydra_lightgbm::Model;
    ///
    /// # fn main() -> hydra_lightgbm::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster/model.lgb");
    /// let model = Model::open(path)?;
    /// assert_eq!(model.feature_names(), ["f0", "f1", "f2", "f3", "f4"]);
    /// let selection = model.match_columns(&["id", "f4", "f3", "f2", "f1", "f0"], &[])?;
    /// assert_eq!(selection.features, [5, 4, 3, 2, 1]);
    /// assert_eq!(selection.others, [0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn match_columns<S: AsRef<str>>(&self, columns: &[S], kept: &[usize]) -> Result<Selection> {
        ColumnNames::new(columns).match_features(self.feature_names(), kept)
    }

    /// The index of each feature's column, as [`Model::match_columns`] finds them, where every column must be a feature.
    ///
    /// [`ErrorKind::InvalidData`](hydra_base::ErrorKind::InvalidData) as there, and if columns are left over (the message lists
    /// them).
    pub fn match_all_columns<S: AsRef<str>>(&self, columns: &[S]) -> Result<Vec<usize>> {
        let Selection { features, others } = self.match_columns(columns, &[])?;
        if others.is_empty() {
            return Ok(features);
        }
        let extra: Vec<&str> = others.into_iter().map(|column| columns[column].as_ref()).collect();
        Err(invalid("the columns are not the model's features")
            .with_context("extra", listed(&extra))
            .with_hint("leave out the columns that are not features"))
    }
}

impl<'a> ColumnNames<'a> {
    /// The columns of a table, in order.
    #[must_use]
    pub fn new<S: AsRef<str>>(columns: &'a [S]) -> Self {
        let mut all = Self { names: Vec::new(), by_name: HashMap::new(), by_spelling: HashMap::new() };
        for (index, name) in columns.iter().enumerate() {
            let name = name.as_ref();
            all.names.push(name);
            let repeated = |place: &mut Place| *place = Place::Repeated;
            all.by_name.entry(name).and_modify(repeated).or_insert(Place::Once(index));
            if let Cow::Owned(spelled) = spelled(name) {
                all.by_spelling.entry(spelled).and_modify(repeated).or_insert(Place::Once(index));
            }
        }
        all
    }

    /// The index of the column with exactly this name, if there is one.
    ///
    /// [`ErrorKind::InvalidData`](hydra_base::ErrorKind::InvalidData) if there are several.
    pub fn find(&self, name: &str) -> Result<Option<usize>> {
        self.by_name.get(name).map(|place| place.index(name)).transpose()
    }

    /// Finds `features` among the columns: see [`Model::match_columns`].
    pub fn match_features(&self, features: &[String], kept: &[usize]) -> Result<Selection> {
        let found = features.iter().map(|name| self.feature(name)).collect::<Result<Vec<_>>>()?;
        let by_position = found.iter().all(Option::is_none)
            && (are_placeholders(features) || are_positions(&self.named_except(kept)));
        let features = if by_position {
            self.by_position(features.len(), kept)?
        } else {
            self.all_found(features, &found)?
        };
        let others = self.except(features.iter().chain(kept));
        Ok(Selection { features, others })
    }

    fn feature(&self, name: &str) -> Result<Option<usize>> {
        let place = self.by_name.get(name).or_else(|| self.by_spelling.get(name));
        place.map(|place| place.index(name)).transpose()
    }

    fn by_position(&self, features: usize, kept: &[usize]) -> Result<Vec<usize>> {
        let columns = self.except(kept);
        if columns.len() == features {
            return Ok(columns);
        }
        let error =
            invalid("the input has another number of columns than the model, and they are taken by position")
                .with_context("columns", columns.len())
                .with_context("features", features);
        Err(if kept.is_empty() { error } else { error.with_hint("do not count the columns to keep") })
    }

    /// The indices of all columns except these.
    fn except<'c>(&self, columns: impl IntoIterator<Item = &'c usize>) -> Vec<usize> {
        let mut is_left = vec![true; self.names.len()];
        for column in columns {
            is_left[*column] = false;
        }
        (0..self.names.len()).filter(|column| is_left[*column]).collect()
    }

    /// The names of all columns except these.
    fn named_except(&self, columns: &[usize]) -> Vec<&str> {
        self.except(columns).into_iter().map(|column| self.names[column]).collect()
    }

    fn all_found(&self, features: &[String], found: &[Option<usize>]) -> Result<Vec<usize>> {
        if let Some(found) = found.iter().copied().collect() {
            return Ok(found);
        }
        let missing: Vec<&String> =
            features.iter().zip(found).filter(|(_, found)| found.is_none()).map(|(name, _)| name).collect();
        let extra = self.except(found.iter().flatten());
        let extra: Vec<&str> = extra.into_iter().map(|column| self.names[column]).collect();
        let error = invalid("features of the model are missing from the input")
            .with_context("missing", listed(&missing));
        Err(if extra.is_empty() { error } else { error.with_context("extra", listed(&extra)) })
    }
}

impl Place {
    fn index(self, name: &str) -> Result<usize> {
        match self {
            Self::Once(index) => Ok(index),
            Self::Repeated => {
                Err(invalid("a column name appears twice")
                    .with_context("column", excerpt(name, QUOTED_CHARS)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_base::ErrorKind;

    fn matched(features: &[&str], columns: &[&str], kept: &[usize]) -> Result<Selection> {
        let features: Vec<String> = features.iter().map(|name| (*name).to_owned()).collect();
        ColumnNames::new(columns).match_features(&features, kept)
    }

    #[test]
    fn both_spellings_match_and_the_exact_one_comes_first() {
        let selection = matched(&["a_b", "c"], &["c", "a b"], &[]).unwrap();
        assert_eq!((selection.features, selection.others), (vec![1, 0], vec![]));
        let selection = matched(&["a_b", "c"], &["c", "a b", "a_b"], &[]).unwrap();
        assert_eq!((selection.features, selection.others), (vec![2, 0], vec![1]));
    }

    #[test]
    fn a_repeated_name_is_refused_if_it_is_a_feature() {
        for columns in [["a", "a", "b"], ["b", "a", "a"]] {
            assert_eq!(matched(&["a"], &columns, &[]).unwrap_err().kind(), ErrorKind::InvalidData);
            assert_eq!(matched(&["b"], &columns, &[]).unwrap().others.len(), 2);
        }
        // Two columns with the same spelling in LightGBM.
        let error = matched(&["a_b_c"], &["a b_c", "a_b c"], &[]).unwrap_err();
        assert_eq!(error.to_string(), "a column name appears twice (column: a_b_c)");
    }

    #[test]
    fn columns_are_taken_by_position_only_if_none_has_a_name() {
        let features = ["Column_0", "Column_1"];
        assert_eq!(matched(&features, &["x", "k", "y"], &[1]).unwrap().features, [0, 2]);
        assert_eq!(matched(&features, &["Column_1", "Column_0"], &[]).unwrap().features, [1, 0]);
        let error = matched(&features, &["x", "Column_0"], &[]).unwrap_err();
        assert!(error.to_string().ends_with("(missing: Column_1, extra: x)"), "{error}");
        let error = matched(&features, &["x", "y", "z"], &[]).unwrap_err();
        assert!(error.to_string().ends_with("by position (columns: 3, features: 2)"), "{error}");
    }

    #[test]
    fn the_numbers_of_columns_without_names_are_positions() {
        let features = ["a", "b"];
        assert_eq!(matched(&features, &["0", "1"], &[]).unwrap().features, [0, 1]);
        assert_eq!(matched(&features, &["0", "key", "1"], &[1]).unwrap().features, [0, 2]);
        // A name that a feature has is a name.
        assert_eq!(matched(&["1", "0"], &["0", "1"], &[]).unwrap().features, [1, 0]);
        for other in [&["1", "0"][..], &["0", "2"], &["00", "1"], &["0", "b"], &["0", "x"]] {
            assert_eq!(
                matched(&features, other, &[]).unwrap_err().kind(),
                ErrorKind::InvalidData,
                "{other:?}"
            );
        }
        let error = matched(&features, &["0", "1", "2"], &[]).unwrap_err();
        assert!(error.to_string().contains("another number of columns"), "{error}");
        assert!(!are_positions::<&str>(&[]));
    }
}
