//! Metrics of ranked lists: the rows of each group, from the greatest score to the least.

use crate::dataset::{Dataset, Groups, Kind, Partitions};
use crate::metric::Metric;
use crate::resample::sums::{BLOCK, Block, Members, Source};
use crate::scores::Scores;

/// The list of every group, and of every group's rows in each segment, with the metrics of every version.
pub(crate) struct Lists {
    units: Vec<u32>,
    segments: Vec<u32>,
    segment_count: usize,
    /// The lists' weights; then their values, version by version and metric by metric, times their weights.
    columns: Vec<Vec<f64>>,
    metrics: usize,
}

impl Lists {
    /// Ranks the groups by the scores of every version.
    pub(crate) fn new(
        dataset: &Dataset,
        groups: &Groups,
        partitions: &Partitions<'_>,
        versions: &[Scores],
        metrics: &[Metric],
    ) -> Self {
        let orders: Vec<Vec<u32>> =
            versions.iter().map(|scores| scores.output(0).descending_in(groups)).collect();
        let mut lists = Self {
            units: Vec::new(),
            segments: Vec::new(),
            segment_count: partitions.len(),
            columns: vec![Vec::new(); 1 + versions.len() * metrics.len()],
            metrics: metrics.len(),
        };
        let mut end = 0;
        let group_of = |row: &u32| groups.ids[*row as usize];
        for rows in orders[0].chunk_by(|a, b| group_of(a) == group_of(b)) {
            let start = end;
            end += rows.len();
            for column in 0..partitions.per_row() {
                let segment_of = |row: &u32| partitions.of(column, *row as usize);
                let mut segments: Vec<u32> = rows.iter().map(segment_of).collect();
                segments.sort_unstable();
                segments.dedup();
                for segment in segments {
                    let ranked = orders.iter().map(|order| {
                        let members = order[start..end].iter().filter(|row| segment_of(row) == segment);
                        members.map(|row| *row as usize).collect()
                    });
                    lists.push(dataset, group_of(&rows[0]), segment, ranked, metrics);
                }
            }
        }
        lists
    }

    /// The value of a metric of a version from the sums of a segment.
    pub(crate) fn metric(&self, metric: usize, version: usize, sums: impl Fn(usize) -> f64) -> f64 {
        sums(1 + version * self.metrics + metric) / sums(0)
    }

    fn push(
        &mut self,
        dataset: &Dataset,
        unit: u32,
        segment: u32,
        ranked: impl Iterator<Item = Vec<usize>>,
        metrics: &[Metric],
    ) {
        self.units.push(unit);
        self.segments.push(segment);
        let [weights, columns @ ..] = self.columns.as_mut_slice() else { return };
        let mut columns = columns.iter_mut();
        let mut weight = 1.0;
        for (version, rows) in ranked.enumerate() {
            if version == 0 {
                weight = list_weight(dataset, &rows);
            }
            let grades: Vec<u8> = rows.iter().map(|row| grade(dataset, *row)).collect();
            for (metric, column) in metrics.iter().zip(columns.by_ref()) {
                column.push(match *metric {
                    Metric::Ndcg { at } => ndcg(&grades, at as usize).map_or(1.0, |ndcg| ndcg * weight),
                    Metric::Map { at } => average_precision(&grades, at as usize) * weight,
                    _ => f64::NAN,
                });
            }
        }
        weights.push(weight);
    }
}

impl Source for Lists {
    fn items(&self) -> usize {
        self.units.len()
    }

    fn columns(&self) -> usize {
        self.columns.len()
    }

    fn segments(&self) -> usize {
        self.segment_count
    }

    fn fill(&self, first: usize, block: &mut Block) {
        block.len = BLOCK.min(self.items() - first);
        let items = first..first + block.len;
        block.units[..block.len].copy_from_slice(&self.units[items.clone()]);
        for (values, column) in block.values.iter_mut().zip(&self.columns) {
            values[..block.len].copy_from_slice(&column[items.clone()]);
        }
        let mut segments = [0; BLOCK];
        segments[..block.len].copy_from_slice(&self.segments[items]);
        block.members = vec![Members::Each(Box::new(segments))];
    }
}

fn grade(dataset: &Dataset, row: usize) -> u8 {
    match &dataset.labels.0 {
        Kind::Grades(grades) => grades[row],
        _ => 0,
    }
}

/// The mean weight of a list's rows, computed with 32 bits in the rows' order, as in LightGBM.
fn list_weight(dataset: &Dataset, rows: &[usize]) -> f64 {
    let Some(weights) = &dataset.weights else { return 1.0 };
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    let sum = rows.iter().fold(0.0_f32, |sum, row| sum + weights[*row] as f32);
    f64::from(sum / rows.len() as f32)
}

/// NDCG of the first `at` of a ranked list; none if no row has a gain. Sums are in LightGBM's order.
fn ndcg(grades: &[u8], at: usize) -> Option<f64> {
    let gain = |grade: u8| f64::from((1_u32 << grade) - 1);
    let dcg = |grades: &mut dyn Iterator<Item = u8>| -> f64 {
        let gains =
            (0..at).zip(grades).map(|(index, grade)| gain(grade) * (1.0 / (2.0 + index as f64).log2()));
        gains.sum()
    };
    let mut best = grades.to_vec();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let most = dcg(&mut best.into_iter());
    (most > 0.0).then(|| dcg(&mut grades.iter().copied()) * (1.0 / most))
}

/// The average precision of the first `at` of a ranked list; 1 without hits.
fn average_precision(grades: &[u8], at: usize) -> f64 {
    let all = grades.iter().filter(|grade| **grade > 0).count();
    if all == 0 {
        return 1.0;
    }
    let hits = grades.iter().take(at).enumerate().filter(|(_, grade)| **grade > 0);
    let precisions = hits.enumerate().map(|(before, (index, _))| (before + 1) as f64 / (index + 1) as f64);
    precisions.sum::<f64>() / all.min(at).min(grades.len()) as f64
}
