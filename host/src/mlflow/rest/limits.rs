//! MLflow's limits on what is logged on a run, and how a batch is cut to fit them.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::mlflow::entities::{Metric, RunBatch};
use crate::mlflow::names::{Key, printable};

/// The most metrics, and the most entries of all kinds, in one `log-batch` request.
const MAX_ENTRIES: usize = 1000;
/// The most params, and the most tags, in one `log-batch` request.
const MAX_PARAMS: usize = 100;
const MAX_TAGS: usize = 100;
/// Longer param values are cut here: servers from 2.22 do the same, 2.9 refuses the whole batch.
const MAX_PARAM_CHARS: usize = 6000;
/// Longer run tags are cut to the first, as servers from 2.22 do; where an older one refuses that, to the second.
pub(super) const RUN_TAG_CHARS: [usize; 2] = [8000, 5000];

/// One request's worth of a batch.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chunk<'a> {
    pub(super) metrics: &'a [Metric],
    pub(super) params: Vec<(&'a str, &'a str)>,
    pub(super) tags: Vec<(&'a str, &'a str)>,
}

/// Cuts a batch into requests. `InvalidName` for a key that MLflow refuses, `InvalidArgument` for one param with two
/// values. Of one tag given twice the last counts.
pub(super) fn chunks(batch: &RunBatch) -> Result<Vec<Chunk<'_>>> {
    for metric in &batch.metrics {
        Key::new(metric.key.as_str())?;
    }
    let mut params: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, value) in &batch.params {
        Key::new(key.as_str())?;
        let value = cut(value, MAX_PARAM_CHARS);
        if params.insert(key, value).is_some_and(|other| other != value) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "a param is given twice with different values",
            )
            .with_context("param", printable(key)));
        }
    }
    let mut tags: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, value) in &batch.tags {
        Key::new(key.as_str())?;
        tags.insert(key, value);
    }
    let params: Vec<_> = params.into_iter().collect();
    let tags: Vec<_> = tags.into_iter().collect();
    let mut params = params.chunks(MAX_PARAMS);
    let mut tags = tags.chunks(MAX_TAGS);
    let mut metrics = batch.metrics.as_slice();
    let mut chunks = Vec::new();
    loop {
        let params = params.next().unwrap_or_default().to_vec();
        let tags = tags.next().unwrap_or_default().to_vec();
        let room = MAX_ENTRIES - params.len() - tags.len();
        let (first, rest) = metrics.split_at(room.min(metrics.len()));
        metrics = rest;
        let chunk = Chunk { metrics: first, params, tags };
        if chunk == Chunk::default() {
            return Ok(chunks);
        }
        chunks.push(chunk);
    }
}

/// The first `limit` characters of `text`.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(key: &str, step: i64) -> Metric {
        Metric { key: key.to_owned(), value: 0.5, timestamp: 1, step }
    }

    #[test]
    fn no_request_exceeds_a_limit_and_nothing_is_lost() {
        let batch = RunBatch {
            metrics: (0..2500).map(|step| metric("auc", step)).collect(),
            params: (0..250).map(|n| (format!("p{n}"), n.to_string())).collect(),
            tags: (0..101).map(|n| (format!("t{n}"), n.to_string())).collect(),
        };
        let chunks = chunks(&batch).expect("chunks");
        assert_eq!(chunks.len(), 3);
        for chunk in &chunks {
            assert!(chunk.params.len() <= 100 && chunk.tags.len() <= 100);
            assert!(chunk.metrics.len() + chunk.params.len() + chunk.tags.len() <= 1000);
        }
        let steps: Vec<i64> = chunks.iter().flat_map(|chunk| chunk.metrics).map(|m| m.step).collect();
        assert_eq!(steps, (0..2500).collect::<Vec<i64>>());
        assert_eq!(chunks.iter().map(|chunk| chunk.params.len()).sum::<usize>(), 250);
        assert_eq!(chunks.iter().map(|chunk| chunk.tags.len()).sum::<usize>(), 101);
    }

    #[test]
    fn an_empty_batch_is_no_request() {
        assert!(chunks(&RunBatch::default()).expect("chunks").is_empty());
    }

    #[test]
    fn params_are_cut_by_characters_and_never_contradict_themselves() {
        let long = "é".repeat(6001);
        let mut batch =
            RunBatch { params: vec![("p".into(), long.clone()), ("p".into(), long)], ..RunBatch::default() };
        assert_eq!(chunks(&batch).expect("chunks")[0].params[0].1.chars().count(), 6000);
        batch.params.push(("p".into(), "other".into()));
        assert_eq!(chunks(&batch).expect_err("two values").kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn bad_keys_are_refused_before_anything_is_sent() {
        let key = "k".repeat(251);
        for batch in [
            RunBatch { metrics: vec![metric(&key, 0)], ..RunBatch::default() },
            RunBatch { params: vec![(key.clone(), String::new())], ..RunBatch::default() },
            RunBatch { tags: vec![(String::new(), String::new())], ..RunBatch::default() },
        ] {
            assert_eq!(chunks(&batch).expect_err("a bad key").kind(), ErrorKind::InvalidName);
        }
    }
}
