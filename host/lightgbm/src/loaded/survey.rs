//! What a model finds in the rows that it reads: missing values, and categories that it does not know.

use std::collections::HashSet;

use super::Model;
use super::table::Values;
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// How many different unknown categories are remembered.
const EXAMPLES: usize = 5;

/// The counts of the features of a model, in its order.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    features: Vec<FeatureSurvey>,
    /// For each feature that the trees treat as categories, those that they were trained on.
    trained: Vec<Option<HashSet<i64>>>,
}

/// The counts of a feature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeatureSurvey {
    /// How many values are missing.
    pub missing: u64,
    /// How many values are categories that the model does not know, which it scores as missing ones or as the others.
    pub unseen: u64,
    /// Some of these categories, each once, in the order in which they came.
    pub examples: Vec<String>,
}

impl Survey {
    /// No rows of this model.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let features = model.feature_names().len();
        let trained = model.text_model().feature_infos().map(categories);
        Self { features: vec![FeatureSurvey::default(); features], trained: trained.collect() }
    }

    /// The counts of each feature.
    #[must_use]
    pub fn features(&self) -> &[FeatureSurvey] {
        &self.features
    }

    /// Counts the values of a column, which were encoded for the model: by one of its lists of categories if it `has_list`.
    pub(super) fn note(&mut self, feature: usize, has_list: bool, values: &Values<'_>, encoded: &[f64]) {
        let Some(counts) = self.features.get_mut(feature) else { return };
        let unknown = encoded.iter().filter(|value| value.is_nan()).count() as u64;
        if has_list {
            if unknown > 0 {
                counts.note_unlisted(values, encoded);
            }
            return;
        }
        counts.missing += unknown;
        let Some(trained) = self.trained.get(feature).and_then(Option::as_ref) else { return };
        // As LightGBM reads them.
        for value in encoded.iter().filter(|value| !value.is_nan() && !trained.contains(&(**value as i64))) {
            counts.add(|| value.to_string());
        }
    }
}

impl FeatureSurvey {
    /// Counts what a list does not have: missing values, and unknown ones.
    fn note_unlisted(&mut self, values: &Values<'_>, encoded: &[f64]) {
        for row in encoded.iter().enumerate().filter(|(_, value)| value.is_nan()).map(|(row, _)| row) {
            match values {
                Values::Numbers(numbers) if numbers[row].is_nan() => self.missing += 1,
                Values::Numbers(numbers) => self.add(|| numbers[row].to_string()),
                Values::Strings(texts) | Values::Json(texts) => match texts.get(row) {
                    None => self.missing += 1,
                    Some("null") if matches!(values, Values::Json(_)) => self.missing += 1,
                    Some(text) => self.add(|| excerpt(text, QUOTED_CHARS)),
                },
            }
        }
    }

    fn add(&mut self, shown: impl FnOnce() -> String) {
        self.unseen += 1;
        // Most rows of a column repeat a few categories.
        if self.examples.len() < EXAMPLES {
            let shown = shown();
            if !self.examples.contains(&shown) {
                self.examples.push(shown);
            }
        }
    }
}

/// The categories in the header's description of a feature's values; `None` for numbers.
fn categories(info: &str) -> Option<HashSet<i64>> {
    if info == "none" || info.starts_with('[') {
        return None;
    }
    info.split(':').map(|category| category.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn survey(trained: Option<HashSet<i64>>) -> Survey {
        Survey { features: vec![FeatureSurvey::default()], trained: vec![trained] }
    }

    fn counts(survey: &Survey) -> (u64, u64, &[String]) {
        let FeatureSurvey { missing, unseen, examples } = &survey.features()[0];
        (*missing, *unseen, examples)
    }

    #[test]
    fn missing_and_unknown_values_are_told_apart() {
        let texts = vec![Some("a".to_owned()), None, Some("new".to_owned()), Some("new".to_owned())];
        let mut of_texts = survey(None);
        of_texts.note(0, true, &Values::Strings(Box::new(texts)), &[0.0, f64::NAN, f64::NAN, f64::NAN]);
        assert_eq!(counts(&of_texts), (1, 2, &["new".to_owned()][..]));

        let json = vec![Some("null".to_owned()), Some("7".to_owned()), Some("\"x\"".to_owned())];
        let mut of_json = survey(None);
        of_json.note(0, true, &Values::Json(Box::new(json)), &[f64::NAN, f64::NAN, 1.0]);
        assert_eq!(counts(&of_json), (1, 1, &["7".to_owned()][..]));

        let numbers = [1.0, f64::NAN, 9.0];
        let mut of_numbers = survey(None);
        of_numbers.note(0, true, &Values::Numbers(Cow::Borrowed(&numbers)), &[0.0, f64::NAN, f64::NAN]);
        assert_eq!(counts(&of_numbers), (1, 1, &["9".to_owned()][..]));
        of_numbers.note(0, false, &Values::Numbers(Cow::Borrowed(&numbers)), &numbers);
        assert_eq!(counts(&of_numbers).0, 2, "numbers are never unknown");
    }

    #[test]
    fn categories_of_the_trees_are_known() {
        let numbers = [3.0, 3.9, -1.0, 8.0, f64::NAN, 8.0];
        let mut survey = survey(categories("0:3:12"));
        survey.note(0, false, &Values::Numbers(Cow::Borrowed(&numbers)), &numbers);
        assert_eq!(counts(&survey), (1, 3, &["-1".to_owned(), "8".to_owned()][..]));
        assert_eq!((categories("none"), categories("[0:3]"), categories("a:b")), (None, None, None));
    }

    #[test]
    fn few_examples_are_remembered() {
        let numbers: Vec<f64> = (0..100).map(f64::from).collect();
        let mut survey = survey(Some(HashSet::new()));
        survey.note(0, false, &Values::Numbers(Cow::Borrowed(&numbers)), &numbers);
        assert_eq!((counts(&survey).1, counts(&survey).2.len()), (100, EXAMPLES));
    }
}
