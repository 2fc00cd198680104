//! MLflow's JSON, and conversions from and to this crate's entities.
//!
//! Protobuf's JSON omits default values, and writes 64-bit numbers as numbers or as strings.

mod inputs;
mod registry;
mod tracking;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::entities::{ArtifactInfo, Tags};
use hydra_base::Timestamp;
use hydra_base::actor;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::RunId;
use hydra_base::text::excerpt;

pub(super) use inputs::inputs;
pub(super) use registry::{
    DownloadUriAnswer, ModelVersionAnswer, ModelVersionsAnswer, RegisteredModelAnswer, RegisteredModelsAnswer,
};
pub(super) use tracking::{
    ExperimentAnswer, ExperimentCreated, LoggedModelAnswer, LoggedModelsAnswer, RunAnswer, RunsAnswer,
    WireRun, batch, logged_model_status,
};

#[derive(Debug, Deserialize)]
pub(super) struct Empty {}

/// The answer to the question who is asking.
#[derive(Debug, Deserialize)]
pub(super) struct UserAnswer {
    user: WireUser,
}

#[derive(Debug, Deserialize)]
struct WireUser {
    username: String,
}

impl UserAnswer {
    /// The name of the user, in the form in which names are recorded; none if there is no name.
    pub(super) fn into_name(self) -> Option<String> {
        let name = excerpt(self.user.username.trim(), actor::MAX_CHARS);
        (!name.is_empty()).then_some(name)
    }
}

/// A signed address in the server's store, with the headers that a request to it must have.
#[derive(Deserialize)]
pub(super) struct Signed {
    pub(super) url: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) part_number: u32,
}

/// The addresses for the parts of an upload.
#[derive(Deserialize)]
pub(super) struct SignedParts {
    #[serde(default)]
    pub(super) upload_id: Option<String>,
    #[serde(default)]
    pub(super) credentials: Vec<Signed>,
}

/// A tag or a param.
#[derive(Debug, Deserialize)]
pub(super) struct WireTag {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct FilesAnswer {
    #[serde(default)]
    pub(super) files: Vec<WireFile>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireFile {
    path: String,
    #[serde(default)]
    is_dir: bool,
    #[serde(default, deserialize_with = "optional_int")]
    file_size: Option<i64>,
}

impl WireFile {
    /// The entity, with `directory` prepended to its path.
    pub(super) fn into_entity(self, directory: &str) -> ArtifactInfo {
        let path = if directory.is_empty() { self.path } else { format!("{directory}/{}", self.path) };
        // Omitted for an empty file, because 0 is the protobuf default.
        let size = (!self.is_dir).then(|| self.file_size.and_then(|size| size.try_into().ok()).unwrap_or(0));
        ArtifactInfo { path, is_dir: self.is_dir, size, stamp: None }
    }
}

/// Tags or params as a list of objects; all values are strings.
pub(super) fn entries<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    pairs.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

/// Tags as a list of objects.
pub(super) fn tag_entries(tags: &Tags) -> Value {
    entries(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

/// Milliseconds in the form for requests.
pub(super) fn optional_time(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, Value::from)
}

fn pairs(tags: Vec<WireTag>) -> Tags {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn optional_run(id: String) -> Result<Option<RunId>> {
    if id.is_empty() { Ok(None) } else { checked("run id", RunId::new(id)).map(Some) }
}

/// A malformed name or number from the server is a protocol error, not an error of the caller.
pub(super) fn checked<T>(what: &str, value: Result<T>) -> Result<T> {
    value.map_err(|error| {
        Error::new(ErrorKind::Protocol, format!("the server sent a malformed {what}")).with_source(error)
    })
}

fn optional_int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    let number = match &value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.parse().ok(),
        // Servers other than MLflow's own may send a time with a fraction.
        Some(number) => number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)),
    };
    number.map(Some).ok_or_else(|| serde::de::Error::custom("not a 64-bit number"))
}
