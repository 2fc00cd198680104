//! Tests of what [`crate::measure`] gives.

mod bootstrap;
mod coverage;
mod memory;
mod parity;
mod refused;

use crate::{Dataset, Labels, Measured, Metric, Options, Scores, measure};
use hydra_base::Sha256;

/// Labels of two classes.
fn classes(labels: &[u16]) -> Dataset {
    Dataset::new(Labels::classes(labels.to_vec(), 2).unwrap(), Sha256::of(b"rows"))
}

/// Scores of one output.
fn scores(values: impl Into<Vec<f64>>) -> Scores {
    Scores::new(values.into(), 1).unwrap()
}

/// Metrics by their names.
fn metrics(names: &[&str]) -> Vec<Metric> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// What is measured without progress, in comparison with the first version.
fn measured(dataset: &Dataset, versions: &[Scores], options: &Options) -> Measured {
    measure(dataset, versions, 0, options, &|_, _| ()).unwrap()
}

/// A generator for test data: SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number between 0 and 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// A number of the standard normal distribution.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
