//! MLflow's rules for checking, truncating, deriving and numbering values, shared by all stores.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::str::FromStr;

use uuid::Uuid;

use crate::entities::{
    DatasetInput, Metric, NewLoggedModel, NewModelVersion, NewRun, Page, RegisteredModel, RunBatch,
    RunInputs, Tags, USER_TAG,
};
use crate::uri::ModelUri;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Key, LoggedModelId, ModelName, RunId, Version};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The tag with a run's name, which MLflow's UI reads.
pub(crate) const RUN_NAME_TAG: &str = "mlflow.runName";
/// The tag with the versions that a LoggedModel was registered as.
pub(crate) const MODEL_VERSIONS_TAG: &str = "mlflow.modelVersions";
/// MLflow cuts longer param values.
const MAX_PARAM_CHARS: usize = 6000;
/// The length of a run tag's value; MLflow truncates longer ones.
const MAX_RUN_TAG_CHARS: usize = 8000;
/// MLflow rejects longer schemas of datasets.
pub(crate) const MAX_SCHEMA_CHARS: usize = 1_048_575;

/// A new run id: 32 hexadecimal digits, as in MLflow.
pub(crate) fn new_run_id() -> Result<RunId> {
    RunId::new(Uuid::new_v4().simple().to_string())
}

/// A new LoggedModel id: `m-` and 32 hexadecimal digits.
pub(crate) fn new_logged_model_id() -> Result<LoggedModelId> {
    LoggedModelId::new(format!("m-{}", Uuid::new_v4().simple()))
}

/// The stored tags of a new run: the caller's tags, the name and the user.
pub(crate) fn tags_of_new_run(run: &NewRun) -> Result<Tags> {
    let mut tags = checked_tags(&run.tags)?;
    for (key, value) in &mut tags {
        truncate_with_warning(key, value, MAX_RUN_TAG_CHARS);
    }
    tags.insert(RUN_NAME_TAG.into(), run.name.clone());
    tags.insert(USER_TAG.into(), run.user_id.clone());
    Ok(tags)
}

/// Returns `tags` if MLflow accepts every key.
pub(crate) fn checked_tags(tags: &Tags) -> Result<Tags> {
    tags.keys().try_for_each(|key| Key::new(key).map(drop))?;
    Ok(tags.clone())
}

/// A batch with valid keys and values, each key once, and long values truncated.
pub(crate) struct CheckedBatch {
    pub metrics: Vec<Metric>,
    pub params: BTreeMap<String, String>,
    pub tags: Tags,
    pub model: Option<MeasuredModel>,
}

/// The LoggedModel that the metrics of a batch measure.
#[derive(Debug)]
pub(crate) struct MeasuredModel {
    pub id: LoggedModelId,
    /// Name and digest of the dataset on which it was measured.
    pub dataset: Option<(String, String)>,
}

/// Checks a batch before any of it is stored.
pub(crate) fn check_batch(batch: &RunBatch) -> Result<CheckedBatch> {
    for metric in &batch.metrics {
        Key::new(&metric.key)?;
        if metric.timestamp < 0 {
            return Err(Error::new(ErrorKind::InvalidArgument, "a metric's timestamp is negative")
                .with_context("key", &metric.key)
                .with_context("timestamp", metric.timestamp));
        }
    }
    let mut params = BTreeMap::<String, String>::new();
    for (key, value) in &batch.params {
        Key::new(key)?;
        let mut value = value.clone();
        truncate_with_warning(key, &mut value, MAX_PARAM_CHARS);
        match params.get(key) {
            Some(earlier) => check_param_unchanged(key, earlier, &value)?,
            None => drop(params.insert(key.clone(), value)),
        }
    }
    let mut tags = Tags::new();
    for (key, value) in &batch.tags {
        Key::new(key)?;
        let mut value = value.clone();
        truncate_with_warning(key, &mut value, MAX_RUN_TAG_CHARS);
        tags.insert(key.clone(), value);
    }
    let dataset = batch.dataset.clone().filter(|_| batch.model_id.is_some());
    for text in dataset.iter().flat_map(|(name, digest)| [name, digest]) {
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "the dataset of a metric is empty or contains white space",
            )
            .with_context("given", excerpt(text, QUOTED_CHARS))
            .with_hint("use a name and a digest without white space"));
        }
    }
    let model = batch.model_id.clone().map(|id| MeasuredModel { id, dataset });
    Ok(CheckedBatch { metrics: batch.metrics.clone(), params, tags, model })
}

/// Checks MLflow's limits for the inputs of a run. Only one of several datasets with the same name and digest is kept, the
/// first.
pub(crate) fn checked_inputs(inputs: &RunInputs) -> Result<RunInputs> {
    let mut inputs = inputs.clone();
    inputs.datasets.iter().try_for_each(check_dataset)?;
    // The sort is stable.
    inputs = inputs.sorted();
    inputs.datasets.dedup_by(|b, a| (&a.name, &a.digest) == (&b.name, &b.digest));
    inputs.models.dedup();
    Ok(inputs)
}

fn check_dataset(dataset: &DatasetInput) -> Result<()> {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, |text| text.chars().count());
    let required = |text: &str| Some(text.chars().count()).filter(|count| *count > 0).unwrap_or(usize::MAX);
    let mut sizes = vec![
        ("name", required(&dataset.name), 500),
        ("digest", required(&dataset.digest), 36),
        ("source type", required(&dataset.source_type), 36),
        ("source", required(&dataset.source), 65_535),
        ("schema", optional(&dataset.schema), MAX_SCHEMA_CHARS),
        ("profile", optional(&dataset.profile), 16_777_215),
    ];
    for (key, value) in &dataset.tags {
        sizes.push(("key of a tag", required(key), 255));
        sizes.push(("value of a tag", value.chars().count(), 500));
    }
    match sizes.into_iter().find(|(_, size, limit)| size > limit) {
        None => Ok(()),
        Some((what, _, limit)) => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the {what} of a dataset is empty or has more than {limit} characters"),
        )
        .with_context("dataset", excerpt(&dataset.name, QUOTED_CHARS))),
    }
}

/// The value of a param never changes.
pub(crate) fn check_param_unchanged(key: &str, stored: &str, value: &str) -> Result<()> {
    if stored == value {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, "cannot change a logged param")
        .with_context("key", key)
        .with_context("stored", excerpt(stored, QUOTED_CHARS))
        .with_context("given", excerpt(value, QUOTED_CHARS))
        .with_hint("use another key, or another run"))
}

/// Checks MLflow's rules for the name of an experiment.
pub(crate) fn check_experiment_name(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.chars().count() > 500 || name.chars().any(char::is_control) {
        return Err(Error::new(ErrorKind::InvalidName, "the name is not a valid experiment name")
            .with_context("name", excerpt(name, QUOTED_CHARS))
            .with_hint("use 1 to 500 characters without control characters"));
    }
    Ok(())
}

/// Checks the name and keys of a LoggedModel, and truncates its params like those of its run.
pub(crate) fn checked_logged_model(model: &NewLoggedModel) -> Result<NewLoggedModel> {
    if model.name.is_empty() || model.name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Err(Error::new(ErrorKind::InvalidName, "the name is not a valid LoggedModel name")
            .with_context("name", excerpt(&model.name, QUOTED_CHARS))
            .with_hint("use a name that is not empty and has none of / : . % \" '"));
    }
    checked_tags(&model.tags)?;
    model.params.iter().try_for_each(|(key, _)| Key::new(key).map(drop))?;
    let mut model = model.clone();
    // The warning was already logged for the run's params.
    model.params.iter_mut().for_each(|(_, value)| truncate(value, MAX_PARAM_CHARS));
    Ok(model)
}

/// The number of a new version, after the greatest number that was ever assigned.
pub(crate) fn next_version(newest: Option<Version>) -> Result<Version> {
    newest.map_or(Some(Version::FIRST), Version::next).ok_or_else(|| {
        Error::new(ErrorKind::Storage, "cannot number a new version: the greatest number is in use")
    })
}

/// The tag with the versions that a LoggedModel was registered as, with this version appended to the `noted` ones: a
/// JSON list with Python's spacing.
pub(crate) fn noted_versions(noted: Option<&str>, name: &ModelName, version: Version) -> String {
    let list =
        noted.and_then(|noted| noted.trim().strip_prefix('[')?.strip_suffix(']')).unwrap_or_default().trim();
    let name = serde_json::Value::from(name.as_str());
    let separator = if list.is_empty() { "" } else { ", " };
    format!("[{list}{separator}{{\"name\": {name}, \"version\": {version}}}]")
}

/// Whether `a` replaces `b` as the latest point: the greater (step, timestamp, value), with NaN as zero, as MLflow
/// stores it.
pub(crate) fn is_later(a: &Metric, b: &Metric) -> bool {
    let value = |metric: &Metric| if metric.value.is_nan() { 0.0 } else { metric.value };
    let order = (a.step, a.timestamp).cmp(&(b.step, b.timestamp)).then_with(|| {
        // Neither value is NaN here, so they are ordered.
        value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal)
    });
    order == Ordering::Greater
}

/// Parses a page token of a local store: a decimal number, or the number of a version.
pub(crate) fn parse_page_token<T: FromStr>(token: Option<&str>) -> Result<Option<T>> {
    let refuse = |token: &str| {
        Error::new(ErrorKind::InvalidArgument, "the page token is not from this store")
            .with_context("page token", excerpt(token, QUOTED_CHARS))
    };
    token.map(|text| text.parse().map_err(|_| refuse(text))).transpose()
}

/// Returns the page size if it is at least 1.
pub(crate) fn page_size_checked(page_size: usize) -> Result<usize> {
    if page_size == 0 {
        return Err(Error::new(ErrorKind::InvalidArgument, "the page size is not at least 1"));
    }
    Ok(page_size)
}

/// The most numbers that a range of versions may have.
const MAX_RANGE: u64 = 1000;

/// Refuses a range of versions that does not fit one answer.
pub(crate) fn check_range(lowest: Version, highest: Version) -> Result<()> {
    if highest.get().saturating_sub(lowest.get()) < MAX_RANGE {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, "the range of versions has more than 1,000 numbers")
        .with_context("lowest", lowest)
        .with_context("highest", highest))
}

/// What was found of several things; those that do not exist are left out.
pub(crate) fn existing<T>(found: impl IntoIterator<Item = Result<T>>) -> Result<Vec<T>> {
    found.into_iter().filter(|one| !one.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound)).collect()
}

/// A page of models by name, from those after the last page: one more than `page_size` when there is a next page. The token
/// is the last name, so that a model that is created meanwhile moves no other.
pub(crate) fn page_by_name(mut items: Vec<RegisteredModel>, page_size: usize) -> Page<RegisteredModel> {
    let more = items.len() > page_size;
    items.truncate(page_size);
    let next = items.last().filter(|_| more).map(|last| last.name.to_string());
    Page { items, next }
}

/// The model that the source of a new version names; `None` when the source is the place of the artifacts itself, or
/// `runs:/…`, which MLflow keeps as it is.
pub(crate) fn source_model(version: &NewModelVersion) -> Result<Option<ModelUri>> {
    if !version.source.starts_with("models:") {
        return Ok(None);
    }
    version.source.parse().map(Some)
}

/// `None` for empty text: MLflow stores a missing description as null.
pub(crate) fn none_if_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Truncates a value at MLflow's limit and logs a warning, like MLflow's client.
pub(crate) fn truncate_with_warning(key: &str, value: &mut String, kept: usize) {
    let characters = value.chars().count();
    if characters > kept {
        tracing::warn!(key, characters, kept, "truncating a value that is too long for MLflow");
        truncate(value, kept);
    }
}

fn truncate(value: &mut String, max_chars: usize) {
    if let Some((end, _)) = value.char_indices().nth(max_chars) {
        value.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: i64, timestamp: i64, value: f64) -> Metric {
        Metric { key: "auc".into(), value, timestamp, step }
    }

    #[test]
    fn the_latest_point_has_the_greatest_step_then_timestamp_then_value() {
        assert!(is_later(&point(1, 0, 0.0), &point(0, 9, 9.0)));
        assert!(is_later(&point(0, 1, 0.0), &point(0, 0, 9.0)));
        assert!(is_later(&point(0, 0, 0.1), &point(0, 0, f64::NAN)));
        assert!(!is_later(&point(0, 0, f64::NAN), &point(0, 0, 0.1)));
        assert!(!is_later(&point(0, 0, 0.1), &point(0, 0, 0.1)));
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let batch = RunBatch { params: vec![("p".into(), "é".repeat(6001))], ..RunBatch::default() };
        let checked = check_batch(&batch).expect("a legal batch");
        assert_eq!(checked.params["p"], "é".repeat(6000));
    }
}
