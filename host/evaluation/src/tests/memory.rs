//! The memory that measuring takes besides scores and labels: 4 bytes for an order of each version, and 4 for one version.

use super::{Random, measured, metrics, scores};
use crate::{Dataset, Labels, Options, Scores, Segments};
use hydra_base::Sha256;

const VERSIONS: usize = 3;

/// Rows of two classes in segments, and the scores of three versions.
fn input(rows: usize) -> (Dataset, Vec<Scores>) {
    let random = &mut Random(11);
    let labels = (0..rows).map(|_| (random.bits() % 2) as u16).collect();
    let ids = (0..rows).map(|_| (random.bits() % 5) as u16).collect();
    let segments = Segments::new("column", ids, (0..5).map(|id| Some(id.to_string())).collect()).unwrap();
    let dataset = Dataset::new(Labels::classes(labels, 2).unwrap(), Sha256::of(b"rows"));
    let mut version = || scores((0..rows).map(|_| random.uniform()).collect::<Vec<f64>>());
    let versions = (0..VERSIONS).map(|_| version()).collect();
    (dataset.with_segments(segments).unwrap(), versions)
}

/// The most bytes that are allocated at the same time.
fn most_bytes(rows: usize, weighted: bool) -> u64 {
    let (mut dataset, versions) = input(rows);
    if weighted {
        dataset = dataset.with_weights(vec![1.5; rows]).unwrap();
    }
    let names =
        ["auc", "average_precision", "log_loss", "brier", "accuracy", "f1", "balanced_accuracy", "ece"];
    // Allocations are counted on this thread alone.
    let options = Options { threads: 1, resamples: 16, ..Options::new(metrics(&names)) };
    allocation_counter::measure(|| {
        measured(&dataset, &versions, &options);
    })
    .bytes_max
}

#[test]
fn memory_grows_by_an_order_for_each_version() {
    let (few, many) = (20_000, 60_000);
    for weighted in [false, true] {
        let growth = most_bytes(many, weighted) - most_bytes(few, weighted);
        let orders = (4 * VERSIONS + 4) * (many - few);
        assert!(growth <= orders as u64, "{growth} bytes, not {orders}; weighted: {weighted}");
    }
}
