//! The trees of a model, stored flat: one array per property over all trees.

/// How a numerical split treats missing values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissingType {
    /// There are none: NaN counts as zero.
    None,
    /// Zero and NaN are missing; values with a magnitude of at most 1e-35 count as zero.
    Zero,
    /// NaN is missing.
    NaN,
}

/// The `decision_type` of a split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecisionType(u8);

impl DecisionType {
    /// Decodes LightGBM's bits: 1 categorical, 2 missing goes left, 4 and 8 the missing type. `None` for other bits.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits < 12).then_some(Self(bits))
    }

    /// LightGBM's bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether the split sends a set of categories left, instead of the values up to a threshold.
    #[must_use]
    pub fn is_categorical(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether missing values go left, in a numerical split.
    #[must_use]
    pub fn default_left(self) -> bool {
        self.0 & 2 != 0
    }

    /// Which values are missing, in a numerical split.
    #[must_use]
    pub fn missing_type(self) -> MissingType {
        match self.0 >> 2 {
            0 => MissingType::None,
            1 => MissingType::Zero,
            _ => MissingType::NaN,
        }
    }
}

/// The range of one tree's values in the arrays of [`Forest`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    pub nodes: usize,
    pub leaves: usize,
    pub num_leaves: usize,
    pub num_categorical: usize,
    pub categorical_bounds: usize,
    pub categorical_words: usize,
    pub linear: Option<usize>,
}

/// All trees. The arrays have the names of LightGBM's keys; a `Span` selects the part of one tree.
#[derive(Default)]
pub(super) struct Forest {
    pub spans: Vec<Span>,
    pub max_depth: usize,
    pub split_feature: Vec<u32>,
    pub threshold: Vec<f64>,
    pub decision_type: Vec<DecisionType>,
    pub left_child: Vec<i32>,
    pub right_child: Vec<i32>,
    pub split_gain: Vec<f32>,
    pub internal_count: Vec<u32>,
    pub leaf_value: Vec<f64>,
    pub leaf_count: Vec<u32>,
    /// Per tree with categorical splits: their number plus one offsets into its part of `cat_threshold`.
    pub cat_boundaries: Vec<u32>,
    pub cat_threshold: Vec<u32>,
    pub leaf_const: Vec<f64>,
    /// Per leaf of linear trees: the end of its features and coefficients; they start at the end of the previous
    /// leaf's.
    pub linear_ends: Vec<usize>,
    pub leaf_features: Vec<u32>,
    pub leaf_coeff: Vec<f64>,
}

impl Forest {
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn has_linear_trees(&self) -> bool {
        self.spans.iter().any(|span| span.linear.is_some())
    }

    pub fn tree(&self, index: usize) -> Tree<'_> {
        Tree { forest: self, span: self.spans[index] }
    }
}

/// One tree of a model.
///
/// Internal nodes are numbered from 0, the root, to `num_leaves - 2`. A child is a node if it is not negative, else the
/// leaf `!child`.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    forest: &'a Forest,
    span: Span,
}

impl<'a> Tree<'a> {
    /// The number of leaves, at least 1.
    #[must_use]
    pub fn num_leaves(&self) -> usize {
        self.span.num_leaves
    }

    /// The number of internal nodes: one less than that of leaves.
    #[must_use]
    pub fn num_nodes(&self) -> usize {
        self.span.num_leaves - 1
    }

    /// The feature of each internal node.
    #[must_use]
    pub fn split_feature(&self) -> &'a [u32] {
        &self.forest.split_feature[self.nodes()]
    }

    /// Each internal node's threshold: values up to it go left. For a categorical split, the index of its bitset.
    #[must_use]
    pub fn threshold(&self) -> &'a [f64] {
        &self.forest.threshold[self.nodes()]
    }

    /// Each internal node's kind of split.
    #[must_use]
    pub fn decision_type(&self) -> &'a [DecisionType] {
        &self.forest.decision_type[self.nodes()]
    }

    /// Each internal node's left child.
    #[must_use]
    pub fn left_child(&self) -> &'a [i32] {
        &self.forest.left_child[self.nodes()]
    }

    /// Each internal node's right child.
    #[must_use]
    pub fn right_child(&self) -> &'a [i32] {
        &self.forest.right_child[self.nodes()]
    }

    /// Each internal node's gain; zeros if the text has none.
    #[must_use]
    pub fn split_gain(&self) -> &'a [f32] {
        &self.forest.split_gain[self.nodes()]
    }

    /// The number of training rows at each internal node; zeros if the text has none.
    #[must_use]
    pub fn internal_count(&self) -> &'a [u32] {
        &self.forest.internal_count[self.nodes()]
    }

    /// The output of each leaf.
    #[must_use]
    pub fn leaf_value(&self) -> &'a [f64] {
        &self.forest.leaf_value[self.leaves()]
    }

    /// The number of training rows in each leaf; zeros if the text has none.
    #[must_use]
    pub fn leaf_count(&self) -> &'a [u32] {
        &self.forest.leaf_count[self.leaves()]
    }

    /// Whether the text has row counts for all nodes and leaves, and each node's count is that of its children together. Leaves may
    /// have no rows, nodes have some.
    #[must_use]
    pub fn has_counts(&self) -> bool {
        let children = self.left_child().iter().zip(self.right_child());
        self.internal_count().iter().zip(children).all(|(count, (left, right))| {
            *count > 0 && u64::from(*count) == u64::from(self.count(*left)) + u64::from(self.count(*right))
        })
    }

    /// The training rows of a child, a node or a leaf.
    pub(crate) fn count(&self, child: i32) -> u32 {
        match usize::try_from(child) {
            Ok(node) => self.internal_count()[node],
            Err(_) => self.leaf_count()[!child as usize],
        }
    }

    /// The number of categorical splits' bitsets.
    #[must_use]
    pub fn num_categorical(&self) -> usize {
        self.span.num_categorical
    }

    /// The bitset at `index`: category `c` goes left if bit `c % 32` of word `c / 32` is set.
    ///
    /// # Panics
    /// If the bitset does not exist.
    #[must_use]
    pub fn bitset(&self, index: usize) -> &'a [u32] {
        assert!(index < self.span.num_categorical, "no such bitset");
        let bounds = &self.forest.cat_boundaries[self.span.categorical_bounds + index..][..2];
        let words = &self.forest.cat_threshold[self.span.categorical_words..];
        &words[bounds[0] as usize..bounds[1] as usize]
    }

    /// The linear models of the leaves, if the tree has them.
    #[must_use]
    pub fn linear(&self) -> Option<Linear<'a>> {
        let start = self.span.linear?;
        Some(Linear { forest: self.forest, start, num_leaves: self.span.num_leaves })
    }

    fn nodes(&self) -> std::ops::Range<usize> {
        self.span.nodes..self.span.nodes + self.span.num_leaves - 1
    }

    fn leaves(&self) -> std::ops::Range<usize> {
        self.span.leaves..self.span.leaves + self.span.num_leaves
    }
}

/// The linear models in the leaves of one tree: constant plus the sum of coefficients times features, in order.
///
/// If a feature of the leaf's model is missing in a row, the row gets the leaf's plain value.
#[derive(Clone, Copy)]
pub struct Linear<'a> {
    forest: &'a Forest,
    start: usize,
    num_leaves: usize,
}

impl<'a> Linear<'a> {
    /// The constant of each leaf.
    #[must_use]
    pub fn constants(&self) -> &'a [f64] {
        &self.forest.leaf_const[self.start..self.start + self.num_leaves]
    }

    /// The features of `leaf` and their coefficients, of the same length.
    ///
    /// # Panics
    /// If the leaf does not exist.
    #[must_use]
    pub fn terms(&self, leaf: usize) -> (&'a [u32], &'a [f64]) {
        assert!(leaf < self.num_leaves, "no such leaf");
        let leaf = self.start + leaf;
        let from = if leaf == 0 { 0 } else { self.forest.linear_ends[leaf - 1] };
        let range = from..self.forest.linear_ends[leaf];
        (&self.forest.leaf_features[range.clone()], &self.forest.leaf_coeff[range])
    }
}
