use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};

use crate::entities::{ModelVersion, NewModelVersion, Page, RegisteredModel, Tags};
use crate::local;
use crate::sqlite::database::{Db, Work};
use crate::sqlite::{SqliteStore, tags, versions};
use crate::store::{AtomicOutcome, AtomicRegistry, AtomicTransition, RegistryStore};
use hydra_base::Timestamp;
use hydra_base::aliases::AliasMove;
use hydra_base::error::Result;
use hydra_base::failpoint::failpoint;
use hydra_base::names::{Alias, Key, ModelName, Version};
use hydra_base::time::now;

#[async_trait]
impl RegistryStore for SqliteStore {
    async fn create_registered_model(
        &self,
        name: &ModelName,
        tags: &Tags,
        description: &str,
    ) -> Result<RegisteredModel> {
        let (name, tags, description) = (name.clone(), local::checked_tags(tags)?, description.to_owned());
        self.write(move |db| create(db, name, tags, description)).await
    }

    async fn registered_model(&self, name: &ModelName) -> Result<RegisteredModel> {
        let name = name.clone();
        self.read(move |db| get(db, name)).await
    }

    async fn set_registered_model_tag(&self, name: &ModelName, key: &Key, value: &str) -> Result<()> {
        let (name, key, value) = (name.clone(), key.clone(), value.to_owned());
        self.write(move |db| {
            check_exists(db, &name)?;
            tags::set_of_model(db, &name, key.as_str(), &value)
        })
        .await
    }

    async fn delete_registered_model(&self, name: &ModelName) -> Result<()> {
        let name = name.clone();
        self.write(move |db| delete(db, &name)).await
    }

    async fn create_model_version(&self, version: &NewModelVersion) -> Result<ModelVersion> {
        let version = version.clone();
        self.write(move |db| versions::create(db, &version)).await
    }

    async fn model_version(&self, name: &ModelName, version: Version) -> Result<ModelVersion> {
        let name = name.clone();
        self.read(move |db| versions::get(db, &name, version)).await
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
        self.read(move |db| versions::page(db, &name, below, page_size)).await
    }

    async fn set_version_tag(
        &self,
        name: &ModelName,
        version: Version,
        key: &Key,
        value: &str,
    ) -> Result<()> {
        let (name, key, value) = (name.clone(), key.clone(), value.to_owned());
        self.write(move |db| {
            versions::check_exists(db, &name, version)?;
            tags::set_of_version(db, &name, version, key.as_str(), &value)
        })
        .await
    }

    async fn delete_model_version(&self, name: &ModelName, version: Version) -> Result<()> {
        let name = name.clone();
        self.write(move |db| versions::delete(db, &name, version)).await
    }

    async fn set_alias(&self, name: &ModelName, alias: &Alias, version: Version) -> Result<()> {
        let (name, moves) = (name.clone(), vec![AliasMove { alias: alias.clone(), version: Some(version) }]);
        self.write(move |db| apply_moves(db, &name, &moves)).await
    }

    async fn delete_alias(&self, name: &ModelName, alias: &Alias) -> Result<()> {
        let (name, moves) = (name.clone(), vec![AliasMove { alias: alias.clone(), version: None }]);
        self.write(move |db| {
            check_exists(db, &name)?;
            apply_moves(db, &name, &moves)
        })
        .await
    }

    async fn version_by_alias(&self, name: &ModelName, alias: &Alias) -> Result<Option<ModelVersion>> {
        let (name, alias) = (name.clone(), alias.clone());
        self.read(move |db| {
            let target = self::alias(db, &name, &alias)?;
            target.map(|version| versions::get(db, &name, version)).transpose()
        })
        .await
    }

    async fn download_uri(&self, name: &ModelName, version: Version) -> Result<String> {
        let name = name.clone();
        self.read(move |db| versions::storage_location(db, &name, version)).await
    }

    fn atomic(&self) -> Option<&dyn AtomicRegistry> {
        Some(self)
    }
}

#[async_trait]
impl AtomicRegistry for SqliteStore {
    async fn commit(&self, transition: &AtomicTransition) -> Result<AtomicOutcome> {
        let transition = transition.clone();
        self.write(move |db| {
            check_exists(db, &transition.model)?;
            check_exists(db, &transition.entry.name)?;
            for AliasMove { alias, version } in &transition.expected_aliases {
                if self::alias(db, &transition.model, alias)? != *version {
                    return Ok(AtomicOutcome::Conflict);
                }
            }
            if versions::newest(db, &transition.entry.name)? != transition.expected_newest {
                return Ok(AtomicOutcome::Conflict);
            }
            let entry = versions::create(db, &transition.entry)?;
            failpoint("sqlite.appended");
            apply_moves(db, &transition.model, &transition.moves)?;
            failpoint("sqlite.moved");
            Ok(AtomicOutcome::Committed(entry))
        })
        .await
    }
}

/// `ModelNotFound` if there is no such model.
pub(super) fn check_exists(db: &Db<'_>, name: &ModelName) -> Work<()> {
    Ok(exists(db, name)?.then_some(()).ok_or_else(|| local::model_not_found(name))?)
}

/// Writes down that the model changed; `ModelNotFound` if there is no such model.
pub(super) fn touch(db: &Db<'_>, name: &ModelName, now: Timestamp) -> Work<()> {
    let sql = format!(
        "UPDATE registered_models SET last_updated_time = ?2 WHERE name = ?1{}",
        db.schema.in_workspace("registered_models"),
    );
    let touched = db.prepare_cached(&sql)?.execute(params![name.as_str(), now])?;
    Ok((touched > 0).then_some(()).ok_or_else(|| local::model_not_found(name))?)
}

/// Every alias of a model and where it points.
pub(super) fn aliases(db: &Db<'_>, name: &ModelName) -> Work<BTreeMap<Alias, Version>> {
    let sql = format!(
        "SELECT a.alias, a.version FROM registered_model_aliases a WHERE a.name = ?1{}",
        db.schema.in_workspace("a"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([name.as_str()])?;
    let mut aliases = BTreeMap::new();
    while let Some(row) = rows.next()? {
        // names that MLflow would refuse are not aliases
        if let Ok(alias) = Alias::new(row.get::<_, String>(0)?) {
            aliases.insert(alias, versions::from_number(row.get(1)?)?);
        }
    }
    Ok(aliases)
}

/// Where an alias points.
pub(super) fn alias(db: &Db<'_>, name: &ModelName, alias: &Alias) -> Work<Option<Version>> {
    let sql = format!(
        "SELECT a.version FROM registered_model_aliases a WHERE a.name = ?1 AND a.alias = ?2{}",
        db.schema.in_workspace("a"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let target =
        statement.query_row([name.as_str(), alias.as_str()], |row| row.get::<_, i64>(0)).optional()?;
    target.map(versions::from_number).transpose()
}

fn exists(db: &Db<'_>, name: &ModelName) -> Work<bool> {
    let sql = format!("SELECT 1 FROM registered_models m WHERE m.name = ?1{}", db.schema.in_workspace("m"));
    Ok(db.prepare_cached(&sql)?.exists([name.as_str()])?)
}

fn create(db: &Db<'_>, name: ModelName, tags: Tags, description: String) -> Work<RegisteredModel> {
    if exists(db, &name)? {
        return Err(local::already_exists("a registered model", &name).into());
    }
    let created_at = now();
    let insert =
        db.schema.insert("registered_models", &["name", "creation_time", "last_updated_time", "description"]);
    let description_or_null = local::none_if_empty(&description);
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

fn get(db: &Db<'_>, name: ModelName) -> Work<RegisteredModel> {
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
    let (created_at, description) = found.ok_or_else(|| local::model_not_found(&name))?;
    Ok(RegisteredModel {
        created_at: created_at.unwrap_or_default(),
        description: description.unwrap_or_default(),
        tags: tags::of_model(db, &name)?,
        aliases: aliases(db, &name)?,
        name,
    })
}

fn delete(db: &Db<'_>, name: &ModelName) -> Work<()> {
    check_exists(db, name)?;
    // children first, since not every foreign key cascades
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

fn apply_moves(db: &Db<'_>, name: &ModelName, moves: &[AliasMove]) -> Work<()> {
    let insert = db.schema.insert("registered_model_aliases", &["name", "alias", "version"]);
    let conflict = if db.schema.workspace.is_some() { "workspace, name, alias" } else { "name, alias" };
    let set = format!("{insert} ON CONFLICT ({conflict}) DO UPDATE SET version = excluded.version");
    let remove = format!(
        "DELETE FROM registered_model_aliases WHERE name = ?1 AND alias = ?2{}",
        db.schema.in_workspace("registered_model_aliases"),
    );
    for AliasMove { alias, version } in moves {
        if let Some(version) = version {
            versions::check_exists(db, name, *version)?;
            let row = params![name.as_str(), alias.as_str(), versions::number(*version)];
            db.prepare_cached(&set)?.execute(row)?;
        } else {
            db.prepare_cached(&remove)?.execute([name.as_str(), alias.as_str()])?;
        }
    }
    Ok(())
}
