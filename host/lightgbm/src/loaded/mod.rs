//! A model ready to predict, from any supported file.

mod assignment;
mod categories;
mod columns;
mod facts;
mod importance;
mod limits;
mod load;
mod place;
mod predict;
mod survey;
mod table;

use std::sync::{Arc, OnceLock};

use crate::extracted::Estimator;
use crate::labels::ClassLabels;
use crate::scorer::{Contributions, Scorer};
use crate::text::TextModel;
use hydra_base::{Error, ErrorKind, Result};

use categories::Categories;

pub use assignment::ColumnKind;
pub use categories::FeatureKind;
pub use columns::{ColumnNames, Selection, are_placeholders, are_positions, spelled};
pub use facts::{ModelFormat, OutputKind};
pub use importance::Importance;
pub use limits::{ModelLimits, NamedLimit};
pub use place::model_file;
pub use predict::{Engine, Prediction, most_probable_class};
pub use survey::{FeatureSurvey, Survey};
pub use table::{Column, EncodedTable, StringColumn, Table, Values};

/// A loaded LightGBM model: a native booster, or a scikit-learn style estimator.
///
/// Its predictions are those of Python's `predict` on the same file. Values of this type do not change while they
/// predict, and threads can share them. Clones share the trees.
#[derive(Clone)]
pub struct Model {
    text: Arc<TextModel>,
    scorer: Arc<Scorer>,
    /// Compiled when contributions are asked for.
    contributions: Arc<OnceLock<Contributions>>,
    /// How many iterations predictions use; none is all.
    iterations: Option<usize>,
    format: ModelFormat,
    estimator: Estimator,
    classes: Option<Arc<ClassLabels>>,
    categories: Categories,
    threads: usize,
}

impl Model {
    /// Creates a model from a validated native booster, such as a freshly trained one.
    pub fn from_text_model(text: TextModel) -> Result<Self> {
        Self::assemble(text, ModelFormat::Text, Estimator::Booster, None, None)
    }

    /// Creates a model from what a Python estimator has: its booster, its class, the labels of a classifier, and the number of
    /// boosting rounds for predictions, if training stopped early.
    ///
    /// [`ErrorKind::InvalidModel`] if the number of labels does not match the booster's outputs.
    pub fn from_parts(
        booster: TextModel,
        estimator: Estimator,
        classes: Option<ClassLabels>,
        best_iteration: Option<u32>,
    ) -> Result<Self> {
        Self::assemble(booster, ModelFormat::Text, estimator, classes, best_iteration)
    }

    /// The same model with predictions of `count` boosting iterations from `start`, which counts from 0: all from there for `None`
    /// or if there are fewer, and none if `start` is beyond the last.
    #[must_use]
    pub fn limited(&self, start: usize, count: Option<usize>) -> Self {
        Self {
            scorer: Arc::new(Scorer::compile_range(&self.text, start, count)),
            contributions: Arc::default(),
            iterations: count,
            ..self.clone()
        }
    }

    /// Sets the number of threads for predictions; 0, the default, means all processors.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Names the features that had pandas' category type in training, for models and data that do not determine them.
    ///
    /// LightGBM stores the categories of such columns but not the columns. [`ErrorKind::InvalidArgument`] if a name is
    /// not a feature, or if the number of names is not that of the model's category lists.
    pub fn with_categories<S: AsRef<str>>(mut self, features: &[S]) -> Result<Self> {
        self.categories.tell(features, self.text.feature_names())?;
        Ok(self)
    }

    /// The Python class of the saved model.
    #[must_use]
    pub fn estimator(&self) -> Estimator {
        self.estimator
    }

    /// The labels of a classifier, by class index.
    #[must_use]
    pub fn classes(&self) -> Option<&ClassLabels> {
        self.classes.as_deref()
    }

    /// The names of the features, in the order of a matrix's columns.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        self.text.feature_names()
    }

    /// The values that a named column has for each feature, in the order of [`Model::feature_names`]. `columns`
    /// contains the knowledge about each feature's column.
    ///
    /// [`ErrorKind::UnsupportedModel`] if that does not determine the features with categories, and
    /// [`ErrorKind::InvalidData`] if it contradicts the model.
    pub fn feature_kinds(&self, columns: &[ColumnKind]) -> Result<Vec<FeatureKind>> {
        if columns.len() != self.text.num_features() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "the number of columns is not the number of features",
            )
            .with_context("columns", columns.len())
            .with_context("features", self.text.num_features()));
        }
        let assignment = self.categories.assign(columns, self.text.feature_names())?;
        Ok(self.categories.kinds(&assignment, self.text.num_features()))
    }

    /// Keeps the assignment of categories that results from these kinds of columns, for all later tables.
    pub fn with_columns(mut self, columns: &[ColumnKind]) -> Result<Self> {
        self.categories.settle(columns, self.text.feature_names())?;
        Ok(self)
    }

    /// The number of values per row in [`Model::raw_scores`] and [`Model::outputs`].
    #[must_use]
    pub fn num_outputs(&self) -> usize {
        self.scorer.num_outputs()
    }

    /// The number of iterations for predictions; `None` means all. An estimator that stopped early uses its best
    /// iteration.
    #[must_use]
    pub fn iterations(&self) -> Option<usize> {
        self.iterations
    }

    /// The validated text.
    #[must_use]
    pub fn text_model(&self) -> &TextModel {
        &self.text
    }

    fn assemble(
        text: TextModel,
        format: ModelFormat,
        estimator: Estimator,
        classes: Option<ClassLabels>,
        best_iteration: Option<u32>,
    ) -> Result<Self> {
        if let Some(classes) = &classes {
            check_classes(classes.len(), text.num_class())?;
        }
        let iterations = best_iteration.map(|iterations| iterations as usize);
        Ok(Self {
            scorer: Arc::new(Scorer::compile_with(&text, iterations)),
            contributions: Arc::default(),
            iterations,
            format,
            estimator,
            classes: classes.map(Arc::new),
            categories: Categories::of(&text),
            threads: 0,
            text: Arc::new(text),
        })
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("estimator", &self.estimator)
            .field("text", &self.text)
            .field("classes", &self.classes.as_ref().map(|classes| classes.len()))
            .finish_non_exhaustive()
    }
}

/// A model with one output has two classes (or was trained on one); any other model has one class per output.
fn check_classes(labels: usize, outputs: usize) -> Result<()> {
    let fits = if outputs == 1 { labels == 1 || labels == 2 } else { labels == outputs };
    if fits {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidModel, "the number of class labels does not match the model's outputs")
        .with_context("labels", labels)
        .with_context("outputs", outputs))
}

#[cfg(test)]
mod tests;
