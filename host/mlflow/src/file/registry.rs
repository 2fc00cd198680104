use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::entities::{ModelVersion, NewModelVersion, Page, RegisteredModel, Tags};
use crate::file::meta::{self, META, MetaText, RegisteredModelMeta, Value};
use crate::file::transaction::Transaction;
use crate::file::tree::Tree;
use crate::file::{Disk, FileStore, MODELS, values, versions};
use crate::local;
use crate::store::{AtomicOutcome, AtomicRegistry, AtomicTransition, RegistryStore};
use hydra_base::Timestamp;
use hydra_base::aliases::AliasMove;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Key, ModelName, Version};
use hydra_base::time::now;

#[async_trait]
impl RegistryStore for FileStore {
    async fn create_registered_model(
        &self,
        name: &ModelName,
        tags: &Tags,
        description: &str,
    ) -> Result<RegisteredModel> {
        let (name, tags, description) = (name.clone(), local::checked_tags(tags)?, description.to_owned());
        self.blocking(move |disk| create(disk, name, tags, description)).await
    }

    async fn registered_model(&self, name: &ModelName) -> Result<RegisteredModel> {
        let name = name.clone();
        self.blocking(move |disk| disk.read(|tree| read(tree, &name))).await
    }

    async fn set_registered_model_tag(&self, name: &ModelName, key: &Key, value: &str) -> Result<()> {
        let (name, key, value) = (name.clone(), key.clone(), value.to_owned());
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                touch(tree, transaction, &name, None)?;
                transaction.write(format!("{}/tags/{key}", directory(&name)), value);
                Ok(())
            })
        })
        .await
    }

    async fn delete_registered_model(&self, name: &ModelName) -> Result<()> {
        let name = name.clone();
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                check_exists(tree, &name)?;
                transaction.remove_tree(directory(&name));
                Ok(())
            })
        })
        .await
    }

    async fn create_model_version(&self, version: &NewModelVersion) -> Result<ModelVersion> {
        let new = version.clone();
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                let version = versions::plan_new(tree, transaction, &new)?;
                touch(tree, transaction, &new.name, None)?;
                Ok(version)
            })
        })
        .await
    }

    async fn model_version(&self, name: &ModelName, version: Version) -> Result<ModelVersion> {
        let name = name.clone();
        self.blocking(move |disk| disk.read(|tree| versions::read_with_aliases(tree, &name, version))).await
    }

    async fn model_versions(
        &self,
        name: &ModelName,
        below: Option<Version>,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<ModelVersion>> {
        let page_size = local::page_size_checked(page_size)?;
        let below = local::parse_page_token(page_token)?.or(below);
        let name = name.clone();
        self.blocking(move |disk| disk.read(|tree| versions::page(tree, &name, below, page_size))).await
    }

    async fn set_version_tag(
        &self,
        name: &ModelName,
        version: Version,
        key: &Key,
        value: &str,
    ) -> Result<()> {
        let (name, key, value) = (name.clone(), key.clone(), value.to_owned());
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                versions::check_exists(tree, &name, version)?;
                touch(tree, transaction, &name, None)?;
                transaction.write(format!("{}/tags/{key}", versions::directory(&name, version)), value);
                Ok(())
            })
        })
        .await
    }

    async fn delete_model_version(&self, name: &ModelName, version: Version) -> Result<()> {
        let name = name.clone();
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                versions::plan_deletion(tree, transaction, &name, version)?;
                let mut aliases = aliases(tree, &name)?;
                for (alias, _) in aliases.extract_if(.., |_, target| *target == version) {
                    transaction.remove_file(alias_path(&name, &alias));
                }
                touch(tree, transaction, &name, Some(&aliases))
            })
        })
        .await
    }

    async fn set_alias(&self, name: &ModelName, alias: &Alias, version: Version) -> Result<()> {
        let (name, moves) = (name.clone(), vec![AliasMove { alias: alias.clone(), version: Some(version) }]);
        self.blocking(move |disk| {
            disk.write(|tree, transaction| plan_moves(tree, transaction, &name, &moves))
        })
        .await
    }

    async fn delete_alias(&self, name: &ModelName, alias: &Alias) -> Result<()> {
        let (name, moves) = (name.clone(), vec![AliasMove { alias: alias.clone(), version: None }]);
        self.blocking(move |disk| {
            disk.write(|tree, transaction| plan_moves(tree, transaction, &name, &moves))
        })
        .await
    }

    async fn version_by_alias(&self, name: &ModelName, alias: &Alias) -> Result<Option<ModelVersion>> {
        let (name, alias) = (name.clone(), alias.clone());
        self.blocking(move |disk| {
            disk.read(|tree| {
                let target = read_alias(tree, &name, &alias)?;
                target.map(|version| versions::read_with_aliases(tree, &name, version)).transpose()
            })
        })
        .await
    }

    async fn download_uri(&self, name: &ModelName, version: Version) -> Result<String> {
        let name = name.clone();
        self.blocking(move |disk| {
            disk.relocated(disk.read(|tree| versions::storage_location(tree, &name, version))?)
        })
        .await
    }

    fn atomic(&self) -> Option<&dyn AtomicRegistry> {
        Some(self)
    }
}

#[async_trait]
impl AtomicRegistry for FileStore {
    async fn commit(&self, transition: &AtomicTransition) -> Result<AtomicOutcome> {
        let transition = transition.clone();
        self.blocking(move |disk| {
            disk.write(|tree, transaction| plan_transition(tree, transaction, &transition))
        })
        .await
    }
}

/// The directory of a registered model.
pub(super) fn directory(name: &ModelName) -> String {
    format!("{MODELS}/{name}")
}

/// `ModelNotFound` if there is no such model.
pub(super) fn check_exists(tree: &Tree, name: &ModelName) -> Result<()> {
    let exists = tree.is_file(&format!("{}/{META}", directory(name)))?;
    exists.then_some(()).ok_or_else(|| local::model_not_found(name))
}

/// Every alias of a model and where it points.
pub(super) fn aliases(tree: &Tree, name: &ModelName) -> Result<BTreeMap<Alias, Version>> {
    let mut aliases = BTreeMap::new();
    for entry in tree.list(&format!("{}/aliases", directory(name)))? {
        // names that MLflow would refuse are not aliases
        if let (Ok(alias), false) = (Alias::new(entry.name), entry.is_dir)
            && let Some(version) = read_alias(tree, name, &alias)?
        {
            aliases.insert(alias, version);
        }
    }
    Ok(aliases)
}

/// Where an alias points.
pub(super) fn read_alias(tree: &Tree, name: &ModelName, alias: &Alias) -> Result<Option<Version>> {
    let path = alias_path(name, alias);
    let Some(text) = tree.read(&path)? else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|error: Error| {
        Error::new(ErrorKind::Storage, "an alias file of the store is damaged")
            .with_context("path", tree.root().join(&path).display())
            .with_source(error)
            .with_hint("write only the number of a version into the file")
    })
}

fn alias_path(name: &ModelName, alias: &Alias) -> String {
    format!("{}/aliases/{alias}", directory(name))
}

/// The rule of MLflow's file store, which cannot list any model once one breaks it.
fn check_name(name: &ModelName) -> Result<()> {
    if name.as_str().contains('%') || name.as_str().contains(std::path::is_separator) {
        return Err(Error::new(
            ErrorKind::InvalidName,
            "the name of a registered model contains `%` or a path separator, which a file store does not support",
        )
        .with_context("name", name)
        .with_hint("choose another name, or keep models in a database: sqlite:///mlflow.db"));
    }
    Ok(())
}

fn create(disk: &Disk, name: ModelName, tags: Tags, description: String) -> Result<RegisteredModel> {
    check_name(&name)?;
    disk.write(|tree, transaction| {
        let directory = directory(&name);
        if tree.is_dir(&directory)? {
            return Err(local::already_exists("a registered model", &name));
        }
        let created_at = now();
        for (key, value) in &tags {
            transaction.write(format!("{directory}/tags/{key}"), value);
        }
        transaction.write(format!("{directory}/{META}"), new_meta(&name, &description, created_at).text());
        Ok(RegisteredModel { name, created_at, description, tags, aliases: BTreeMap::new() })
    })
}

fn new_meta(name: &ModelName, description: &str, now: Timestamp) -> MetaText {
    MetaText::new(&[
        ("aliases", Value::Map(Vec::new())),
        ("creation_timestamp", Value::Number(now)),
        ("deployment_job_id", Value::Null),
        ("deployment_job_state", Value::Null),
        ("description", local::none_if_empty(description).into()),
        ("last_updated_timestamp", Value::Number(now)),
        ("name", Value::Text(name.as_str())),
        ("workspace", Value::Text("default")),
    ])
}

fn read(tree: &Tree, name: &ModelName) -> Result<RegisteredModel> {
    let directory = directory(name);
    let meta: RegisteredModelMeta =
        meta::read(tree, &directory)?.ok_or_else(|| local::model_not_found(name))?;
    Ok(RegisteredModel {
        name: name.clone(),
        created_at: meta.creation_timestamp.unwrap_or_default(),
        description: meta.description.unwrap_or_default(),
        tags: values::read_all(tree, &format!("{directory}/tags"))?,
        aliases: aliases(tree, name)?,
    })
}

/// Plans what MLflow does to a model's meta file on every change: a new time, and a copy of the aliases.
fn touch(
    tree: &Tree,
    transaction: &mut Transaction,
    name: &ModelName,
    new_aliases: Option<&BTreeMap<Alias, Version>>,
) -> Result<()> {
    let directory = directory(name);
    let mut meta = MetaText::read(tree, &directory)?.ok_or_else(|| local::model_not_found(name))?;
    meta.set("last_updated_timestamp", &Value::Number(now()));
    if let Some(aliases) = new_aliases {
        let pairs = aliases.iter().map(|(alias, version)| (alias.as_str(), version.to_string()));
        meta.set("aliases", &Value::Map(pairs.collect()));
    }
    transaction.write(format!("{directory}/{META}"), meta.text());
    Ok(())
}

fn plan_moves(
    tree: &Tree,
    transaction: &mut Transaction,
    name: &ModelName,
    moves: &[AliasMove],
) -> Result<()> {
    for version in moves.iter().filter_map(|AliasMove { version, .. }| *version) {
        versions::check_exists(tree, name, version)?;
    }
    check_exists(tree, name)?;
    let mut aliases = aliases(tree, name)?;
    for AliasMove { alias, version } in moves {
        if let Some(version) = version {
            aliases.insert(alias.clone(), *version);
            transaction.write(alias_path(name, alias), version.to_string());
        } else {
            aliases.remove(alias);
            transaction.remove_file(alias_path(name, alias));
        }
    }
    touch(tree, transaction, name, Some(&aliases))
}

/// Plans an entry and its alias moves, or finds that the store is not as the caller read it.
pub(super) fn plan_transition(
    tree: &Tree,
    transaction: &mut Transaction,
    transition: &AtomicTransition,
) -> Result<AtomicOutcome> {
    check_exists(tree, &transition.model)?;
    check_exists(tree, &transition.entry.name)?;
    for AliasMove { alias, version } in &transition.expected_aliases {
        if read_alias(tree, &transition.model, alias)? != *version {
            return Ok(AtomicOutcome::Conflict);
        }
    }
    if versions::newest(tree, &transition.entry.name)? != transition.expected_newest {
        return Ok(AtomicOutcome::Conflict);
    }
    let entry = versions::plan_new(tree, transaction, &transition.entry)?;
    if transition.entry.name != transition.model {
        touch(tree, transaction, &transition.entry.name, None)?;
    }
    plan_moves(tree, transaction, &transition.model, &transition.moves)?;
    Ok(AtomicOutcome::Committed(entry))
}
