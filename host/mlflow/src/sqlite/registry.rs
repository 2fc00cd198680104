use async_trait::async_trait;

use crate::entities::{ModelFilter, ModelVersion, NewModelVersion, Page, RegisteredModel, Tags};
use crate::rules;
use crate::sqlite::{SqliteStore, models, tags, versions};
use crate::store::{AtomicOutcome, AtomicRegistry, AtomicTransition, ModelTag, RegistryStore};
use hydra_base::aliases::AliasMove;
use hydra_base::error::Result;
use hydra_base::failpoint::failpoint;
use hydra_base::names::{Alias, Key, ModelName, Version};

#[async_trait]
impl RegistryStore for SqliteStore {
    async fn create_registered_model(
        &self,
        name: &ModelName,
        tags: &Tags,
        description: &str,
    ) -> Result<RegisteredModel> {
        let (name, tags, description) = (name.clone(), rules::checked_tags(tags)?, description.to_owned());
        self.write(move |db| models::create(db, name, tags, description)).await
    }

    async fn registered_model(&self, name: &ModelName) -> Result<RegisteredModel> {
        let name = name.clone();
        self.read(move |db| models::get(db, name)).await
    }

    async fn registered_models(
        &self,
        filter: &ModelFilter,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<RegisteredModel>> {
        let page_size = rules::page_size_checked(page_size)?;
        let (filter, after) = (filter.clone(), page_token.map(str::to_owned));
        self.read(move |db| models::page(db, &filter, after.as_deref(), page_size)).await
    }

    async fn set_registered_model_tag(&self, name: &ModelName, key: &Key, value: &str) -> Result<()> {
        let (name, key, value) = (name.clone(), key.clone(), value.to_owned());
        self.write(move |db| {
            models::check_exists(db, &name)?;
            tags::set_of_model(db, &name, key.as_str(), &value)
        })
        .await
    }

    async fn delete_registered_model(&self, name: &ModelName) -> Result<()> {
        let name = name.clone();
        self.write(move |db| models::delete(db, &name)).await
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
        let page_size = rules::page_size_checked(page_size)?;
        let below = rules::parse_page_token(page_token)?.or(below);
        let name = name.clone();
        self.read(move |db| versions::page(db, &name, below, page_size)).await
    }

    async fn versions_between(
        &self,
        name: &ModelName,
        lowest: Version,
        highest: Version,
    ) -> Result<Vec<ModelVersion>> {
        rules::check_range(lowest, highest)?;
        let name = name.clone();
        self.read(move |db| versions::between(db, &name, lowest, highest)).await
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

    async fn delete_version_tag(&self, name: &ModelName, version: Version, key: &Key) -> Result<()> {
        let (name, key) = (name.clone(), key.clone());
        self.write(move |db| {
            versions::check_exists(db, &name, version)?;
            tags::delete_of_version(db, &name, version, key.as_str())
        })
        .await
    }

    async fn delete_model_version(&self, name: &ModelName, version: Version) -> Result<()> {
        let name = name.clone();
        self.write(move |db| versions::delete(db, &name, version)).await
    }

    async fn set_alias(&self, name: &ModelName, alias: &Alias, version: Version) -> Result<()> {
        let (name, moves) = (name.clone(), vec![AliasMove { alias: alias.clone(), version: Some(version) }]);
        self.write(move |db| versions::apply_moves(db, &name, &moves)).await
    }

    async fn delete_alias(&self, name: &ModelName, alias: &Alias) -> Result<()> {
        let (name, moves) = (name.clone(), vec![AliasMove { alias: alias.clone(), version: None }]);
        self.write(move |db| {
            models::check_exists(db, &name)?;
            versions::apply_moves(db, &name, &moves)
        })
        .await
    }

    async fn version_by_alias(&self, name: &ModelName, alias: &Alias) -> Result<Option<ModelVersion>> {
        let (name, alias) = (name.clone(), alias.clone());
        self.read(move |db| {
            let target = models::alias(db, &name, &alias)?;
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
            models::check_exists(db, &transition.model)?;
            models::check_exists(db, &transition.entry.name)?;
            for AliasMove { alias, version } in &transition.expected_aliases {
                if models::alias(db, &transition.model, alias)? != *version {
                    return Ok(AtomicOutcome::Conflict);
                }
            }
            if versions::newest(db, &transition.entry.name)? != transition.expected_newest {
                return Ok(AtomicOutcome::Conflict);
            }
            let entry = versions::create(db, &transition.entry)?;
            failpoint("sqlite.appended");
            versions::apply_moves(db, &transition.model, &transition.moves)?;
            versions::apply_tags(db, &transition.model, &transition.tags)?;
            for ModelTag { key, value } in &transition.model_tags {
                tags::set_of_model(db, &transition.model, key.as_str(), value)?;
            }
            failpoint("sqlite.moved");
            Ok(AtomicOutcome::Committed(entry))
        })
        .await
    }

    async fn newest_number(&self, name: &ModelName) -> Result<Option<Version>> {
        let name = name.clone();
        self.read(move |db| versions::newest(db, &name)).await
    }
}
