//! LightGBM's text model format, versions v3 and v4: read from untrusted bytes, and written again.
//!
//! LightGBM's own parser trusts its input: crafted indices read and write out of bounds, and some errors end the
//! process. [`TextModel::parse`] therefore checks everything that prediction relies on, and [`TextModel::emit`] writes
//! the text that LightGBM is given instead of the original bytes, so that no two parsers can disagree.
//!
//! The format is what LightGBM's `GBDT::SaveModelToString` and `Tree::ToString` write: a header of `key=value` lines,
//! one block per tree, `end of trees`, feature importances, the training parameters, and Python's pandas categories.

mod check;
mod emit;
mod forest;
mod header;
mod keys;
mod limits;
mod lines;
mod shape;
mod tail;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::objective::Objective;
use hydra_base::Result;

pub use check::{ModelSummary, check};
pub use forest::{DecisionType, Linear, MissingType, Tree};
pub use limits::Limits;
pub use tail::Category;

use forest::Forest;
use header::Header;

/// A validated LightGBM model.
///
/// What holds for every value of this type: each tree's children form one tree in which every node and leaf is reached
/// exactly once; split features and linear-model features are below [`num_features`](Self::num_features); categorical
/// splits name a bitset that exists; leaf values, linear constants and coefficients are finite and no threshold is NaN;
/// the number of trees is a multiple of [`trees_per_iteration`](Self::trees_per_iteration), which fits the objective.
pub struct TextModel {
    header: Header,
    forest: Forest,
    pandas_categorical: Option<Vec<Vec<Category>>>,
}

impl TextModel {
    /// Reads and validates a model.
    ///
    /// Fails with [`InvalidModel`](hydra_base::ErrorKind::InvalidModel) for damaged text and with
    /// [`UnsupportedModel`](hydra_base::ErrorKind::UnsupportedModel) for versions, keys and objectives that this reader does
    /// not know, naming tree, key and line. Memory stays within a small multiple of `bytes.len()`, whatever
    /// the text declares.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        limits.check_bytes(bytes.len())?;
        let mut lines = lines::Lines::new(bytes);
        let header = header::read(&mut lines, limits)?;
        let forest = tree::read_all(&mut lines, &header, limits)?;
        let pandas_categorical = tail::read(&mut lines)?;
        Ok(Self { header, forest, pandas_categorical })
    }

    /// The text for LightGBM: what was validated, normalised, without the `parameters:` block.
    ///
    /// LightGBM reads the same thresholds, leaf values and linear models from it as from the original, bit for bit.
    /// Statistics that no prediction uses (leaf and node weights, node values) are left out.
    #[must_use]
    pub fn emit(&self) -> String {
        emit::emit(self)
    }

    /// The names of the features, in the order of the columns.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        &self.header.feature_names
    }

    /// The number of features, that is of columns of a row to predict.
    #[must_use]
    pub fn num_features(&self) -> usize {
        self.header.feature_names.len()
    }

    /// What the header says about each feature's values in the training data: `[min:max]`, categories joined by
    /// colons, or `none`.
    #[must_use]
    pub fn feature_infos(&self) -> &[String] {
        &self.header.feature_infos
    }

    /// The number of classes: 1 for everything but multiclass models.
    #[must_use]
    pub fn num_class(&self) -> usize {
        self.header.num_class
    }

    /// The number of trees of one iteration, which is the number of raw scores of a row; equal to
    /// [`num_class`](Self::num_class).
    #[must_use]
    pub fn trees_per_iteration(&self) -> usize {
        self.header.num_class
    }

    /// The number of boosting iterations.
    #[must_use]
    pub fn num_iterations(&self) -> usize {
        self.num_trees() / self.trees_per_iteration()
    }

    /// The number of trees: iterations times trees per iteration.
    #[must_use]
    pub fn num_trees(&self) -> usize {
        self.forest.len()
    }

    /// The depth of the deepest leaf; 0 when every tree is a single leaf.
    ///
    /// LightGBM's feature contributions recurse this deep and take memory of its square: check it before asking for
    /// them.
    #[must_use]
    pub fn max_depth(&self) -> usize {
        self.forest.max_depth
    }

    /// The objective; `None` when the model names none, as with objectives of the user's own.
    #[must_use]
    pub fn objective(&self) -> Option<&Objective> {
        self.header.objective.as_ref()
    }

    /// The `objective=` line's value as written.
    #[must_use]
    pub fn objective_text(&self) -> Option<&str> {
        self.header.objective_text.as_deref()
    }

    /// Whether outputs are the average over iterations rather than their sum: a random forest.
    ///
    /// LightGBM's raw scores are sums even then.
    #[must_use]
    pub fn average_output(&self) -> bool {
        self.header.average_output
    }

    /// Whether any tree has linear models in its leaves.
    #[must_use]
    pub fn has_linear_trees(&self) -> bool {
        self.forest.has_linear_trees()
    }

    /// The categories of each column that had pandas' category type in training, in the order of those columns: a category's position
    /// in its list is its code. `None` when the text has no such line or it says `null`.
    #[must_use]
    pub fn pandas_categorical(&self) -> Option<&[Vec<Category>]> {
        self.pandas_categorical.as_deref()
    }

    /// The trees, in the order in which their outputs are added.
    #[must_use]
    pub fn trees(&self) -> impl ExactSizeIterator<Item = Tree<'_>> {
        (0..self.forest.len()).map(|index| self.forest.tree(index))
    }

    /// The tree at `index`.
    ///
    /// # Panics
    /// If there is no such tree.
    #[must_use]
    pub fn tree(&self, index: usize) -> Tree<'_> {
        self.forest.tree(index)
    }
}

impl fmt::Debug for TextModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextModel")
            .field("objective", &self.objective_text())
            .field("features", &self.num_features())
            .field("classes", &self.num_class())
            .field("trees", &self.num_trees())
            .finish_non_exhaustive()
    }
}
