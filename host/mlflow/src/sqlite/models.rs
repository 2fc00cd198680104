//! Rows of `registered_models` and `registered_model_aliases`.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, params};

use crate::entities::{ModelFilter, Page, RegisteredModel, Tags};
use crate::errors;
use crate::rules;
use crate::sqlite::database::Db;
use crate::sqlite::failure::SqlResult;
use crate::sqlite::number::from_number;
use crate::sqlite::tags;
use hydra_base::Timestamp;
use hydra_base::names::{Alias, ModelName, Version};
use hydra_base::time::now;

/// `ModelNotFound` if the model does not exist.
pub(super) fn check_exists(db: &Db<'_>, name: &ModelName) -> SqlResult<()> {
    Ok(exists(db, name)?.then_some(()).ok_or_else(|| errors::model_not_found(name))?)
}

/// Sets the time of the model's last change; `ModelNotFound` if the model does not exist.
pub(super) fn touch(db: &Db<'_>, name: &ModelName, now: Timestamp) -> SqlResult<()> {
    let sql = format!(
        "UPDATE registered_models SET last_updated_time = ?2 WHERE name = ?1{}",
        db.schema.in_workspace("registered_models"),
    );
    let touched = db.prepare_cached(&sql)?.execute(params![name.as_str(), now])?;
    Ok((touched > 0).then_some(()).ok_or_else(|| errors::model_not_found(name))?)
}

/// Every alias of a model with its version.
pub(super) fn aliases(db: &Db<'_>, name: &ModelName) -> SqlResult<BTreeMap<Alias, Version>> {
    let sql = format!(
        "SELECT a.alias, a.version FROM registered_model_aliases a WHERE a.name = ?1{}",
        db.schema.in_workspace("a"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([name.as_str()])?;
    let mut aliases = BTreeMap::new();
    while let Some(row) = rows.next()? {
        // Skips names that are not valid aliases in MLflow.
        if let Ok(alias) = Alias::new(row.get::<_, String>(0)?) {
            aliases.insert(alias, from_number(row.get(1)?)?);
        }
    }
    Ok(aliases)
}

/// The version of an alias.
pub(super) fn alias(db: &Db<'_>, name: &ModelName, alias: &Alias) -> SqlResult<Option<Version>> {
    let sql = format!(
        "SELECT a.version FROM registered_model_aliases a WHERE a.name = ?1 AND a.alias = ?2{}",
        db.schema.in_workspace("a"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let target =
        statement.query_row([name.as_str(), alias.as_str()], |row| row.get::<_, i64>(0)).optional()?;
    target.map(from_number).transpose()
}

fn exists(db: &Db<'_>, name: &ModelName) -> SqlResult<bool> {
    let sql = format!("SELECT 1 FROM registered_models m WHERE m.name = ?1{}", db.schema.in_workspace("m"));
    Ok(db.prepare_cached(&sql)?.exists([name.as_str()])?)
}

/// Creates a registered model; `AlreadyExists` if the name is taken.
pub(super) fn create(
    db: &Db<'_>,
    name: ModelName,
    tags: Tags,
    description: String,
) -> SqlResult<RegisteredModel> {
    if exists(db, &name)? {
        return Err(errors::already_exists("a registered model", &name).into());
    }
    let created_at = now();
    let insert =
        db.schema.insert("registered_models", &["name", "creation_time", "last_updated_time", "description"]);
    let description_or_null = rules::none_if_empty(&description);
    db.prepare_cached(&insert)?.execute(params![
        name.as_str(),
        created_at,
        created_at,
        description_or_null
    ])?;
    for (key, value) in &tags {
        tags::set_of_model(db, &name, key, value)?;
    }
    Ok(RegisteredModel { name, created_at, description, tags, aliases: BTreeMap::new() })
}

/// The registered model with its tags and aliases; `ModelNotFound` if it does not exist.
pub(super) fn get(db: &Db<'_>, name: ModelName) -> SqlResult<RegisteredModel> {
    let sql = format!(
        "SELECT m.creation_time, m.description FROM registered_models m WHERE m.name = ?1{}",
        db.schema.in_workspace("m"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement
        .query_row([name.as_str()], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<String>>(1)?))
        })
        .optional()?;
    let (created_at, description) = found.ok_or_else(|| errors::model_not_found(&name))?;
    Ok(RegisteredModel {
        created_at: created_at.unwrap_or_default(),
        description: description.unwrap_or_default(),
        tags: tags::of_model(db, &name)?,
        aliases: aliases(db, &name)?,
        name,
    })
}

/// A page of the models that `filter` shows, of those with names after `after`.
pub(super) fn page(
    db: &Db<'_>,
    filter: &ModelFilter,
    after: Option<&str>,
    page_size: usize,
) -> SqlResult<Page<RegisteredModel>> {
    let sql = format!(
        "SELECT m.name FROM registered_models m WHERE m.name > ?1{} ORDER BY m.name",
        db.schema.in_workspace("m"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([after.unwrap_or_default()])?;
    let mut items = Vec::new();
    while items.len() <= page_size
        && let Some(row) = rows.next()?
    {
        // A name that MLflow's newer releases refuse is of no model that a command can name.
        let Ok(name) = ModelName::new(row.get::<_, String>(0)?) else { continue };
        if let ModelFilter::Name(pattern) = filter
            && !pattern.matches(name.as_str())
        {
            continue;
        }
        let model = get(db, name)?;
        if filter.matches(&model) {
            items.push(model);
        }
    }
    Ok(rules::page_by_name(items, page_size))
}

/// Deletes a registered model with its versions, tags and aliases.
pub(super) fn delete(db: &Db<'_>, name: &ModelName) -> SqlResult<()> {
    check_exists(db, name)?;
    // Delete children first, because not every foreign key cascades.
    for table in [
        "model_version_tags",
        "model_versions",
        "registered_model_aliases",
        "registered_model_tags",
        "registered_models",
    ] {
        let sql = format!("DELETE FROM {table} WHERE name = ?1{}", db.schema.in_workspace(table));
        db.prepare_cached(&sql)?.execute([name.as_str()])?;
    }
    Ok(())
}
