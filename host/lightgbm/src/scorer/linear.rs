//! Linear models in leaves.

use super::view::without_tiny;
use crate::text::Tree;

/// The linear models of one tree's leaves.
pub(super) struct LinearTree {
    leaves: Vec<Leaf>,
    features: Vec<u32>,
    coefficients: Vec<f64>,
}

struct Leaf {
    /// The output when a feature is missing.
    value: f64,
    constant: f64,
    start: usize,
    end: usize,
}

impl LinearTree {
    pub fn compile(tree: Tree<'_>) -> Option<Self> {
        let linear = tree.linear()?;
        let mut compiled = Self { leaves: Vec::new(), features: Vec::new(), coefficients: Vec::new() };
        for (leaf, (value, constant)) in tree.leaf_value().iter().zip(linear.constants()).enumerate() {
            let (features, coefficients) = linear.terms(leaf);
            let start = compiled.features.len();
            compiled.features.extend_from_slice(features);
            compiled.coefficients.extend_from_slice(coefficients);
            let end = compiled.features.len();
            compiled.leaves.push(Leaf { value: *value, constant: *constant, start, end });
        }
        Some(compiled)
    }

    /// The output of a row that ends in `leaf`.
    pub fn output(&self, leaf: u32, value: impl Fn(usize) -> f64) -> f64 {
        let leaf = &self.leaves[leaf as usize];
        let mut output = leaf.constant;
        let terms = self.features[leaf.start..leaf.end].iter().zip(&self.coefficients[leaf.start..leaf.end]);
        for (feature, coefficient) in terms {
            let value = without_tiny(value(*feature as usize));
            if value.is_nan() {
                return leaf.value;
            }
            output += coefficient * value;
        }
        output
    }
}
