//! Splits the data logged in a run into requests within a server's limits.

use crate::entities::{Metric, Tags};
use crate::rules::CheckedBatch;

/// The limit of metrics, and of all entries, in one `log-batch` request.
const MAX_ENTRIES: usize = 1000;
/// The limit of params, and of tags, in one `log-batch` request.
const MAX_PARAMS: usize = 100;
const MAX_TAGS: usize = 100;
/// MLflow 2.9 rejects longer run tags. Newer releases truncate at the limit that [`CheckedBatch`] has applied already.
const OLDER_TAG_CHARS: usize = 5000;

/// The part of a batch for one request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chunk<'a> {
    pub(super) metrics: &'a [Metric],
    pub(super) params: Vec<(&'a str, &'a str)>,
    pub(super) tags: Vec<(&'a str, &'a str)>,
}

impl Chunk<'_> {
    /// The same entries with tags truncated for MLflow 2.9; `None` if no tag is too long.
    pub(super) fn for_older_server(&self) -> Option<Self> {
        let tags: Vec<_> = self.tags.iter().map(|(key, value)| (*key, cut(key, value))).collect();
        (tags != self.tags).then(|| Self { metrics: self.metrics, params: self.params.clone(), tags })
    }
}

/// The same tags truncated for MLflow 2.9; `None` if no tag is too long.
pub(super) fn tags_for_older_server(tags: &Tags) -> Option<Tags> {
    let shorter: Tags = tags.iter().map(|(key, value)| (key.clone(), cut(key, value).to_owned())).collect();
    (shorter != *tags).then_some(shorter)
}

/// Splits a batch into requests.
pub(super) fn chunks(batch: &CheckedBatch) -> Vec<Chunk<'_>> {
    let params: Vec<_> = batch.params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let tags: Vec<_> = batch.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
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
            return chunks;
        }
        chunks.push(chunk);
    }
}

fn cut<'a>(key: &str, text: &'a str) -> &'a str {
    let Some((end, _)) = text.char_indices().nth(OLDER_TAG_CHARS) else { return text };
    let characters = text.chars().count();
    tracing::warn!(
        key,
        characters,
        kept = OLDER_TAG_CHARS,
        "truncating a tag that is too long for this older server"
    );
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::RunBatch;
    use crate::rules::check_batch;

    fn checked(metrics: i64, params: usize, tags: usize) -> CheckedBatch {
        let numbered =
            |prefix: &str, count| (0..count).map(|n| (format!("{prefix}{n}"), n.to_string())).collect();
        let metric = |step| Metric { key: "auc".into(), value: 0.5, timestamp: 1, step };
        let metrics = (0..metrics).map(metric).collect();
        check_batch(&RunBatch {
            metrics,
            params: numbered("p", params),
            tags: numbered("t", tags),
            ..RunBatch::default()
        })
        .expect("a batch")
    }

    #[test]
    fn no_request_exceeds_a_limit_and_nothing_is_lost() {
        let batch = checked(2500, 250, 101);
        let chunks = chunks(&batch);
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
        assert!(chunks(&checked(0, 0, 0)).is_empty());
    }

    #[test]
    fn tags_are_cut_for_an_older_server_by_characters() {
        let batch = checked(0, 0, 1);
        assert!(chunks(&batch)[0].for_older_server().is_none());
        let tags = Tags::from([("long".to_owned(), "é".repeat(5001))]);
        let shorter = tags_for_older_server(&tags).expect("shorter tags");
        assert_eq!(shorter["long"].chars().count(), 5000);
        assert!(tags_for_older_server(&shorter).is_none());
    }
}
