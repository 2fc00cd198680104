//! Tags of registered models and versions.
//!
//! The primary keys of these tables start with the tag's key, and there is no other index. A query for one version's
//! tags by name and number would read the whole table. There are few distinct keys, so the queries here walk the index
//! from one distinct key to the next and look each up. The cost does not grow with the number of versions.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::entities::Tags;
use crate::sqlite::database::Db;
use crate::sqlite::failure::SqlResult;
use crate::sqlite::number::{from_number, number};
use hydra_base::names::{ModelName, Version};

/// The tags of a registered model.
pub(super) fn of_model(db: &Db<'_>, name: &ModelName) -> SqlResult<Tags> {
    let sql = format!(
        "{} SELECT t.key, t.value FROM keys JOIN registered_model_tags t ON t.key = keys.key
         WHERE t.name = ?1{}",
        distinct_keys(db, "registered_model_tags"),
        db.schema.in_workspace("t"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([name.as_str()], |row| {
        Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default()))
    })?;
    Ok(rows.collect::<Result<Tags, _>>()?)
}

/// The tags of the versions from `first` to `last`.
pub(super) fn of_versions(
    db: &Db<'_>,
    name: &ModelName,
    first: Version,
    last: Version,
) -> SqlResult<BTreeMap<Version, Tags>> {
    let sql = format!(
        "{} SELECT t.version, t.key, t.value FROM keys JOIN model_version_tags t ON t.key = keys.key
         WHERE t.name = ?1 AND t.version BETWEEN ?2 AND ?3{}",
        distinct_keys(db, "model_version_tags"),
        db.schema.in_workspace("t"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![name.as_str(), number(first), number(last)])?;
    let mut tags: BTreeMap<Version, Tags> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let version = from_number(row.get(0)?)?;
        let value: Option<String> = row.get(2)?;
        tags.entry(version).or_default().insert(row.get(1)?, value.unwrap_or_default());
    }
    Ok(tags)
}

/// Sets a tag of a registered model.
pub(super) fn set_of_model(db: &Db<'_>, name: &ModelName, key: &str, value: &str) -> SqlResult<()> {
    let insert = db.schema.insert("registered_model_tags", &["name", "key", "value"]);
    let conflict = if db.schema.workspace.is_some() { "workspace, key, name" } else { "key, name" };
    let sql = format!("{insert} ON CONFLICT ({conflict}) DO UPDATE SET value = excluded.value");
    db.prepare_cached(&sql)?.execute(params![name.as_str(), key, value])?;
    Ok(())
}

/// Sets a tag of a version.
pub(super) fn set_of_version(
    db: &Db<'_>,
    name: &ModelName,
    version: Version,
    key: &str,
    value: &str,
) -> SqlResult<()> {
    let insert = db.schema.insert("model_version_tags", &["name", "version", "key", "value"]);
    let conflict =
        if db.schema.workspace.is_some() { "workspace, key, name, version" } else { "key, name, version" };
    let sql = format!("{insert} ON CONFLICT ({conflict}) DO UPDATE SET value = excluded.value");
    db.prepare_cached(&sql)?.execute(params![name.as_str(), number(version), key, value])?;
    Ok(())
}

/// Removes a tag of a version, if it is set.
pub(super) fn delete_of_version(db: &Db<'_>, name: &ModelName, version: Version, key: &str) -> SqlResult<()> {
    let sql = format!(
        "DELETE FROM model_version_tags WHERE name = ?1 AND version = ?2 AND key = ?3{}",
        db.schema.in_workspace("model_version_tags"),
    );
    db.prepare_cached(&sql)?.execute(params![name.as_str(), number(version), key])?;
    Ok(())
}

fn distinct_keys(db: &Db<'_>, table: &str) -> String {
    let in_workspace = db.schema.in_workspace(table);
    format!(
        "WITH RECURSIVE keys (key) AS (
             SELECT (SELECT min(key) FROM {table} WHERE 1{in_workspace})
             UNION ALL
             SELECT (SELECT min(key) FROM {table} WHERE key > keys.key{in_workspace})
             FROM keys WHERE keys.key IS NOT NULL
         )",
    )
}
