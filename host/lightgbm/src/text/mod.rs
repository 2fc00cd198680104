//! LightGBM's text format, versions v2 to v4: read from untrusted bytes, and written again.
//!
//! LightGBM's own parser trusts its input: crafted indices read and write out of bounds, and some errors end the
//! process. [`TextModel::parse`] therefore checks everything that prediction relies on. LightGBM receives the text of
//! [`TextModel::emit`] instead of the original bytes, so that two parsers cannot disagree.
//!
//! The format is that of LightGBM's `GBDT::SaveModelToString` and `Tree::ToString`: a header of `key=value` lines, one
//! block per tree, `end of trees`, feature importances, the training parameters, and Python's pandas categories.

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
/// Invariants of every value of this type: each tree's children form one tree in which every node and leaf is reached
/// exactly once; split features and linear-model features are below [`num_features`](Self::num_features); categorical
/// splits refer to a bitset that exists; linear constants and coefficients are finite, and no threshold and no leaf value is
/// NaN; the number of trees is a multiple of [`trees_per_iteration`](Self::trees_per_iteration), which fits the
/// objective.
pub struct TextModel {
    header: Header,
    forest: Forest,
    pandas_categorical: Option<Vec<Vec<Category>>>,
}

impl TextModel {
    /// Reads and validates a model.
    ///
    /// Fails with [`InvalidModel`](hydra_base::ErrorKind::InvalidModel) for damaged text and with
    /// [`UnsupportedModel`](hydra_base::ErrorKind::UnsupportedModel) for unknown versions, keys and objectives; the
    /// error names tree, key and line. Memory stays within a small multiple of `bytes.len()`, for any sizes that the text
    /// declares.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        limits.check_bytes(bytes.len())?;
        let mut lines = lines::Lines::new(bytes);
        let header = header::read(&mut lines, limits)?;
        let forest = tree::read_all(&mut lines, &header, limits)?;
        let pandas_categorical = tail::read(&mut lines)?;
        Ok(Self { header, forest, pandas_categorical })
    }

    /// The text for LightGBM: the validated content, normalised, without the `parameters:` block.
    ///
    /// LightGBM reads the same thresholds, leaf values and linear models from it as from the original, to the bit.
    /// Statistics that predictions do not use (leaf and node weights, node values) are left out.
    #[must_use]
    pub fn emit(&self) -> String {
        emit::emit(self)
    }

    /// The names of the features, in the order of the columns.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        &self.header.feature_names
    }

    /// The number of features, which is the number of columns of a row.
    #[must_use]
    pub fn num_features(&self) -> usize {
        self.header.feature_names.len()
    }

    /// The header's description of each feature's values in the training data: `[min:max]`, categories joined by
    /// colons, or `none`.
    pub fn feature_infos(&self) -> impl Iterator<Item = &str> {
        self.header.feature_infos.split(' ')
    }

    /// The number of classes; 1 for all models that are not multiclass.
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

    /// The depth of the deepest leaf; 0 if every tree is a single leaf.
    ///
    /// LightGBM's feature contributions recurse to this depth and use memory proportional to its square. Check it
    /// before calling them.
    #[must_use]
    pub fn max_depth(&self) -> usize {
        self.forest.max_depth
    }

    /// The objective; `None` if the model names none, as for custom objectives.
    #[must_use]
    pub fn objective(&self) -> Option<&Objective> {
        self.header.objective.as_ref()
    }

    /// The unchanged value of the `objective=` line.
    #[must_use]
    pub fn objective_text(&self) -> Option<&str> {
        self.header.objective_text.as_deref()
    }

    /// Whether outputs are the average over iterations instead of their sum: a random forest.
    ///
    /// LightGBM's raw scores are sums for such models, too.
    #[must_use]
    pub fn average_output(&self) -> bool {
        self.header.average_output
    }

    /// Whether any tree has linear models in its leaves.
    #[must_use]
    pub fn has_linear_trees(&self) -> bool {
        self.forest.has_linear_trees()
    }

    /// The categories of each column that had pandas' category type in training, in the order of the columns. The
    /// position of a category in its list is its code. `None` if the text has no such line or the value is `null`.
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
    /// If the tree does not exist.
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
