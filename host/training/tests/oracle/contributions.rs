//! Contributions of random models next to LightGBM's.

use hydra_lightgbm::text::TextModel;
use hydra_lightgbm::{Matrix, Model};
use hydra_training::Booster;

/// Rows of nodes and of leaves, as text.
pub fn counts(left: &[i32], right: &[i32]) -> (String, String) {
    // Every size from 1 to some thousands, few of them large.
    let leaf = |leaf: usize| 1 + 40_000 / (1 + leaf.wrapping_mul(7919) % 997);
    let mut nodes = vec![0; left.len()];
    let mut order = Vec::from_iter((!left.is_empty()).then_some(0));
    let mut next = 0;
    while next < order.len() {
        let node: usize = order[next];
        order.extend([left[node], right[node]].into_iter().filter_map(|child| usize::try_from(child).ok()));
        next += 1;
    }
    for node in order.into_iter().rev() {
        let count = |child: i32| if child < 0 { leaf(!child as usize) } else { nodes[child as usize] };
        nodes[node] = count(left[node]) + count(right[node]);
    }
    let text = |counts: &mut dyn Iterator<Item = usize>| {
        counts.map(|count| count.to_string()).collect::<Vec<_>>().join(" ")
    };
    (text(&mut nodes.iter().copied()), text(&mut (0..=left.len()).map(leaf)))
}

/// The contributions next to LightGBM's, where its bindings have them and do not take minutes.
pub fn check(name: &str, model: TextModel, rows: &[f64]) {
    let largest = model.trees().map(|tree| tree.num_leaves()).max().unwrap_or_default();
    if model.num_class() > 1 || model.has_linear_trees() || largest > 1000 || model.num_features() > 100 {
        return;
    }
    let booster = Booster::load(&model).unwrap();
    let model = Model::from_text_model(model).unwrap();
    let width = booster.features();
    let rows = &rows[..rows.len().min(40 * width)];
    let ours = model.contributions(&Matrix::from_rows(rows, width).unwrap()).unwrap();
    let theirs = booster.contributions(rows).unwrap();
    for (ours, theirs) in ours.chunks_exact(width + 1).zip(theirs.chunks_exact(width + 1)) {
        let largest = theirs.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!(
                (ours - theirs).abs() <= 1e-10 * largest,
                "{name}: {ours:e} is not {theirs:e} of {largest:e}"
            );
        }
    }
}
