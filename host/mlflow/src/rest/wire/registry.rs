//! Registered models and their versions in MLflow's JSON.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{WireTag, checked, optional_int, optional_run, pairs};
use crate::entities::{ModelVersion, RegisteredModel, VersionStatus};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ModelName, Version};

/// The most aliases of a model.
const MAX_ALIASES: usize = 1000;

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct RegisteredModelAnswer {
    pub(in crate::rest) registered_model: WireRegisteredModel,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct RegisteredModelsAnswer {
    #[serde(default)]
    pub(in crate::rest) registered_models: Vec<WireRegisteredModel>,
    #[serde(default)]
    pub(in crate::rest) next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct WireRegisteredModel {
    #[serde(default)]
    name: String,
    #[serde(default, deserialize_with = "optional_int")]
    creation_timestamp: Option<i64>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    tags: Vec<WireTag>,
    #[serde(default)]
    aliases: Vec<WireAlias>,
}

#[derive(Debug, Deserialize)]
struct WireAlias {
    alias: String,
    version: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct ModelVersionAnswer {
    pub(in crate::rest) model_version: WireModelVersion,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct ModelVersionsAnswer {
    #[serde(default)]
    pub(in crate::rest) model_versions: Vec<WireModelVersion>,
    #[serde(default)]
    pub(in crate::rest) next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct WireModelVersion {
    version: String,
    #[serde(default, deserialize_with = "optional_int")]
    creation_timestamp: Option<i64>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    run_id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    tags: Vec<WireTag>,
    #[serde(default)]
    aliases: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct DownloadUriAnswer {
    #[serde(default)]
    pub(in crate::rest) artifact_uri: String,
}

impl ModelVersionsAnswer {
    /// Whether a version is listed with its aliases.
    pub(in crate::rest) fn has_aliases(&self) -> bool {
        self.model_versions.iter().any(|version| !version.aliases.is_empty())
    }

    /// The versions. Servers with a file store list aliases with them, others do not, so no version has any.
    pub(in crate::rest) fn into_entities(self, name: &ModelName) -> Result<Vec<ModelVersion>> {
        let bare = |version: WireModelVersion| {
            Ok(ModelVersion { aliases: Vec::new(), ..version.into_entity(name)? })
        };
        self.model_versions.into_iter().map(bare).collect()
    }
}

impl WireRegisteredModel {
    pub(in crate::rest) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::rest) fn into_entity(self, name: &ModelName) -> Result<RegisteredModel> {
        check_aliases(name, self.aliases.len())?;
        let mut aliases = BTreeMap::new();
        for WireAlias { alias, version } in self.aliases {
            // MLflow accepts names that its own rule forbids, such as one with a line feed at its end. They are not ours to use.
            if let Ok(alias) = Alias::new(alias) {
                aliases.insert(alias, checked("version", version.parse())?);
            }
        }
        Ok(RegisteredModel {
            name: name.clone(),
            created_at: self.creation_timestamp.unwrap_or(0),
            description: self.description,
            tags: pairs(self.tags),
            aliases,
        })
    }
}

impl WireModelVersion {
    pub(in crate::rest) fn number(&self) -> Result<Version> {
        checked("version", self.version.parse())
    }

    pub(in crate::rest) fn into_entity(self, name: &ModelName) -> Result<ModelVersion> {
        let version = self.number()?;
        check_aliases(name, self.aliases.len())?;
        let mut aliases: Vec<Alias> =
            self.aliases.into_iter().filter_map(|alias| Alias::new(alias).ok()).collect();
        aliases.sort();
        Ok(ModelVersion {
            name: name.clone(),
            version,
            created_at: self.creation_timestamp.unwrap_or(0),
            description: self.description,
            source: self.source,
            run_id: optional_run(self.run_id)?,
            status: match self.status.as_str() {
                "READY" | "" => VersionStatus::Ready,
                "FAILED_REGISTRATION" => VersionStatus::FailedRegistration,
                _ => VersionStatus::PendingRegistration,
            },
            tags: pairs(self.tags),
            aliases,
        })
    }
}

/// Commands read the version of each alias, so that too many aliases are too many requests.
fn check_aliases(name: &ModelName, count: usize) -> Result<()> {
    if count <= MAX_ALIASES {
        return Ok(());
    }
    Err(Error::new(ErrorKind::AnswerSize, format!("the model has more than {MAX_ALIASES} aliases"))
        .with_context("model", name)
        .with_context("aliases", count)
        .with_hint("delete aliases that are not needed in MLflow"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_bad_names_are_protocol_errors() {
        let name = ModelName::new("m").expect("a name");
        for body in [r#"{"version":"0"}"#, r#"{"version":"x"}"#, r#"{"version":"1","run_id":"../../etc"}"#] {
            let version: WireModelVersion = serde_json::from_str(body).expect(body);
            assert_eq!(version.into_entity(&name).expect_err(body).kind(), ErrorKind::Protocol);
        }
    }

    #[test]
    fn an_alias_that_mlflow_should_have_refused_is_left_out() {
        let name = ModelName::new("m").expect("a name");
        let version: WireModelVersion =
            serde_json::from_str(r#"{"version":"1","aliases":["champion\n","candidate"]}"#).expect("JSON");
        assert_eq!(version.into_entity(&name).expect("a version").aliases, [Alias::CANDIDATE]);
        let model: WireRegisteredModel = serde_json::from_str(
            r#"{"name":"m","aliases":[{"alias":"champion\n","version":"2"},{"alias":"candidate","version":"1"}]}"#,
        )
        .expect("JSON");
        let aliases = model.into_entity(&name).expect("a model").aliases;
        assert_eq!(aliases.keys().collect::<Vec<_>>(), [&Alias::CANDIDATE]);
    }
}
