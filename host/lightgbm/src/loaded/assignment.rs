//! Determines the features of a model's category lists.
//!
//! LightGBM's Python package writes one list for each column of pandas' category type, in the order of the columns, but
//! does not write which columns those were. The header does not determine it either: it describes an ordered category,
//! or one that `categorical_feature` did not name, like numbers, and a constant one as `none`; integers that
//! `categorical_feature` names look like a category. Python gives the lists to the input's columns of category type,
//! one by one. So does this module. If the input has no such types, it accepts an assignment only if there is exactly
//! one.

use std::collections::HashMap;
use std::sync::Arc;

use super::columns::spelled;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// The largest number of pairs of a feature and a list that are examined.
const MOST_PAIRS: usize = 1 << 22;

/// The knowledge about a column besides its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnKind {
    /// None: the column has no values, or values that may be numbers or text.
    Unknown,
    /// The column contains numbers.
    Number,
    /// The column contains text, which only categories do.
    Text,
    /// The column has a type of categories: a dictionary, as pandas writes them.
    Category,
}

/// The columns to which a category list can belong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accepts {
    /// The number of categories.
    pub(super) length: usize,
    /// Whether a category is text.
    pub(super) text: bool,
    /// Whether a category is a number.
    pub(super) numbers: bool,
}

/// The length that a category list needs so that a feature's values in training can be its codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// At least this length.
    Length(usize),
    /// The values are not codes.
    NoCodes,
}

/// The list of each feature that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Assignment(Arc<HashMap<usize, usize>>);

impl Assignment {
    /// The list of a feature.
    pub(super) fn list(&self, feature: usize) -> Option<usize> {
        self.0.get(&feature).copied()
    }

    /// The lists, in the order of their features.
    fn in_order(features: impl IntoIterator<Item = usize>) -> Self {
        let lists = features.into_iter().enumerate().map(|(list, feature)| (feature, list));
        Self(Arc::new(lists.collect()))
    }
}

impl Needs {
    /// Parses the header's description of a feature's values: `[min:max]`, categories joined by colons, or `none`.
    pub(super) fn of(info: &str) -> Self {
        if info == "none" {
            return Self::Length(0);
        }
        let values = info.strip_prefix('[').and_then(|info| info.strip_suffix(']')).unwrap_or(info);
        let mut length = 0;
        for value in values.split(':') {
            // -1 is a missing value of a categorical feature.
            match value.parse::<f64>() {
                Ok(code) if code.fract() == 0.0 && (-1.0..f64::from(u32::MAX)).contains(&code) => {
                    length = length.max((code + 1.0) as usize);
                }
                _ => return Self::NoCodes,
            }
        }
        Self::Length(length)
    }

    /// Whether the feature may have a list.
    pub(super) fn possible(self) -> bool {
        self != Self::NoCodes
    }
}

/// The features with these names, in the model's order.
pub(super) fn named<S: AsRef<str>>(columns: &[S], features: &[String], lists: usize) -> Result<Assignment> {
    let invalid = |message: &str| Error::new(ErrorKind::InvalidArgument, message);
    let mut found = Vec::with_capacity(columns.len());
    for column in columns {
        let column = column.as_ref();
        let spelled = spelled(column);
        let feature = features.iter().position(|name| *name == column || **name == *spelled);
        found.push(feature.ok_or_else(|| {
            invalid("the column with categories is not a feature of the model")
                .with_context("column", excerpt(column, QUOTED_CHARS))
        })?);
    }
    found.sort_unstable();
    found.dedup();
    if found.len() != lists {
        return Err(invalid("the number of named columns is not the model's number of category lists")
            .with_context("lists", lists)
            .with_context("columns", found.len())
            .with_hint("name exactly the columns that had pandas' category type in training"));
    }
    Ok(Assignment::in_order(found))
}

/// Assigns the lists to features, in order.
///
/// Columns of category type and of text receive the lists if there is one for each, as in Python, and the lists fit.
/// Otherwise each column of text must receive a list, and the other lists go to features for which the model's text
/// allows it, if there is only one assignment.
///
/// For example, a model has two lists, the numbers `[10, 20, 30]` and the texts `["Bonn", "Rome"]`. The header
/// describes the values of its features `a`, `b`, `c` in training as `[0:2]`, `[0.5:9]` and `[0:1]`, and the columns
/// are unknown. `b` has values that are not codes, so it has no list, and the second list belongs to a feature after
/// that of the first. The only assignment is the first list for `a` and the second for `c`. If `b` had the values
/// `[0:1]`, it could have the second list, too, and the assignment would be ambiguous.
pub(super) fn assign(lists: &[Accepts], needs: &[Needs], columns: &[ColumnKind]) -> Result<Assignment> {
    if lists.is_empty() {
        return Ok(Assignment::default());
    }
    let matching = Matching { lists, needs, columns };
    let typed = || {
        let is_typed = |kind: &ColumnKind| matches!(kind, ColumnKind::Text | ColumnKind::Category);
        columns.iter().enumerate().filter(move |(_, kind)| is_typed(kind)).map(|(feature, _)| feature)
    };
    if typed().count() == lists.len() {
        // Text in a column of numbers, such as a damaged cell of CSV, does not make it a category.
        let all_fit = typed().enumerate().all(|(list, feature)| matching.fits(feature, list));
        return if all_fit { Ok(Assignment::in_order(typed())) } else { Err(unfit()) };
    }
    if needs.len().saturating_mul(lists.len()) > MOST_PAIRS {
        return Err(ambiguous());
    }
    let ways = matching.count_ways();
    match ways.of(0, 0) {
        Ways::NONE => Err(unfit()),
        Ways::ONE => Ok(matching.read_off(&ways)),
        _ => Err(ambiguous()),
    }
}

/// The facts that decide which list a feature can have.
struct Matching<'a> {
    lists: &'a [Accepts],
    needs: &'a [Needs],
    columns: &'a [ColumnKind],
}

/// The number of ways to assign the lists from a given one to the features from a given one: none, one or several.
struct Ways {
    /// One row per feature; each row has one number per list, and one for no remaining lists.
    counts: Vec<u8>,
    lists: usize,
}

impl Ways {
    const NONE: u8 = 0;
    const ONE: u8 = 1;
    const SEVERAL: u8 = 2;

    fn of(&self, feature: usize, list: usize) -> u8 {
        self.counts[feature * (self.lists + 1) + list]
    }

    fn set(&mut self, feature: usize, list: usize, count: u8) {
        self.counts[feature * (self.lists + 1) + list] = count;
    }
}

impl Matching<'_> {
    fn fits(&self, feature: usize, list: usize) -> bool {
        let list: Accepts = self.lists[list];
        let typed = match self.columns[feature] {
            ColumnKind::Unknown | ColumnKind::Category => true,
            ColumnKind::Number => list.numbers,
            ColumnKind::Text => list.text,
        };
        typed && matches!(self.needs[feature], Needs::Length(length) if length <= list.length)
    }

    /// Whether the feature can be without a list.
    fn may_skip(&self, feature: usize) -> bool {
        self.columns[feature] != ColumnKind::Text
    }

    /// Counts from the last feature to the first: a feature receives the next list or none, and the features after it
    /// receive the remaining lists in as many ways as already counted.
    fn count_ways(&self) -> Ways {
        let (features, lists) = (self.needs.len(), self.lists.len());
        let mut ways = Ways { counts: vec![Ways::NONE; (features + 1) * (lists + 1)], lists };
        ways.set(features, lists, Ways::ONE);
        for feature in (0..features).rev() {
            for list in 0..=lists {
                let skipped = if self.may_skip(feature) { ways.of(feature + 1, list) } else { Ways::NONE };
                let given = if list < lists && self.fits(feature, list) {
                    ways.of(feature + 1, list + 1)
                } else {
                    Ways::NONE
                };
                ways.set(feature, list, (skipped + given).min(Ways::SEVERAL));
            }
        }
        ways
    }

    /// Reads the only assignment: a feature receives the next list unless the features after it can take all remaining
    /// lists.
    fn read_off(&self, ways: &Ways) -> Assignment {
        let mut features = Vec::with_capacity(self.lists.len());
        for feature in 0..self.needs.len() {
            let list = features.len();
            if !self.may_skip(feature) || ways.of(feature + 1, list) == Ways::NONE {
                features.push(feature);
            }
        }
        Assignment::in_order(features)
    }
}

fn ambiguous() -> Error {
    Error::new(
        ErrorKind::UnsupportedModel,
        "cannot match the model's pandas categories to columns: neither the model nor the input identifies them",
    )
    .with_hint(
        "name the columns that had pandas' category type in training (`--categories`, `with_categories`), or use \
         Parquet or Arrow files in which they have that type",
    )
}

fn unfit() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "the input's columns do not match the model's pandas categories",
    )
    .with_hint(
        "use text, dictionaries, or, for numeric categories, numbers in the columns that had pandas' category type in \
         training; `--categories` or `with_categories` names them",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: Accepts = Accepts { length: 3, text: true, numbers: false };
    const NUMBERS: Accepts = Accepts { length: 3, text: false, numbers: true };
    use ColumnKind::{Category, Number, Text, Unknown};

    fn features(lists: &[Accepts], infos: &[&str], columns: &[ColumnKind]) -> Result<Vec<usize>, ErrorKind> {
        let needs: Vec<Needs> = infos.iter().map(|info| Needs::of(info)).collect();
        let assignment = assign(lists, &needs, columns).map_err(|error| error.kind())?;
        let mut features: Vec<(usize, usize)> =
            assignment.0.iter().map(|(feature, list)| (*list, *feature)).collect();
        features.sort_unstable();
        Ok(features.into_iter().map(|(_, feature)| feature).collect())
    }

    #[test]
    fn the_header_says_which_features_may_have_codes() {
        for (info, needs) in [
            ("none", Needs::Length(0)),
            ("[0:2]", Needs::Length(3)),
            ("2:0:-1", Needs::Length(3)),
            ("-1", Needs::Length(0)),
            ("[0.5:2]", Needs::NoCodes),
            ("[-2:2]", Needs::NoCodes),
            ("[0:inf]", Needs::NoCodes),
            ("[0:1e300]", Needs::NoCodes),
            ("x", Needs::NoCodes),
            ("", Needs::NoCodes),
        ] {
            assert_eq!(Needs::of(info), needs, "{info:?}");
        }
    }

    #[test]
    fn types_of_the_input_decide_as_in_python() {
        // A numeric feature that looks like a category, then an ordered category that looks like numbers.
        let infos = ["0:1:2", "[0:2]"];
        assert_eq!(features(&[NUMBERS], &infos, &[Number, Category]), Ok(vec![1]));
        assert_eq!(features(&[NUMBERS], &infos, &[Category, Number]), Ok(vec![0]));
        assert_eq!(features(&[TEXTS], &infos, &[Number, Text]), Ok(vec![1]));
        assert_eq!(features(&[TEXTS, NUMBERS], &infos, &[Text, Category]), Ok(vec![0, 1]));
        assert_eq!(features(&[TEXTS], &["none", "none"], &[Number, Text]), Ok(vec![1]));
    }

    #[test]
    fn without_types_only_a_single_possibility_counts() {
        for columns in [[Number, Number], [Unknown, Unknown]] {
            assert_eq!(features(&[NUMBERS], &["0:1:2", "[0:2]"], &columns), Err(ErrorKind::UnsupportedModel));
            assert_eq!(features(&[NUMBERS], &["0:1:2", "none"], &columns), Err(ErrorKind::UnsupportedModel));
            assert_eq!(features(&[NUMBERS], &["0:1:2", "[-1.5:2]"], &columns), Ok(vec![0]));
            assert_eq!(features(&[NUMBERS], &["0:1:3", "[0:2]"], &columns), Ok(vec![1]));
            assert_eq!(features(&[NUMBERS, NUMBERS], &["[0:1]", "1:2"], &columns), Ok(vec![0, 1]));
            assert_eq!(features(&[NUMBERS], &["0:1:3", "[0:9]"], &columns), Err(ErrorKind::InvalidData));
        }
    }

    #[test]
    fn text_has_to_get_a_list_and_numbers_one_of_numbers() {
        let infos = ["[0:1]", "[0:1]", "[0.5:1]"];
        assert_eq!(features(&[TEXTS, NUMBERS], &infos, &[Text, Number, Number]), Ok(vec![0, 1]));
        assert_eq!(features(&[NUMBERS, TEXTS], &infos, &[Text, Number, Number]), Err(ErrorKind::InvalidData));
        assert_eq!(features(&[TEXTS], &infos, &[Number, Unknown, Number]), Ok(vec![1]));
        assert_eq!(features(&[TEXTS], &infos, &[Text, Text, Number]), Err(ErrorKind::InvalidData));
        // An additional dictionary is only a way to store numbers.
        assert_eq!(features(&[TEXTS], &infos, &[Text, Number, Category]), Ok(vec![0]));
    }

    #[test]
    fn text_in_a_numeric_column_is_not_a_category() {
        let infos = ["[0.5:1]", "[0:1]"];
        assert_eq!(features(&[TEXTS], &infos, &[Text, Unknown]), Err(ErrorKind::InvalidData));
        assert_eq!(features(&[NUMBERS], &infos, &[Number, Text]), Err(ErrorKind::InvalidData));
    }

    #[test]
    fn too_many_pairs_are_not_examined() {
        let lists = vec![NUMBERS; 3_000];
        let needs = vec![Needs::Length(1); 3_000];
        let error = assign(&lists, &needs, &vec![Number; 3_000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedModel);
        assert!(assign(&lists, &needs, &vec![Category; 3_000]).is_ok());
    }

    #[test]
    fn named_columns_get_the_lists_in_the_order_of_the_model() {
        let names = ["a_b".to_owned(), "c".to_owned(), "d".to_owned()];
        assert_eq!(named(&["d", "a b"], &names, 2).unwrap(), Assignment::in_order([0, 2]));
        for wrong in [vec!["d"], vec!["d", "d"], vec!["d", "e"], vec!["a_b", "c", "d"]] {
            assert_eq!(named(&wrong, &names, 2).unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong:?}");
        }
    }
}
