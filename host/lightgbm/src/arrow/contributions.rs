//! Contributions as columns: all of them, or the strongest of each row.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray};

use super::numbers;
use crate::loaded::Model;
use hydra_base::{Error, ErrorKind, Result};

/// A column for each contribution, in the order of [`Model::contributions`].
pub(super) fn all(model: &Model, values: &[f64]) -> Vec<(String, ArrayRef)> {
    let suffixes = suffixes(model);
    let names = suffixes.iter().flat_map(|suffix| {
        let features = model.feature_names().iter().map(move |name| format!("contribution_{name}{suffix}"));
        features.chain([format!("expected_value{suffix}")])
    });
    numbers(values, names.collect())
}

/// The `top` features with the largest contributions of each row, and their contributions; two columns for each rank.
pub(super) fn strongest(model: &Model, values: &[f64], top: usize) -> Result<Vec<(String, ArrayRef)>> {
    let features = model.feature_names();
    let (width, top) = (features.len() + 1, top.min(features.len()));
    let suffixes = suffixes(model);
    let mut columns = Vec::with_capacity(suffixes.len() * top * 2);
    for (output, suffix) in suffixes.iter().enumerate() {
        let rows = values.chunks_exact(width).skip(output).step_by(suffixes.len());
        let mut ranked = vec![Vec::with_capacity(rows.len()); top];
        let mut order = Vec::with_capacity(features.len());
        for row in rows {
            rank(&row[..features.len()], top, &mut order);
            for (ranked, feature) in ranked.iter_mut().zip(&order) {
                ranked.push((*feature, row[*feature]));
            }
        }
        for (index, ranked) in ranked.into_iter().enumerate() {
            let bytes = ranked.iter().map(|(feature, _)| features[*feature].len()).sum::<usize>();
            if i32::try_from(bytes).is_err() {
                return Err(Error::new(
                    ErrorKind::ContributionsSize,
                    "the names of the strongest features take too many bytes",
                )
                .with_context("bytes", bytes)
                .with_context("rows", ranked.len())
                .with_hint("predict fewer rows at a time"));
            }
            let names = ranked.iter().map(|(feature, _)| &features[*feature]);
            let names: ArrayRef = Arc::new(StringArray::from_iter_values(names));
            let values = ranked.iter().map(|(_, contribution)| *contribution);
            let values: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
            let rank = index + 1;
            columns.push((format!("top_{rank}_feature{suffix}"), names));
            columns.push((format!("top_{rank}_contribution{suffix}"), values));
        }
    }
    Ok(columns)
}

/// What the names of each output's columns end in.
fn suffixes(model: &Model) -> Vec<String> {
    match model.num_outputs() {
        1 => vec![String::new()],
        outputs => (0..outputs).map(|output| format!("_{output}")).collect(),
    }
}

/// The numbers of the `top` contributions that are largest in size, in that order; of equals, the first one is first.
fn rank(contributions: &[f64], top: usize, order: &mut Vec<usize>) {
    let by_size = |a: &usize, b: &usize| {
        contributions[*b].abs().total_cmp(&contributions[*a].abs()).then_with(|| a.cmp(b))
    };
    order.clear();
    order.extend(0..contributions.len());
    if top < order.len() {
        order.select_nth_unstable_by(top, by_size);
        order.truncate(top);
    }
    order.sort_unstable_by(by_size);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_go_by_size_and_then_by_position() {
        let mut order = Vec::new();
        for (top, expected) in [(1, &[3][..]), (3, &[3, 0, 2]), (5, &[3, 0, 2, 1, 4])] {
            rank(&[-2.0, 0.0, 2.0, -3.5, 0.0], top, &mut order);
            assert_eq!(order, expected);
        }
    }
}
