//! Rows of `model_versions`.

use rusqlite::{OptionalExtension as _, Row, params};

use crate::entities::{ModelVersion, NewModelVersion, Page, Tags, VersionStatus};
use crate::errors;
use crate::rules;
use crate::sqlite::database::Db;
use crate::sqlite::failure::{Failure, SqlResult};
use crate::sqlite::number::{from_number, number};
use crate::sqlite::{logged_models, models, tags};
use crate::store::VersionTag;
use crate::uri::ModelUri;
use hydra_base::aliases::AliasMove;
use hydra_base::error::ErrorKind;
use hydra_base::names::{ModelName, RunId, Version};
use hydra_base::time::now;

/// The stage that marks a deleted version in MLflow. The row stays, so its number is not used again.
const NOT_DELETED: &str = "v.current_stage <> 'Deleted_Internal'";
const COLUMNS: &str = "v.version, v.creation_time, v.description, v.source, v.run_id, v.status";

/// The version with its tags and aliases; `VersionNotFound` if it is missing or deleted.
pub(super) fn get(db: &Db<'_>, name: &ModelName, version: Version) -> SqlResult<ModelVersion> {
    let sql = format!(
        "SELECT {COLUMNS} FROM model_versions v WHERE v.name = ?1 AND v.version = ?2 AND {NOT_DELETED}{}",
        db.schema.in_workspace("v"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found =
        statement.query_row(params![name.as_str(), number(version)], |row| Ok(read(name, row))).optional()?;
    let mut found = found.ok_or_else(|| errors::version_not_found(name, version))??;
    found.tags = tags::of_versions(db, name, version, version)?.remove(&version).unwrap_or_default();
    let aliases = models::aliases(db, name)?;
    found.aliases =
        aliases.into_iter().filter(|(_, target)| *target == version).map(|(alias, _)| alias).collect();
    Ok(found)
}

/// `VersionNotFound` if the version is missing or deleted.
pub(super) fn check_exists(db: &Db<'_>, name: &ModelName, version: Version) -> SqlResult<()> {
    column(db, name, version, "v.version").map(drop)
}

/// A page of the versions below a number, newest first.
pub(super) fn page(
    db: &Db<'_>,
    name: &ModelName,
    below: Option<Version>,
    page_size: usize,
) -> SqlResult<Page<ModelVersion>> {
    let highest = below.map_or(i64::MAX, |below| number(below) - 1);
    let limit = i64::try_from(page_size).unwrap_or(i64::MAX).saturating_add(1);
    // From the smallest integer, so that a number that is not a version is found as damage.
    let mut items = listed(db, name, i64::MIN, highest, limit)?;
    let more = items.len() > page_size;
    items.truncate(page_size);
    let next = items.last().filter(|_| more).map(|oldest| oldest.version.to_string());
    Ok(Page { items, next })
}

/// The versions of a range of numbers, newest first.
pub(super) fn between(
    db: &Db<'_>,
    name: &ModelName,
    lowest: Version,
    highest: Version,
) -> SqlResult<Vec<ModelVersion>> {
    listed(db, name, number(lowest), number(highest), i64::MAX)
}

/// At most `limit` versions of a range of numbers with their tags, newest first.
fn listed(
    db: &Db<'_>,
    name: &ModelName,
    lowest: i64,
    highest: i64,
    limit: i64,
) -> SqlResult<Vec<ModelVersion>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM model_versions v WHERE v.name = ?1 AND v.version BETWEEN ?2 AND ?3
         AND {NOT_DELETED}{} ORDER BY v.version DESC LIMIT ?4",
        db.schema.in_workspace("v"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows =
        statement.query_map(params![name.as_str(), lowest, highest, limit], |row| Ok(read(name, row)))?;
    let mut items = rows.map(|row| row?).collect::<SqlResult<Vec<ModelVersion>>>()?;
    if let (Some(newest), Some(oldest)) = (items.first(), items.last()) {
        let mut tags = tags::of_versions(db, name, oldest.version, newest.version)?;
        for item in &mut items {
            item.tags = tags.remove(&item.version).unwrap_or_default();
        }
    }
    Ok(items)
}

/// The greatest number that was ever assigned.
pub(super) fn newest(db: &Db<'_>, name: &ModelName) -> SqlResult<Option<Version>> {
    let sql = format!(
        "SELECT max(v.version) FROM model_versions v WHERE v.name = ?1{}",
        db.schema.in_workspace("v")
    );
    let newest: Option<i64> = db.prepare_cached(&sql)?.query_row([name.as_str()], |row| row.get(0))?;
    newest.map(from_number).transpose()
}

/// The location of the version's artifacts.
pub(super) fn storage_location(db: &Db<'_>, name: &ModelName, version: Version) -> SqlResult<String> {
    let location = column(db, name, version, "coalesce(nullif(v.storage_location, ''), v.source)")?;
    Ok(location.unwrap_or_default())
}

/// Appends a version; `ModelNotFound` if the model does not exist.
pub(super) fn create(db: &Db<'_>, new: &NewModelVersion) -> SqlResult<ModelVersion> {
    let now = now();
    models::touch(db, &new.name, now)?;
    let (storage, run_id) = storage_of(db, new)?;
    let created = ModelVersion {
        name: new.name.clone(),
        version: rules::next_version(newest(db, &new.name)?)?,
        created_at: now,
        description: new.description.clone(),
        source: new.source.clone(),
        run_id,
        status: VersionStatus::Ready,
        tags: rules::checked_tags(&new.tags)?,
        aliases: Vec::new(),
    };
    let insert = db.schema.insert(
        "model_versions",
        &[
            "name",
            "version",
            "creation_time",
            "last_updated_time",
            "description",
            "current_stage",
            "source",
            "run_id",
            "status",
            "storage_location",
        ],
    );
    db.prepare_cached(&insert)?.execute(params![
        created.name.as_str(),
        number(created.version),
        now,
        now,
        rules::none_if_empty(&created.description),
        "None",
        created.source,
        created.run_id.as_ref().map(RunId::as_str),
        "READY",
        storage,
    ])?;
    for (key, value) in &created.tags {
        tags::set_of_version(db, &created.name, created.version, key, value)?;
    }
    Ok(created)
}

/// Deletes a version as MLflow does: the row stays, and its contents are cleared.
pub(super) fn delete(db: &Db<'_>, name: &ModelName, version: Version) -> SqlResult<()> {
    check_exists(db, name, version)?;
    let now = now();
    models::touch(db, name, now)?;
    let in_workspace = |table| db.schema.in_workspace(table);
    let redact = format!(
        "UPDATE model_versions SET current_stage = 'Deleted_Internal', last_updated_time = ?3, description = NULL,
             user_id = NULL, source = 'REDACTED-SOURCE-PATH', run_id = 'REDACTED-RUN-ID',
             run_link = 'REDACTED-RUN-LINK', status_message = NULL
         WHERE name = ?1 AND version = ?2{}",
        in_workspace("model_versions"),
    );
    db.prepare_cached(&redact)?.execute(params![name.as_str(), number(version), now])?;
    let aliases = format!(
        "DELETE FROM registered_model_aliases WHERE name = ?1 AND version = ?2{}",
        in_workspace("registered_model_aliases"),
    );
    db.prepare_cached(&aliases)?.execute(params![name.as_str(), number(version)])?;
    Ok(())
}

/// Points aliases to versions of the model or removes them, in order; `VersionNotFound` if a target does not exist.
pub(super) fn apply_moves(db: &Db<'_>, name: &ModelName, moves: &[AliasMove]) -> SqlResult<()> {
    let insert = db.schema.insert("registered_model_aliases", &["name", "alias", "version"]);
    let conflict = if db.schema.workspace.is_some() { "workspace, name, alias" } else { "name, alias" };
    let set = format!("{insert} ON CONFLICT ({conflict}) DO UPDATE SET version = excluded.version");
    let remove = format!(
        "DELETE FROM registered_model_aliases WHERE name = ?1 AND alias = ?2{}",
        db.schema.in_workspace("registered_model_aliases"),
    );
    for AliasMove { alias, version } in moves {
        if let Some(version) = version {
            check_exists(db, name, *version)?;
            let row = params![name.as_str(), alias.as_str(), number(*version)];
            db.prepare_cached(&set)?.execute(row)?;
        } else {
            db.prepare_cached(&remove)?.execute([name.as_str(), alias.as_str()])?;
        }
    }
    Ok(())
}

/// Sets and deletes tags of versions. Those of versions that do not exist are left out.
pub(super) fn apply_tags(db: &Db<'_>, name: &ModelName, tags: &[VersionTag]) -> SqlResult<()> {
    for VersionTag { version, key, value } in tags {
        match (check_exists(db, name, *version), value) {
            (Err(Failure::Store(error)), _) if error.kind() == ErrorKind::VersionNotFound => {}
            (Err(failure), _) => return Err(failure),
            (Ok(()), Some(value)) => tags::set_of_version(db, name, *version, key.as_str(), value)?,
            (Ok(()), None) => tags::delete_of_version(db, name, *version, key.as_str())?,
        }
    }
    Ok(())
}

fn column(db: &Db<'_>, name: &ModelName, version: Version, expression: &str) -> SqlResult<Option<String>> {
    let sql = format!(
        "SELECT CAST({expression} AS TEXT) FROM model_versions v
         WHERE v.name = ?1 AND v.version = ?2 AND {NOT_DELETED}{}",
        db.schema.in_workspace("v"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query_row(params![name.as_str(), number(version)], |row| row.get(0)).optional()?;
    Ok(found.ok_or_else(|| errors::version_not_found(name, version))?)
}

fn read(name: &ModelName, row: &Row<'_>) -> SqlResult<ModelVersion> {
    let text = |index| row.get::<_, Option<String>>(index);
    let run_id = text(4)?.filter(|id| !id.is_empty()).map(RunId::new).transpose()?;
    Ok(ModelVersion {
        name: name.clone(),
        version: from_number(row.get(0)?)?,
        created_at: row.get::<_, Option<i64>>(1)?.unwrap_or_default(),
        description: text(2)?.unwrap_or_default(),
        source: text(3)?.unwrap_or_default(),
        run_id,
        status: VersionStatus::of(text(5)?.as_deref()),
        tags: Tags::new(),
        aliases: Vec::new(),
    })
}

/// The location of a new version's artifacts, and the run that created them.
fn storage_of(db: &Db<'_>, new: &NewModelVersion) -> SqlResult<(String, Option<RunId>)> {
    let mut run_id = new.run_id.clone();
    let storage = match rules::source_model(new)? {
        None | Some(ModelUri::Run(..)) => new.source.clone(),
        Some(ModelUri::Version(name, version)) => storage_location(db, &name, version)?,
        Some(ModelUri::Alias(name, alias)) => {
            let version = models::alias(db, &name, &alias)?;
            storage_location(db, &name, version.ok_or_else(|| errors::alias_not_set(&name, &alias))?)?
        }
        Some(ModelUri::LoggedModel(id)) => {
            let model = logged_models::get(db, &id)?;
            run_id = run_id.or(model.source_run_id);
            model.artifact_uri
        }
    };
    if let Some(id) = &new.model_id {
        run_id = run_id.or(logged_models::get(db, id)?.source_run_id);
    }
    Ok((storage, run_id))
}
