//! Trees evaluated for a block of rows.

use super::compile::{Constants, Side, Step};
use super::quadrature::Point;

/// A row of a block: how it meets splits, and where its contributions are added.
pub(super) trait Row {
    /// Whether the row goes right at the node at `place`.
    fn goes_right(&self, place: u32) -> bool;

    /// Adds to the contribution of a feature.
    fn add(&mut self, feature: u32, contribution: f64);
}

/// Adds the contributions of one tree at all `points` of its rule, `N` at a time, for each row.
pub(super) fn evaluate<const N: usize, R: Row>(steps: &[Step], points: &[Point], rows: &mut [R]) {
    let mut work = Workspace::<N>::new(steps.len());
    for points in points.as_chunks::<N>().0 {
        let constants: Vec<_> = steps.iter().map(|step| step.constants(points)).collect();
        let weights = points.map(|point| point.weight);
        for row in &mut *rows {
            work.descend(steps, &constants, weights, row);
            work.ascend(steps, &constants, row);
        }
    }
}

/// The bytes that [`evaluate`] needs for a tree: constants, sums and flags.
pub(super) fn workspace_size(steps: usize, lanes: usize) -> usize {
    let constants = lanes * size_of::<[Constants<1>; 3]>();
    let sums = 2 * lanes * size_of::<f64>();
    steps.saturating_mul(constants + sums + 3)
}

struct Workspace<const N: usize> {
    /// Per place: on the way down the product of the factors to there, on the way up the sum over the leaves below.
    sums: Vec<[f64; N]>,
    /// Per place: whether the row takes all splits above on the feature of the split just above.
    hot: Vec<bool>,
    sides: Vec<Side>,
}

impl<const N: usize> Workspace<N> {
    fn new(steps: usize) -> Self {
        let mut hot = vec![false; 2 * steps + 1];
        hot[0] = true;
        Self { sums: vec![[0.0; N]; 2 * steps + 1], hot, sides: vec![Side::Neither; steps] }
    }

    fn descend<R: Row>(
        &mut self,
        steps: &[Step],
        constants: &[[Constants<N>; 3]],
        weights: [f64; N],
        row: &R,
    ) {
        self.sums[0] = weights;
        let sides = self.sides.iter_mut();
        for (index, ((step, constants), kept)) in steps.iter().zip(constants).zip(sides).enumerate() {
            let side = match (self.hot[step.outer as usize], row.goes_right(step.place)) {
                (true, false) => Side::Left,
                (true, true) => Side::Right,
                (false, _) => Side::Neither,
            };
            *kept = side;
            self.hot[2 * index + 1] = side == Side::Left;
            self.hot[2 * index + 2] = side == Side::Right;
            let here = self.sums[step.place as usize];
            let [left, right] = &constants[side as usize].factors;
            self.sums[2 * index + 1] = std::array::from_fn(|lane| here[lane] * left[lane]);
            self.sums[2 * index + 2] = std::array::from_fn(|lane| here[lane] * right[lane]);
        }
    }

    fn ascend<R: Row>(&mut self, steps: &[Step], constants: &[[Constants<N>; 3]], row: &mut R) {
        let all = steps.iter().zip(constants).zip(&self.sides).enumerate();
        for (index, ((step, constants), side)) in all.rev() {
            let (left, right) = (self.sums[2 * index + 1], self.sums[2 * index + 2]);
            self.sums[step.place as usize] = std::array::from_fn(|lane| left[lane] + right[lane]);
            let [left_gain, right_gain] = &constants[*side as usize].gains;
            let gains: [f64; N] =
                std::array::from_fn(|lane| left[lane] * left_gain[lane] + right[lane] * right_gain[lane]);
            row.add(step.feature, gains.iter().sum());
        }
    }
}
