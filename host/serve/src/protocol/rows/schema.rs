//! What a model takes and produces, as far as requests need it.

use std::sync::{Mutex, PoisonError};

use hydra_lightgbm::labels::ClassLabels;
use hydra_lightgbm::loaded::{ColumnKind, FeatureKind, Selection, are_placeholders, are_positions, spelled};
use hydra_lightgbm::{Matrix, Model};

use super::params::Params;
use super::refusal::{Cause, Refusal};
use super::scan::Read;

/// How many models with another number of iterations are kept.
const MOST_LIMITED: usize = 4;

/// A model, and what its signature declares.
#[derive(Debug)]
pub(crate) struct Schema {
    model: Model,
    /// Of each feature, if the model or its text determines them.
    kinds: Option<Vec<FeatureKind>>,
    has_categories: bool,
    /// The features that the signature declares as integers.
    integers: Vec<usize>,
    /// Of each feature, MLflow's name of its type.
    declared: Vec<Option<String>>,
    longest_label: usize,
    limited: Mutex<Vec<(usize, Model)>>,
}

/// A column that a signature declares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declared<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// MLflow's name of its type.
    pub(crate) kind: &'a str,
}

/// Where a column of a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To the feature of this index.
    Feature(usize),
    /// It is not a feature.
    Ignored,
}

/// Where the columns of a request go.
#[derive(Debug)]
pub(super) struct Places {
    columns: Vec<Place>,
    /// Whether column `i` is feature `i`.
    in_order: bool,
    /// How many columns are not features.
    pub(super) ignored: usize,
}

impl Schema {
    /// The schema of `model`; `signature` has the columns that its `MLmodel` declares.
    pub(crate) fn of<'a>(model: &Model, signature: impl IntoIterator<Item = Declared<'a>>) -> Self {
        let features = model.feature_names();
        let mut declared = vec![None; features.len()];
        for column in signature {
            let spelled = spelled(column.name);
            if let Some(feature) = features.iter().position(|name| name == column.name || **name == *spelled)
            {
                declared[feature] = Some(column.kind.to_owned());
            }
        }
        let is_integer = |kind: &Option<String>| matches!(kind.as_deref(), Some("integer" | "long"));
        let integers =
            declared.iter().enumerate().filter(|(_, kind)| is_integer(kind)).map(|(feature, _)| feature);
        let integers = integers.collect();
        let unknown = vec![ColumnKind::Unknown; features.len()];
        let kinds = model.feature_kinds(&unknown).ok();
        // What the model's text determines is determined once.
        let settled = kinds.as_ref().and_then(|_| model.clone().with_columns(&unknown).ok());
        Self {
            has_categories: model.text_model().pandas_categorical().is_some_and(|lists| !lists.is_empty()),
            model: settled.unwrap_or_else(|| model.clone()),
            kinds,
            integers,
            declared,
            longest_label: longest_label(model.classes()),
            limited: Mutex::default(),
        }
    }

    /// The model.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// The number of features.
    pub(crate) fn width(&self) -> usize {
        self.model.feature_names().len()
    }

    /// MLflow's type of a feature, if the signature declares it.
    pub(crate) fn declared(&self, feature: usize) -> Option<&str> {
        self.declared.get(feature)?.as_deref()
    }

    /// The kind of a feature's values, if it is known without values.
    pub(crate) fn kind(&self, feature: usize) -> Option<FeatureKind> {
        self.kinds.as_ref()?.get(feature).copied()
    }

    /// The model whose predictions use the iterations that `params` asks for.
    ///
    /// The last few are kept, because another number of iterations takes as long as compiling the model.
    pub(crate) fn model_for(&self, params: &Params) -> Model {
        let all = self.model.text_model().num_iterations();
        let count = self.num_iterations(params);
        if count == self.model.iterations().unwrap_or(all) {
            return self.model.clone();
        }
        let kept = || self.limited.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, model)) = kept().iter().find(|(kept, _)| *kept == count) {
            return model.clone();
        }
        let model = self.model.limited(0, Some(count).filter(|count| *count < all));
        let mut kept = kept();
        kept.truncate(MOST_LIMITED - 1);
        kept.insert(0, (count, model.clone()));
        model
    }

    /// How many iterations the predictions of these parameters use.
    fn num_iterations(&self, params: &Params) -> usize {
        let all = self.model.text_model().num_iterations();
        match params.num_iteration {
            None => self.model.iterations().unwrap_or(all),
            // Like LightGBM: all iterations, also those after the best one.
            Some(count) => usize::try_from(count).ok().filter(|count| *count > 0).unwrap_or(all).min(all),
        }
    }

    /// How many trees the predictions of these parameters use.
    pub(crate) fn num_trees(&self, params: &Params) -> usize {
        self.num_iterations(params).saturating_mul(self.model.text_model().trees_per_iteration())
    }

    /// The most bytes that an answer takes for a label.
    pub(crate) fn longest_label(&self) -> usize {
        self.longest_label
    }

    /// Whether the model has category lists.
    pub(super) fn has_categories(&self) -> bool {
        self.has_categories
    }

    /// Finds the features among named columns.
    pub(super) fn by_name<S: AsRef<str>>(&self, columns: &[S]) -> Read<Places> {
        let features = self.model.feature_names();
        let same = |(column, feature): (&S, &String)| column.as_ref() == feature;
        if columns.len() == features.len() && columns.iter().zip(features).all(same) {
            return Ok(Places::in_order(features.len()));
        }
        let found = self.model.match_columns(columns, &[]);
        let Selection { features, others, .. } =
            found.map_err(|error| Refusal::of(Cause::Columns, &error))?;
        let mut places = vec![Place::Ignored; columns.len()];
        for (feature, column) in features.iter().enumerate() {
            places[*column] = Place::Feature(feature);
        }
        let in_order =
            others.is_empty() && features.iter().enumerate().all(|(index, column)| index == *column);
        Ok(Places { columns: places, in_order, ignored: others.len() })
    }

    /// Finds the features among the keys of objects. They have no order, so only names and pandas' numbers say where a value goes.
    pub(super) fn by_key<S: AsRef<str>>(&self, keys: &[S]) -> Read<Places> {
        let features = self.model.feature_names();
        let is_feature = |key: &S| {
            let spelled = spelled(key.as_ref());
            features.iter().any(|name| *name == *spelled || name == key.as_ref())
        };
        if are_placeholders(features) && !are_positions(keys) && !keys.iter().any(is_feature) {
            return Err(Refusal::because(
                Cause::Columns,
                "the model was trained without column names and takes columns by position; send rows as lists, or name the \
                 keys Column_0, Column_1 and so on",
            ));
        }
        self.by_name(keys)
    }

    /// The features in order, for columns without names.
    pub(super) fn by_position(&self) -> Places {
        Places::in_order(self.width())
    }

    /// Refuses values that are not integers in columns that the signature declares as such; missing ones are allowed.
    pub(super) fn check_integers(&self, rows: &Matrix<'_>) -> Read<()> {
        for feature in &self.integers {
            for row in 0..rows.rows() {
                let value = rows.value(row, *feature);
                if !value.is_nan() && (value.is_infinite() || value.trunc() != value) {
                    let name = self.model.feature_names().get(*feature).map_or("", String::as_str);
                    return Err(Refusal::because(
                        Cause::Fraction,
                        format_args!("row {row}, column `{name}`: {value}"),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The most bytes that a label takes in an answer, as JSON with a comma, or as raw bytes with their length.
fn longest_label(labels: Option<&ClassLabels>) -> usize {
    match labels {
        Some(ClassLabels::Bools(_)) => 6,
        Some(ClassLabels::Strings(labels)) => {
            let json = |label: &String| serde_json::Value::from(label.as_str()).to_string().len();
            labels.iter().map(json).max().unwrap_or(0) + 4
        }
        // The longest double, which is longer than the longest integer.
        _ => 25,
    }
}

impl Places {
    fn in_order(width: usize) -> Self {
        Self { columns: (0..width).map(Place::Feature).collect(), in_order: true, ignored: 0 }
    }

    /// The number of columns.
    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Whether every column is the feature of the same index.
    pub(super) fn are_in_order(&self) -> bool {
        self.in_order
    }

    /// The place of a column; none beyond the last one.
    #[inline]
    pub(super) fn of(&self, column: usize) -> Option<Place> {
        self.columns.get(column).copied()
    }

    /// The feature that a column is, if it is one.
    pub(super) fn feature(&self, column: usize) -> Option<usize> {
        match self.of(column)? {
            Place::Feature(feature) => Some(feature),
            Place::Ignored => None,
        }
    }
}
