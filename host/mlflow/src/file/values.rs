//! Params, tags and metrics: one file per key.
//!
//! The file of a param or tag contains its value. The file of a metric has one line for each point: timestamp, value
//! and step, separated by single spaces; for a LoggedModel also the run; then the name and digest of the dataset that it
//! was measured on, if there is one. MLflow also reads lines without a step.

use std::collections::BTreeMap;
use std::io::BufRead;

use crate::entities::Metric;
use crate::file::transaction::Transaction;
use crate::file::tree::{Tree, failed};
use crate::rules;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::RunId;

/// The longest valid line of a metric file.
const MAX_LINE_BYTES: usize = 4096;

/// The values of all keys below `directory`.
pub(super) fn read_all(tree: &Tree, directory: &str) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for key in tree.files_below(directory)? {
        // A file may be removed between the listing and the read.
        if let Some(text) = tree.read(&format!("{directory}/{key}"))? {
            values.insert(key, text);
        }
    }
    Ok(values)
}

/// The latest point of every metric below `directory`, sorted by key.
pub(super) fn latest_metrics(tree: &Tree, directory: &str) -> Result<Vec<Metric>> {
    let mut metrics = Vec::new();
    for key in tree.files_below(directory)? {
        metrics.extend(latest_point(tree, directory, &key)?);
    }
    Ok(metrics)
}

/// Plans one line for each of `points`, sorted by key, below the directory of a run or a LoggedModel.
pub(super) fn plan_append(
    tree: &Tree,
    transaction: &mut Transaction,
    directory: &str,
    points: &[Metric],
    line: impl Fn(&Metric) -> String,
) -> Result<()> {
    for of_one_key in points.chunk_by(|a, b| a.key == b.key) {
        let path = format!("{directory}/metrics/{}", of_one_key[0].key);
        let size = if tree.is_file(&path)? { tree.lines(&path)?.map_or(0, |(_, size)| size) } else { 0 };
        transaction.append(path, size, of_one_key.iter().map(&line).collect::<String>());
    }
    Ok(())
}

/// The line of a LoggedModel's point, which contains the run that measured it.
pub(super) fn model_metric_line(point: &Metric, run: &RunId, dataset: Option<&(String, String)>) -> String {
    format!("{} {run}{}\n", bare_line(point), suffix(dataset))
}

/// The line of a point, in Python's format.
pub(super) fn metric_line(point: &Metric, dataset: Option<&(String, String)>) -> String {
    format!("{}{}\n", bare_line(point), suffix(dataset))
}

fn suffix(dataset: Option<&(String, String)>) -> String {
    dataset.map(|(name, digest)| format!(" {name} {digest}")).unwrap_or_default()
}

fn bare_line(point: &Metric) -> String {
    // Python's `float` parses `NaN`, `inf` and every form in which Rust prints a number.
    let value = if point.value.is_nan() { "nan".to_owned() } else { format!("{:?}", point.value) };
    format!("{} {value} {}", point.timestamp, point.step)
}

fn latest_point(tree: &Tree, directory: &str, key: &str) -> Result<Option<Metric>> {
    let path = format!("{directory}/{key}");
    let damaged = || {
        Error::new(ErrorKind::Storage, "a metric file of the store is damaged")
            .with_context("path", tree.root().join(&path).display())
            .with_hint("write a timestamp, a value and a step on each line, separated by single spaces")
    };
    let Some((mut reader, _)) = tree.lines(&path)? else { return Ok(None) };
    let mut latest: Option<Metric> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = read_line(&mut reader, &mut line)
            .map_err(|error| failed("read", &tree.root().join(&path), error))?;
        if !read {
            return latest.map(Some).ok_or_else(damaged);
        }
        let point =
            std::str::from_utf8(&line).ok().and_then(|line| parse_line(key, line)).ok_or_else(damaged)?;
        if latest.as_ref().is_none_or(|earlier| rules::is_later(&point, earlier)) {
            latest = Some(point);
        }
    }
}

/// Reads a line of at most [`MAX_LINE_BYTES`]. A longer line is truncated, and then it does not parse.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    use std::io::Read as _;
    Ok(reader.take(MAX_LINE_BYTES as u64).read_until(b'\n', line)? > 0)
}

fn parse_line(key: &str, line: &str) -> Option<Metric> {
    let fields: Vec<&str> = line.trim_end().split(' ').collect();
    let step = match fields[..] {
        [_, _] => 0,
        [_, _, step] | [_, _, step, _, _] => step.parse().ok()?,
        _ => return None,
    };
    Some(Metric {
        key: key.to_owned(),
        value: fields[1].parse().ok()?,
        timestamp: fields[0].parse().ok()?,
        step,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_mlflow_reads_them() {
        let point = |value, timestamp, step| Some(Metric { key: "auc".into(), value, timestamp, step });
        assert_eq!(parse_line("auc", "5 0.91 2\n"), point(0.91, 5, 2));
        assert_eq!(parse_line("auc", "5 1e-07\r\n"), point(1e-7, 5, 0));
        assert_eq!(parse_line("auc", "5 -inf -2 data 0a1b\n"), point(f64::NEG_INFINITY, 5, -2));
        assert_eq!(parse_line("auc", "5 Infinity 2\n"), point(f64::INFINITY, 5, 2));
        for bad in ["", "5", "5  0.9 2", "5 x 2", "5 0.9 2 data", "x 0.9 2", "5 0.9 2.5"] {
            assert_eq!(parse_line("auc", bad), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_survive_their_line() {
        for value in [0.1 + 0.2, 1e22, 1e-300, -0.0, f64::MAX, f64::INFINITY, f64::NEG_INFINITY] {
            let point = Metric { key: "auc".into(), value, timestamp: 7, step: -1 };
            assert_eq!(parse_line("auc", &metric_line(&point, None)), Some(point));
        }
    }
}
