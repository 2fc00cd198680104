//! Registered models: their meta files and aliases.

use std::collections::BTreeMap;

use crate::entities::{ModelFilter, Page, RegisteredModel, Tags};
use crate::errors;
use crate::file::meta::{self, META, MetaText, RegisteredModelMeta, Value};
use crate::file::transaction::Transaction;
use crate::file::tree::Tree;
use crate::file::{Disk, MODELS, values};
use crate::rules;
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Key, ModelName, Version};
use hydra_base::time::now;

/// The directory of a registered model.
pub(super) fn directory(name: &ModelName) -> String {
    format!("{MODELS}/{name}")
}

/// `ModelNotFound` if the model does not exist.
pub(super) fn check_exists(tree: &Tree, name: &ModelName) -> Result<()> {
    let exists = tree.is_file(&format!("{}/{META}", directory(name)))?;
    exists.then_some(()).ok_or_else(|| errors::model_not_found(name))
}

/// Every alias of a model with its version.
pub(super) fn aliases(tree: &Tree, name: &ModelName) -> Result<BTreeMap<Alias, Version>> {
    let mut aliases = BTreeMap::new();
    for entry in tree.list(&format!("{}/aliases", directory(name)))? {
        // Skips file names that are not valid aliases in MLflow.
        if let (Ok(alias), false) = (Alias::new(entry.name), entry.is_dir)
            && let Some(version) = read_alias(tree, name, &alias)?
        {
            aliases.insert(alias, version);
        }
    }
    Ok(aliases)
}

/// The version of an alias.
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

/// The file of an alias.
pub(super) fn alias_path(name: &ModelName, alias: &Alias) -> String {
    format!("{}/aliases/{alias}", directory(name))
}

/// Plans a tag of a registered model that exists.
pub(super) fn plan_tag(transaction: &mut Transaction, name: &ModelName, key: &Key, value: String) {
    transaction.write(format!("{}/tags/{key}", directory(name)), value);
}

/// Checks MLflow's rule for names in a file store. A store with one invalid name cannot list any model.
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

/// Creates a registered model; `AlreadyExists` if the name is taken.
pub(super) fn create(
    disk: &Disk,
    name: ModelName,
    tags: Tags,
    description: String,
) -> Result<RegisteredModel> {
    check_name(&name)?;
    disk.write(|tree, transaction| {
        let directory = directory(&name);
        if tree.is_dir(&directory)? {
            return Err(errors::already_exists("a registered model", &name));
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
        ("description", rules::none_if_empty(description).into()),
        ("last_updated_timestamp", Value::Number(now)),
        ("name", Value::Text(name.as_str())),
        ("workspace", Value::Text("default")),
    ])
}

/// The registered model with its tags and aliases; `ModelNotFound` if it does not exist.
pub(super) fn read(tree: &Tree, name: &ModelName) -> Result<RegisteredModel> {
    let directory = directory(name);
    let meta: RegisteredModelMeta =
        meta::read(tree, &directory)?.ok_or_else(|| errors::model_not_found(name))?;
    Ok(RegisteredModel {
        name: name.clone(),
        created_at: meta.creation_timestamp.unwrap_or_default(),
        description: meta.description.unwrap_or_default(),
        tags: values::read_all(tree, &format!("{directory}/tags"))?,
        aliases: aliases(tree, name)?,
    })
}

/// A page of the models that `filter` shows, of those with names after `after`. A directory whose name is not one of a model
/// is not shown, nor is one without a meta file.
pub(super) fn page(
    tree: &Tree,
    filter: &ModelFilter,
    after: Option<&str>,
    page_size: usize,
) -> Result<Page<RegisteredModel>> {
    let entries = tree.list(MODELS)?.into_iter().filter(|entry| entry.is_dir);
    let mut names: Vec<ModelName> = entries.filter_map(|entry| ModelName::new(entry.name).ok()).collect();
    names.retain(|name| after.is_none_or(|after| name.as_str() > after));
    names.sort_unstable();
    let mut items = Vec::new();
    for name in names {
        match read(tree, &name) {
            Ok(model) if filter.matches(&model) => items.push(model),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ModelNotFound => {}
            Err(error) => return Err(error),
        }
        if items.len() > page_size {
            break;
        }
    }
    Ok(rules::page_by_name(items, page_size))
}

/// Plans what MLflow does to a model's meta file on every change: a new time, and a copy of the aliases.
pub(super) fn touch(
    tree: &Tree,
    transaction: &mut Transaction,
    name: &ModelName,
    new_aliases: Option<&BTreeMap<Alias, Version>>,
) -> Result<()> {
    let directory = directory(name);
    let mut meta = MetaText::read(tree, &directory)?.ok_or_else(|| errors::model_not_found(name))?;
    meta.set("last_updated_timestamp", &Value::Number(now()));
    if let Some(aliases) = new_aliases {
        let pairs = aliases.iter().map(|(alias, version)| (alias.as_str(), version.to_string()));
        meta.set("aliases", &Value::Map(pairs.collect()));
    }
    transaction.write(format!("{directory}/{META}"), meta.text());
    Ok(())
}
