//! Model versions: directories of a registered model.

use crate::entities::{ModelVersion, NewModelVersion, Page, VersionStatus};
use crate::errors;
use crate::file::meta::{self, META, MetaText, Value, VersionMeta};
use crate::file::transaction::Transaction;
use crate::file::tree::Tree;
use crate::file::{logged_models, models, values};
use crate::rules;
use crate::store::VersionTag;
use crate::uri::ModelUri;
use hydra_base::Timestamp;
use hydra_base::error::Result;
use hydra_base::names::{LoggedModelId, ModelName, RunId, Version};
use hydra_base::time::now;

/// The stage that marks a deleted version in MLflow. The directory stays, so its number is not used again.
const DELETED: &str = "Deleted_Internal";
/// The prefix of a version's directory; the number follows.
const PREFIX: &str = "version-";
/// The directory in which a new version is written before the rename. MLflow looks at `version-…` only.
const SCRATCH: &str = ".hydra-registry-new";

/// The directory of a version.
pub(super) fn directory(name: &ModelName, version: Version) -> String {
    format!("{}/{PREFIX}{version}", models::directory(name))
}

/// `VersionNotFound` if the version is missing or deleted.
pub(super) fn check_exists(tree: &Tree, name: &ModelName, version: Version) -> Result<()> {
    read_meta(tree, name, version)?.map(drop).ok_or_else(|| errors::version_not_found(name, version))
}

/// The version with its tags and aliases.
pub(super) fn read_with_aliases(tree: &Tree, name: &ModelName, version: Version) -> Result<ModelVersion> {
    let mut found = read(tree, name, version)?.ok_or_else(|| errors::version_not_found(name, version))?;
    let aliases = models::aliases(tree, name)?;
    found.aliases =
        aliases.into_iter().filter(|(_, target)| *target == version).map(|(alias, _)| alias).collect();
    Ok(found)
}

/// A page of the versions below a number, newest first. Only the numbers of all versions are in memory at once.
pub(super) fn page(
    tree: &Tree,
    name: &ModelName,
    below: Option<Version>,
    page_size: usize,
) -> Result<Page<ModelVersion>> {
    let mut numbers = numbers(tree, name)?;
    numbers.retain(|number| below.is_none_or(|below| *number < below));
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let mut items: Vec<ModelVersion> = Vec::new();
    for number in numbers {
        if let Some(version) = read(tree, name, number)? {
            if items.len() == page_size {
                let next = items.last().map(|last| last.version.to_string());
                return Ok(Page { items, next });
            }
            items.push(version);
        }
    }
    Ok(Page { items, next: None })
}

/// The versions of a range of numbers, newest first.
pub(super) fn between(
    tree: &Tree,
    name: &ModelName,
    lowest: Version,
    highest: Version,
) -> Result<Vec<ModelVersion>> {
    let mut numbers = numbers(tree, name)?;
    numbers.retain(|number| (lowest..=highest).contains(number));
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.into_iter().filter_map(|number| read(tree, name, number).transpose()).collect()
}

/// The greatest number ever given out.
pub(super) fn newest(tree: &Tree, name: &ModelName) -> Result<Option<Version>> {
    Ok(numbers(tree, name)?.into_iter().max())
}

/// The recorded location of the version's artifacts.
pub(super) fn storage_location(tree: &Tree, name: &ModelName, version: Version) -> Result<String> {
    let meta = read_meta(tree, name, version)?.ok_or_else(|| errors::version_not_found(name, version))?;
    let written = meta.storage_location.filter(|location| !location.is_empty());
    Ok(written.or(meta.source).unwrap_or_default())
}

/// Plans a new version; `ModelNotFound` if the model does not exist.
pub(super) fn plan_new(
    tree: &Tree,
    transaction: &mut Transaction,
    new: &NewModelVersion,
) -> Result<ModelVersion> {
    models::check_exists(tree, &new.name)?;
    let tags = rules::checked_tags(&new.tags)?;
    let (storage, run_id) = storage_of(tree, new)?;
    let version = ModelVersion {
        name: new.name.clone(),
        version: rules::next_version(newest(tree, &new.name)?)?,
        created_at: now(),
        description: new.description.clone(),
        source: new.source.clone(),
        run_id,
        status: VersionStatus::Ready,
        tags,
        aliases: Vec::new(),
    };
    let mut files: Vec<(String, String)> =
        version.tags.iter().map(|(key, value)| (format!("tags/{key}"), value.clone())).collect();
    files.push((META.to_owned(), new_meta(new, &version, &storage).text()));
    let scratch = format!("{}/{SCRATCH}", models::directory(&new.name));
    transaction.make_tree(directory(&new.name, version.version), scratch, files);
    Ok(version)
}

/// Plans the deletion of a version. The caller removes its aliases.
pub(super) fn plan_deletion(
    tree: &Tree,
    transaction: &mut Transaction,
    name: &ModelName,
    version: Version,
) -> Result<()> {
    check_exists(tree, name, version)?;
    let directory = directory(name, version);
    let mut meta =
        MetaText::read(tree, &directory)?.ok_or_else(|| errors::version_not_found(name, version))?;
    meta.set("current_stage", &Value::Text(DELETED));
    meta.set("last_updated_timestamp", &Value::Number(now()));
    transaction.write(format!("{directory}/{META}"), meta.text());
    Ok(())
}

/// Plans a tag of a version that is set or deleted; `VersionNotFound` when the version is missing or deleted.
pub(super) fn plan_tag(
    tree: &Tree,
    transaction: &mut Transaction,
    name: &ModelName,
    VersionTag { version, key, value }: &VersionTag,
) -> Result<()> {
    check_exists(tree, name, *version)?;
    let tag = format!("{}/tags/{key}", directory(name, *version));
    if let Some(value) = value {
        transaction.write(tag, value.clone());
    } else if tree.is_file(&tag)? {
        transaction.remove_file(tag);
    }
    Ok(())
}

fn numbers(tree: &Tree, name: &ModelName) -> Result<Vec<Version>> {
    let entries = tree.list(&models::directory(name))?;
    let number = |name: &str| {
        let digits = name.strip_prefix(PREFIX)?;
        // `version-01` is not the directory of version 1.
        digits.parse().ok().filter(|number: &Version| number.to_string() == digits)
    };
    Ok(entries.iter().filter(|entry| entry.is_dir).filter_map(|entry| number(&entry.name)).collect())
}

fn read_meta(tree: &Tree, name: &ModelName, version: Version) -> Result<Option<VersionMeta>> {
    let meta: Option<VersionMeta> = meta::read(tree, &directory(name, version))?;
    Ok(meta.filter(|meta| meta.current_stage.as_deref() != Some(DELETED)))
}

fn read(tree: &Tree, name: &ModelName, version: Version) -> Result<Option<ModelVersion>> {
    let Some(meta) = read_meta(tree, name, version)? else { return Ok(None) };
    Ok(Some(ModelVersion {
        name: name.clone(),
        version,
        created_at: meta.creation_timestamp.unwrap_or_default(),
        description: meta.description.unwrap_or_default(),
        source: meta.source.unwrap_or_default(),
        run_id: meta.run_id.filter(|id| !id.is_empty()).map(RunId::new).transpose()?,
        status: VersionStatus::of(meta.status.as_deref()),
        tags: values::read_all(tree, &format!("{}/tags", directory(name, version)))?,
        aliases: Vec::new(),
    }))
}

/// The location of a new version's artifacts, and the run that created them.
fn storage_of(tree: &Tree, new: &NewModelVersion) -> Result<(String, Option<RunId>)> {
    let mut run_id = new.run_id.clone();
    let storage = match rules::source_model(new)? {
        None | Some(ModelUri::Run(..)) => new.source.clone(),
        Some(ModelUri::Version(name, version)) => storage_location(tree, &name, version)?,
        Some(ModelUri::Alias(name, alias)) => {
            let version = models::read_alias(tree, &name, &alias)?;
            storage_location(tree, &name, version.ok_or_else(|| errors::alias_not_set(&name, &alias))?)?
        }
        Some(ModelUri::LoggedModel(id)) => {
            let (model, _) = logged_models::find(tree, &id)?;
            run_id = run_id.or(model.source_run_id);
            model.artifact_uri
        }
    };
    if let Some(id) = &new.model_id {
        run_id = run_id.or(logged_models::find(tree, id)?.0.source_run_id);
    }
    Ok((storage, run_id))
}

fn new_meta(new: &NewModelVersion, version: &ModelVersion, storage: &str) -> MetaText {
    let now: Timestamp = version.created_at;
    let model_id = new.model_id.as_ref().map(LoggedModelId::as_str);
    MetaText::new(&[
        ("creation_timestamp", Value::Number(now)),
        ("current_stage", Value::Text("None")),
        ("deployment_job_state", Value::Null),
        ("description", rules::none_if_empty(&version.description).into()),
        ("last_updated_timestamp", Value::Number(now)),
        ("model_id", model_id.into()),
        ("name", Value::Text(version.name.as_str())),
        ("run_id", version.run_id.as_ref().map(RunId::as_str).into()),
        ("run_link", Value::Null),
        ("source", Value::Text(&version.source)),
        ("status", Value::Text("READY")),
        ("status_message", Value::Null),
        ("storage_location", Value::Text(storage)),
        ("user_id", Value::Null),
        ("version", Value::Number(version.version.get() as i64)),
        ("workspace", Value::Text("default")),
    ])
}
