//! Writes a model for LightGBM.

use std::fmt::{Display, Write as _};

use super::TextModel;
use super::forest::Tree;

/// The text of `model`, in LightGBM's order and form.
pub(super) fn emit(model: &TextModel) -> String {
    let mut trees = String::new();
    let mut sizes = Vec::with_capacity(model.num_trees());
    for (index, tree) in model.trees().enumerate() {
        let start = trees.len();
        emit_tree(&mut trees, index, tree);
        sizes.push(trees.len() - start);
    }
    let mut text = emit_header(model, &sizes);
    text.push_str(&trees);
    text.push_str("end of trees\n");
    text
}

fn emit_header(model: &TextModel, sizes: &[usize]) -> String {
    let header = &model.header;
    let mut text = String::from("tree\n");
    let mut line = |key: &str, value: &dyn Display| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key}={value}");
    };
    line("version", &header.version.name());
    line("num_class", &header.num_class);
    line("num_tree_per_iteration", &header.num_class);
    line("label_index", &header.label_index);
    line("max_feature_idx", &(header.feature_names.len() - 1));
    if let Some(objective) = &header.objective_text {
        line("objective", objective);
    }
    if header.average_output {
        text.push_str("average_output\n");
    }
    list(&mut text, "feature_names", &header.feature_names);
    if let Some(constraints) = &header.monotone_constraints {
        list(&mut text, "monotone_constraints", constraints);
    }
    list(&mut text, "feature_infos", [&header.feature_infos]);
    list(&mut text, "tree_sizes", sizes);
    text.push('\n');
    text
}

fn emit_tree(text: &mut String, index: usize, tree: Tree<'_>) {
    let _ =
        writeln!(text, "Tree={index}\nnum_leaves={}\nnum_cat={}", tree.num_leaves(), tree.num_categorical());
    list(text, "split_feature", tree.split_feature());
    list(text, "split_gain", exact(tree.split_gain()));
    list(text, "threshold", exact(tree.threshold()));
    list(text, "decision_type", tree.decision_type().iter().map(|decision| decision.bits()));
    list(text, "left_child", tree.left_child());
    list(text, "right_child", tree.right_child());
    list(text, "leaf_value", exact(tree.leaf_value()));
    list(text, "leaf_count", tree.leaf_count());
    list(text, "internal_count", tree.internal_count());
    if tree.num_categorical() > 0 {
        let bitsets = || (0..tree.num_categorical()).map(|index| tree.bitset(index));
        let ends = bitsets().scan(0, |end, bitset| {
            *end += bitset.len();
            Some(*end)
        });
        list(text, "cat_boundaries", std::iter::once(0).chain(ends));
        list(text, "cat_threshold", bitsets().flatten());
    }
    if let Some(linear) = tree.linear() {
        let leaves = || (0..tree.num_leaves()).map(|leaf| linear.terms(leaf));
        text.push_str("is_linear=1\n");
        list(text, "leaf_const", exact(linear.constants()));
        list(text, "num_features", leaves().map(|(features, _)| features.len()));
        list(text, "leaf_features", leaves().flat_map(|(features, _)| features));
        list(text, "leaf_coeff", leaves().flat_map(|(_, coefficients)| exact(coefficients)));
    } else {
        text.push_str("is_linear=0\n");
    }
    text.push_str("shrinkage=1\n\n\n");
}

/// The shortest decimals that parse to the same values, in exponent form, which is short for every value.
fn exact<T: Copy + std::fmt::LowerExp>(values: &[T]) -> impl IntoIterator<Item = impl Display> {
    values.iter().map(|value| std::fmt::from_fn(|f| value.fmt(f)))
}

fn list<T: Display>(text: &mut String, key: &str, values: impl IntoIterator<Item = T>) {
    text.push_str(key);
    let mut separator = '=';
    for value in values {
        let _ = write!(text, "{separator}{value}");
        separator = ' ';
    }
    if separator == '=' {
        text.push('=');
    }
    text.push('\n');
}
