//! The values that splits compare: LightGBM's rules for zero, missing values and categories, applied once per row and
//! column.
//!
//! The direction of a missing value is a property of the split (`missing_type` and `default_left`). The split's
//! [`View`] instead gives every value a position in the order of thresholds, so that one comparison decides: `!(value
//! <= threshold)` means right, also for missing values. Each view of a feature is a separate column.

use super::trees::Trees;
use crate::text::{DecisionType, MissingType};

/// LightGBM's `kZeroThreshold`, a float. Values of at most this magnitude are zero.
const ZERO_THRESHOLD: f64 = 1e-35_f32 as f64;

/// The way in which a split reads values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum View {
    /// NaN is zero.
    Plain,
    /// Zero and NaN go left.
    ZeroLeft,
    /// Zero and NaN go right.
    ZeroRight,
    /// NaN goes left.
    NanLeft,
    /// NaN goes right.
    NanRight,
    /// The value is a category.
    Category,
}

impl View {
    pub fn of(decision: DecisionType) -> Self {
        if decision.is_categorical() {
            return Self::Category;
        }
        match (decision.missing_type(), decision.default_left()) {
            (MissingType::None, _) => Self::Plain,
            (MissingType::Zero, true) => Self::ZeroLeft,
            (MissingType::Zero, false) => Self::ZeroRight,
            (MissingType::NaN, true) => Self::NanLeft,
            (MissingType::NaN, false) => Self::NanRight,
        }
    }

    /// The value to compare with thresholds. Minus infinity always goes left, NaN always goes right.
    #[inline]
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::Plain if value.is_nan() => 0.0,
            Self::ZeroLeft if value.is_nan() || value == 0.0 => f64::NEG_INFINITY,
            Self::ZeroRight if value == 0.0 => f64::NAN,
            Self::NanLeft if value.is_nan() => f64::NEG_INFINITY,
            _ => value,
        }
    }
}

/// The value that LightGBM's `predict` passes to the trees: it drops values of at most [`ZERO_THRESHOLD`], which are
/// then zero.
#[inline]
pub(super) fn without_tiny(value: f64) -> f64 {
    if value.abs() <= ZERO_THRESHOLD { 0.0 } else { value }
}

/// The category of a value, like LightGBM's cast to `int`.
#[inline]
pub(super) fn category(value: f64) -> Option<u32> {
    // The cast truncates towards zero, so -0.5 is category 0. A value that does not fit is undefined in C++ and results
    // in a negative number or one beyond every bitset, which is not a category in either case.
    (value > -1.0 && value < 2_147_483_648.0).then_some(value as u32)
}

/// A feature with a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub feature: u32,
    pub view: View,
}

/// The numbered columns of some trees.
pub(super) struct Columns {
    list: Vec<Column>,
    /// Per feature: the number of its first column, and one bit per view.
    numbers: Vec<(u32, u8)>,
}

impl Columns {
    /// The columns of these trees.
    pub fn collect(trees: Trees<'_>) -> Self {
        let mut numbers = vec![(0, 0_u8); trees.model.num_features()];
        for tree in trees.iter() {
            for (feature, decision) in tree.split_feature().iter().zip(tree.decision_type()) {
                numbers[*feature as usize].1 |= 1 << View::of(*decision) as u8;
            }
        }
        let all =
            [View::Plain, View::ZeroLeft, View::ZeroRight, View::NanLeft, View::NanRight, View::Category];
        let mut list = Vec::new();
        for (feature, (first, views)) in (0..).zip(&mut numbers) {
            *first = list.len() as u32;
            let used = all.into_iter().filter(|view| *views & (1 << *view as u8) != 0);
            list.extend(used.map(|view| Column { feature, view }));
        }
        Self { list, numbers }
    }

    pub fn list(&self) -> &[Column] {
        &self.list
    }

    pub fn number(&self, feature: u32, view: View) -> usize {
        let (first, views) = self.numbers[feature as usize];
        let before = views & ((1 << view as u8) - 1);
        first as usize + before.count_ones() as usize
    }
}
