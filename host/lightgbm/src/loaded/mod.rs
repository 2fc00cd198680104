//! A model ready to predict, whatever file it came from.

mod assignment;
mod categories;
mod columns;
mod facts;
mod load;
mod predict;
mod table;

use crate::extracted::Estimator;
use crate::labels::ClassLabels;
use crate::scorer::Scorer;
use crate::text::TextModel;
use hydra_base::{Error, ErrorKind, Result};

use categories::Categories;

pub use assignment::ColumnKind;
pub use categories::FeatureKind;
pub use columns::{ColumnNames, Selection, are_placeholders};
pub use facts::{ModelFormat, OutputKind};
pub use load::ModelLimits;
pub use predict::{Engine, Prediction};
pub use table::{Column, EncodedTable, StringColumn, Table, Values};

/// A loaded LightGBM model: a native booster, or a scikit-learn style estimator.
///
/// It answers what Python's `predict` answers on the same file. Values of this type do not change while they predict and
/// can be shared by threads.
pub struct Model {
    text: TextModel,
    scorer: Scorer,
    /// How many iterations predictions use; none is all.
    iterations: Option<usize>,
    format: ModelFormat,
    estimator: Estimator,
    classes: Option<ClassLabels>,
    categories: Categories,
    threads: usize,
}

impl Model {
    /// Makes a model from a validated native booster, such as a freshly trained one.
    pub fn from_text_model(text: TextModel) -> Result<Self> {
        Self::assemble(text, ModelFormat::Text, Estimator::Booster, None, None)
    }

    /// Chooses how many threads predictions may use; 0, the default, means as many as the machine has.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Says which features had pandas' category type in training, for models and data that do not tell.
    ///
    /// LightGBM stores the categories of such columns but not which columns they are. [`ErrorKind::InvalidArgument`] when a
    /// name is no feature's, or when there are not as many as the model has lists of categories.
    pub fn with_categories<S: AsRef<str>>(mut self, features: &[S]) -> Result<Self> {
        self.categories.tell(features, self.text.feature_names())?;
        Ok(self)
    }

    /// The Python class that the model was saved as.
    #[must_use]
    pub fn estimator(&self) -> Estimator {
        self.estimator
    }

    /// The labels of a classifier, by class index.
    #[must_use]
    pub fn classes(&self) -> Option<&ClassLabels> {
        self.classes.as_ref()
    }

    /// The names of the features, in the order of a matrix's columns.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        self.text.feature_names()
    }

    /// What a named column holds for each feature, in the order of [`Model::feature_names`], where `columns` says what is known
    /// about each feature's column.
    ///
    /// [`ErrorKind::UnsupportedModel`] when that does not tell which features have categories, and [`ErrorKind::InvalidData`]
    /// when it cannot be true.
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

    /// Keeps to what the kinds of columns tell about categories, whatever the columns of later tables are.
    pub fn with_columns(mut self, columns: &[ColumnKind]) -> Result<Self> {
        self.categories.settle(columns, self.text.feature_names())?;
        Ok(self)
    }

    /// How many values [`Model::raw_scores`] and [`Model::outputs`] have per row.
    #[must_use]
    pub fn num_outputs(&self) -> usize {
        self.scorer.num_outputs()
    }

    /// How many iterations predictions use; `None` is all of them. An estimator that stopped early uses its best ones.
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
            scorer: Scorer::compile_with(&text, iterations),
            iterations,
            format,
            estimator,
            classes,
            categories: Categories::of(&text),
            threads: 0,
            text,
        })
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("estimator", &self.estimator)
            .field("text", &self.text)
            .field("classes", &self.classes.as_ref().map(ClassLabels::len))
            .finish_non_exhaustive()
    }
}

/// A model with one output tells two classes apart (or was trained on one), any other as many as it has outputs.
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
