//! Resamples: the same for all versions, segments and numbers of threads.

use super::{Random, measured, metrics, scores};
use crate::{Dataset, Labels, Measured, Options, Scores, Segments};
use hydra_base::Sha256;

const ROWS: usize = 700;

/// Rows of two classes with two versions' scores, some of them equal.
fn binary(random: &mut Random) -> (Dataset, Vec<Scores>) {
    let labels: Vec<u16> = (0..ROWS).map(|_| (random.bits() % 2) as u16).collect();
    let version = |random: &mut Random| {
        let score = |label: &u16| {
            let raw = f64::from(*label) + random.normal();
            (1.0 / (1.0 + (-raw).exp()) * 50.0).round() / 50.0
        };
        scores(labels.iter().map(score).collect::<Vec<f64>>())
    };
    let versions = vec![version(random), version(random)];
    (Dataset::new(Labels::classes(labels, 2).unwrap(), Sha256::of(b"binary")), versions)
}

fn with_segments(dataset: Dataset, random: &mut Random) -> Dataset {
    let ids = (0..ROWS).map(|_| (random.bits() % 3) as u16).collect();
    let values = ["a", "b", "c"].map(|value| Some(value.to_owned())).to_vec();
    dataset.with_segments(Segments::new("column", ids, values).unwrap()).unwrap()
}

fn weights(random: &mut Random) -> Vec<f64> {
    (0..ROWS).map(|_| random.uniform() * 3.0).collect()
}

pub(super) const BINARY: [&str; 7] =
    ["auc", "average_precision", "log_loss", "brier", "accuracy", "f1", "balanced_accuracy"];

fn bits(measured: &Measured) -> Vec<u64> {
    let of_values = measured.measurements.iter().map(|one| (one.value, one.interval));
    let of_differences = measured.comparisons.iter().map(|one| (one.difference, one.interval));
    let numbers = of_values.chain(of_differences).flat_map(|(value, interval)| {
        let [low, high] = interval.map_or([0.0; 2], |interval| [interval.low, interval.high]);
        [value, low, high]
    });
    numbers.map(f64::to_bits).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let random = &mut Random(1);
    let (dataset, versions) = binary(random);
    let dataset = with_segments(dataset.with_weights(weights(random)).unwrap(), random);
    let with_threads = |threads| {
        let options = Options { threads, resamples: 130, ..Options::new(metrics(&BINARY)) };
        bits(&measured(&dataset, &versions, &options))
    };
    let one = with_threads(1);
    for threads in [2, 3, 8] {
        assert_eq!(with_threads(threads), one, "{threads} threads");
    }
}

#[test]
fn the_same_digest_gives_the_same_intervals_and_another_gives_others() {
    let random = &mut Random(2);
    let (dataset, versions) = binary(random);
    let with_digest = |digest: &[u8]| {
        let dataset = Dataset { digest: Sha256::of(digest), ..dataset.clone() };
        let options = Options { resamples: 100, ..Options::new(metrics(&["brier"])) };
        bits(&measured(&dataset, &versions, &options))
    };
    assert_eq!(with_digest(b"a"), with_digest(b"a"));
    assert_ne!(with_digest(b"a"), with_digest(b"b"));
}

#[test]
fn segments_do_not_change_the_intervals_of_all_rows() {
    let random = &mut Random(3);
    let (dataset, versions) = binary(random);
    let dataset = dataset.with_weights(weights(random)).unwrap();
    let options = Options { resamples: 100, ..Options::new(metrics(&BINARY)) };
    let without = measured(&dataset, &versions, &options);
    let with = measured(&with_segments(dataset, random), &versions, &options);
    let all: Vec<_> = with.measurements.iter().filter(|one| one.segment.is_none()).cloned().collect();
    assert_eq!(all, without.measurements);
}

/// A segment that is all rows has the intervals of all rows, because it is measured on the same resamples.
#[test]
fn segments_are_measured_on_the_same_resamples() {
    let random = &mut Random(4);
    let (dataset, versions) = binary(random);
    let everything = Segments::new("column", vec![0; ROWS], vec![Some("everything".to_owned())]).unwrap();
    let dataset = dataset.with_weights(weights(random)).unwrap().with_segments(everything).unwrap();
    let options = Options { resamples: 100, ..Options::new(metrics(&BINARY)) };
    let measured = measured(&dataset, &versions, &options);
    assert_eq!(measured.segments[0].rows, ROWS as u64);
    for pair in measured.measurements.chunks_exact(2) {
        assert_eq!((pair[0].segment, pair[1].segment), (None, Some(0)));
        let [all, segment] = [&pair[0], &pair[1]].map(|one| {
            let interval = one.interval.unwrap();
            [one.value, interval.low, interval.high]
        });
        for (all, segment) in all.into_iter().zip(segment) {
            assert!((all - segment).abs() < 1e-12, "{}: {all} {segment}", pair[0].metric);
        }
    }
}

#[test]
fn a_version_does_not_differ_from_itself() {
    let random = &mut Random(5);
    let (dataset, versions) = binary(random);
    let twice = [versions[0].clone(), versions[0].clone()];
    for dataset in [dataset.clone(), dataset.with_weights(weights(random)).unwrap()] {
        let options = Options { resamples: 64, ..Options::new(metrics(&BINARY)) };
        for comparison in measured(&dataset, &twice, &options).comparisons {
            let interval = comparison.interval.unwrap();
            assert_eq!((comparison.difference, interval.low, interval.high), (0.0, 0.0, 0.0));
        }
    }
}

/// Resamples that draw whole groups give wider intervals where rows of a group are alike.
#[test]
fn groups_are_drawn_whole() {
    let random = &mut Random(6);
    let (dataset, versions) = binary(random);
    let copies = |values: &[f64]| values.iter().flat_map(|value| [*value; 4]).collect::<Vec<f64>>();
    let labels: Vec<u16> = dataset.class_ids().iter().flat_map(|id| [*id; 4]).collect();
    let four = Dataset::new(Labels::classes(labels, 2).unwrap(), Sha256::of(b"binary"));
    let groups = (0..4 * ROWS as u32).map(|row| row / 4).collect();
    let grouped = four.clone().with_groups(groups, ROWS).unwrap();
    let values = |scores: &Scores| (0..ROWS).map(|row| scores.row(row)[0]).collect::<Vec<f64>>();
    let version = [scores(copies(&values(&versions[0])))];
    let options = Options { resamples: 400, ..Options::new(metrics(&["brier", "average_precision"])) };
    let width = |dataset: &Dataset, versions: &[Scores], index: usize| {
        let interval = measured(dataset, versions, &options).measurements[index].interval.unwrap();
        interval.high - interval.low
    };
    for index in 0..2 {
        let single = width(&dataset, &versions[..1], index);
        // Each group has one row's information, and is drawn as that row is.
        assert!((width(&grouped, &version, index) / single - 1.0).abs() < 1e-9, "{index}");
        let ratio = width(&four, &version, index) / single;
        assert!((0.4..0.6).contains(&ratio), "{index}: {ratio}");
    }
}

#[test]
fn too_few_rows_have_no_intervals() {
    let dataset = super::classes(&[0, 1]);
    let values = ["one", "two"].map(|value| Some(value.to_owned())).to_vec();
    let dataset = dataset.with_segments(Segments::new("column", vec![0, 1], values).unwrap()).unwrap();
    let measured = measured(&dataset, &[scores([0.2, 0.4])], &Options::new(metrics(&["auc", "brier"])));
    let found: Vec<bool> = measured.measurements.iter().map(|one| one.interval.is_some()).collect();
    // One row of a class is too few for a variance, and more than 5 % of the resamples of two rows are empty.
    assert_eq!(found, [false; 6]);
    assert!(measured.measurements[1].value.is_nan());
}

#[test]
fn without_resamples_only_delong_gives_intervals() {
    let random = &mut Random(7);
    let (dataset, versions) = binary(random);
    let options = Options { resamples: 0, ..Options::new(metrics(&BINARY)) };
    let measured = measured(&dataset, &versions, &options);
    for one in measured.measurements {
        assert_eq!(one.interval.is_some(), one.metric.to_string() == "auc", "{}", one.metric);
    }
}

#[test]
fn progress_ends_at_its_total() {
    let random = &mut Random(8);
    let (dataset, versions) = binary(random);
    let dataset = dataset.with_weights(weights(random)).unwrap();
    let seen = std::sync::Mutex::new(Vec::new());
    let options = Options { resamples: 100, ..Options::new(metrics(&["auc", "brier"])) };
    crate::measure(&dataset, &versions, 0, &options, &|done, total| seen.lock().unwrap().push((done, total)))
        .unwrap();
    let last = seen.into_inner().unwrap().into_iter().max();
    assert_eq!(last, Some((21, 21)));
}

/// A segment far from the others has the intervals that it has alone.
#[test]
fn intervals_of_r2_do_not_depend_on_other_segments() {
    let random = &mut Random(9);
    let near: Vec<f64> = (0..ROWS).map(|_| random.normal()).collect();
    let off: Vec<f64> = near.iter().map(|label| label + 0.5 * random.normal()).collect();
    let far = |values: &[f64]| values.iter().map(|value| 1e9 + value).collect::<Vec<f64>>();
    let both = |values: &[f64]| [values.to_vec(), far(values)].concat();
    let ids: Vec<u16> = (0..2 * ROWS).map(|row| u16::from(row >= ROWS)).collect();
    let names = ["near", "far"].map(|name| Some(name.to_owned())).to_vec();
    let segments = Segments::new("where", ids, names).unwrap();
    let dataset = |labels: Vec<f64>| Dataset::new(Labels::values(labels).unwrap(), Sha256::of(b"rows"));
    let options = Options { resamples: 200, ..Options::new(metrics(&["r2"])) };
    let together = dataset(both(&near)).with_segments(segments).unwrap();
    let together = measured(&together, &[scores(both(&off))], &options);
    let alone = measured(&dataset(near.clone()), &[scores(off.clone())], &options);
    let [_, of_near, of_far] = &together.measurements[..] else { panic!("{together:?}") };
    let ends = |one: &crate::Measurement| one.interval.map(|interval| [interval.low, interval.high]).unwrap();
    for (found, expected) in ends(of_near).into_iter().zip(ends(&alone.measurements[0])) {
        assert!((found - expected).abs() < 1e-9, "{of_near:?} {:?}", alone.measurements[0]);
    }
    // Other rows are drawn, and labels around 1e9 are rounded to 1e-7.
    assert!(ends(of_far).into_iter().zip(ends(of_near)).all(|(far, near)| (far - near).abs() < 0.1));
}
