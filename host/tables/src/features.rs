//! The features of the models that read one file.

use std::collections::HashMap;

use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::{ColumnKind, FeatureKind, Model};

/// The features of several models, each once, and each model's places among them.
pub(crate) struct Features<'a> {
    names: Vec<String>,
    models: Vec<(&'a Model, Vec<usize>)>,
}

impl<'a> Features<'a> {
    /// The features of `models`, in the order of the first model and then of those after it.
    pub fn of(models: impl IntoIterator<Item = &'a Model>) -> Self {
        let mut features = Self { names: Vec::new(), models: Vec::new() };
        let mut places = HashMap::new();
        for model in models {
            let own = model.feature_names().iter().map(|name| {
                *places.entry(name).or_insert_with(|| {
                    features.names.push(name.clone());
                    features.names.len() - 1
                })
            });
            let own = own.collect();
            features.models.push((model, own));
        }
        features
    }

    /// The names of all features.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// For each model, the places of its features in [`Features::names`].
    pub fn places(&self) -> Vec<Vec<usize>> {
        self.models.iter().map(|(_, places)| places.clone()).collect()
    }

    /// The kind of each feature's values, if `columns` is what is known about the features' columns.
    ///
    /// Fails like [`Model::feature_kinds`], and with [`ErrorKind::ModelsDiffer`] if one model reads a column as numbers and another
    /// as text: a format without types cannot be read as both.
    pub fn kinds(&self, columns: &[ColumnKind]) -> Result<Vec<FeatureKind>> {
        let mut kinds: Vec<Option<FeatureKind>> = vec![None; self.names.len()];
        for (model, places) in &self.models {
            let own: Vec<ColumnKind> = places.iter().map(|place| columns[*place]).collect();
            for (place, kind) in places.iter().zip(model.feature_kinds(&own)?) {
                match &mut kinds[*place] {
                    Some(other) if form(*other) != form(kind) => {
                        let name = excerpt(&self.names[*place], QUOTED_CHARS);
                        return Err(Error::new(
                            ErrorKind::ModelsDiffer,
                            "the models read a column as values of different types",
                        )
                        .with_context("column", name)
                        .with_hint("use Parquet or Arrow files, which contain the types"));
                    }
                    known => *known = Some(kind),
                }
            }
        }
        Ok(kinds.into_iter().map(|kind| kind.unwrap_or(FeatureKind::Numeric)).collect())
    }
}

/// What readers of formats without types distinguish: numbers, text, and both.
fn form(kind: FeatureKind) -> u8 {
    match kind {
        FeatureKind::TextCategory => 1,
        FeatureKind::MixedCategory => 2,
        _ => 0,
    }
}
