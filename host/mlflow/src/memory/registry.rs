use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;

use crate::entities::{
    ModelFilter, ModelVersion, NewModelVersion, Page, RegisteredModel, Tags, VersionStatus,
};
use crate::errors;
use crate::memory::{MemoryStore, State, StoredModel, StoredVersion};
use crate::rules;
use crate::store::{AtomicOutcome, AtomicRegistry, AtomicTransition, ModelTag, RegistryStore, VersionTag};
use crate::uri::ModelUri;
use hydra_base::aliases::AliasMove;
use hydra_base::error::Result;
use hydra_base::names::{Alias, Key, ModelName, Version};
use hydra_base::time::now;

#[async_trait]
impl RegistryStore for MemoryStore {
    async fn create_registered_model(
        &self,
        name: &ModelName,
        tags: &Tags,
        description: &str,
    ) -> Result<RegisteredModel> {
        let tags = rules::checked_tags(tags)?;
        let mut state = self.lock();
        if state.models.contains_key(name) {
            return Err(errors::already_exists("a registered model", name));
        }
        let model = RegisteredModel {
            name: name.clone(),
            created_at: now(),
            description: description.to_owned(),
            tags,
            aliases: BTreeMap::new(),
        };
        let stored = StoredModel { model: model.clone(), versions: BTreeMap::new(), newest: None };
        state.models.insert(name.clone(), stored);
        Ok(model)
    }

    async fn registered_model(&self, name: &ModelName) -> Result<RegisteredModel> {
        Ok(self.lock().model(name)?.model.clone())
    }

    async fn registered_models(
        &self,
        filter: &ModelFilter,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<RegisteredModel>> {
        let page_size = rules::page_size_checked(page_size)?;
        let state = self.lock();
        let shown = state.models.values().map(|stored| &stored.model).filter(|model| filter.matches(model));
        let shown = shown.filter(|model| page_token.is_none_or(|after| model.name.as_str() > after));
        Ok(rules::page_by_name(shown.take(page_size + 1).cloned().collect(), page_size))
    }

    async fn set_registered_model_tag(&self, name: &ModelName, key: &Key, value: &str) -> Result<()> {
        let mut state = self.lock();
        state.model_mut(name)?.model.tags.insert(key.to_string(), value.to_owned());
        Ok(())
    }

    async fn delete_registered_model(&self, name: &ModelName) -> Result<()> {
        self.lock().models.remove(name).map(drop).ok_or_else(|| errors::model_not_found(name))
    }

    async fn create_model_version(&self, version: &NewModelVersion) -> Result<ModelVersion> {
        self.lock().append(version)
    }

    async fn model_version(&self, name: &ModelName, version: Version) -> Result<ModelVersion> {
        self.lock().version(name, version)
    }

    async fn model_versions(
        &self,
        name: &ModelName,
        below: Option<Version>,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<ModelVersion>> {
        let page_size = rules::page_size_checked(page_size)?;
        let below = rules::parse_page_token(page_token)?.or(below).map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.lock();
        let Ok(model) = state.model(name) else { return Ok(Page { items: Vec::new(), next: None }) };
        let mut older =
            model.versions.range((Bound::Unbounded, below)).rev().map(|(_, stored)| stored.version.clone());
        let items: Vec<ModelVersion> = older.by_ref().take(page_size).collect();
        let next = older.next().and(items.last()).map(|last| last.version.to_string());
        Ok(Page { items, next })
    }

    async fn versions_between(
        &self,
        name: &ModelName,
        lowest: Version,
        highest: Version,
    ) -> Result<Vec<ModelVersion>> {
        rules::check_range(lowest, highest)?;
        let state = self.lock();
        let Ok(model) = state.model(name) else { return Ok(Vec::new()) };
        let between = model.versions.values().rev().map(|stored| &stored.version);
        Ok(between.filter(|found| (lowest..=highest).contains(&found.version)).cloned().collect())
    }

    async fn set_version_tag(
        &self,
        name: &ModelName,
        version: Version,
        key: &Key,
        value: &str,
    ) -> Result<()> {
        let mut state = self.lock();
        state.version_mut(name, version)?.tags.insert(key.to_string(), value.to_owned());
        Ok(())
    }

    async fn delete_version_tag(&self, name: &ModelName, version: Version, key: &Key) -> Result<()> {
        self.lock().version_mut(name, version)?.tags.remove(key.as_str());
        Ok(())
    }

    async fn delete_model_version(&self, name: &ModelName, version: Version) -> Result<()> {
        let mut state = self.lock();
        let missing = || errors::version_not_found(name, version);
        let model = state.models.get_mut(name).ok_or_else(missing)?;
        model.versions.remove(&version).ok_or_else(missing)?;
        model.model.aliases.retain(|_, target| *target != version);
        Ok(())
    }

    async fn set_alias(&self, name: &ModelName, alias: &Alias, version: Version) -> Result<()> {
        let mut state = self.lock();
        state.version(name, version)?;
        state.model_mut(name)?.model.aliases.insert(alias.clone(), version);
        Ok(())
    }

    async fn delete_alias(&self, name: &ModelName, alias: &Alias) -> Result<()> {
        self.lock().model_mut(name)?.model.aliases.remove(alias);
        Ok(())
    }

    async fn version_by_alias(&self, name: &ModelName, alias: &Alias) -> Result<Option<ModelVersion>> {
        let state = self.lock();
        let target = state.models.get(name).and_then(|model| model.model.aliases.get(alias));
        target.map(|version| state.version(name, *version)).transpose()
    }

    async fn download_uri(&self, name: &ModelName, version: Version) -> Result<String> {
        self.lock().storage(name, version)
    }

    fn atomic(&self) -> Option<&dyn AtomicRegistry> {
        Some(self)
    }
}

#[async_trait]
impl AtomicRegistry for MemoryStore {
    async fn commit(&self, transition: &AtomicTransition) -> Result<AtomicOutcome> {
        let mut state = self.lock();
        let aliases = &state.model(&transition.model)?.model.aliases;
        let as_read =
            transition.expected_aliases.iter().all(|read| aliases.get(&read.alias) == read.version.as_ref());
        if !as_read || state.model(&transition.entry.name)?.newest != transition.expected_newest {
            return Ok(AtomicOutcome::Conflict);
        }
        for version in transition.moves.iter().filter_map(|AliasMove { version, .. }| *version) {
            state.version(&transition.model, version)?;
        }
        let entry = state.append(&transition.entry)?;
        let aliases = &mut state.model_mut(&transition.model)?.model.aliases;
        for AliasMove { alias, version } in &transition.moves {
            match version {
                Some(version) => aliases.insert(alias.clone(), *version),
                None => aliases.remove(alias),
            };
        }
        for VersionTag { version, key, value } in &transition.tags {
            let Ok(version) = state.version_mut(&transition.model, *version) else { continue };
            match value {
                Some(value) => version.tags.insert(key.to_string(), value.clone()),
                None => version.tags.remove(key.as_str()),
            };
        }
        let tags = &mut state.model_mut(&transition.model)?.model.tags;
        for ModelTag { key, value } in &transition.model_tags {
            tags.insert(key.to_string(), value.clone());
        }
        Ok(AtomicOutcome::Committed(entry))
    }

    async fn newest_number(&self, name: &ModelName) -> Result<Option<Version>> {
        Ok(self.lock().models.get(name).and_then(|model| model.newest))
    }
}

impl State {
    fn model(&self, name: &ModelName) -> Result<&StoredModel> {
        self.models.get(name).ok_or_else(|| errors::model_not_found(name))
    }

    fn model_mut(&mut self, name: &ModelName) -> Result<&mut StoredModel> {
        self.models.get_mut(name).ok_or_else(|| errors::model_not_found(name))
    }

    fn version_mut(&mut self, name: &ModelName, version: Version) -> Result<&mut ModelVersion> {
        let stored = self.models.get_mut(name).and_then(|model| model.versions.get_mut(&version));
        stored.map(|stored| &mut stored.version).ok_or_else(|| errors::version_not_found(name, version))
    }

    /// The version with its aliases.
    fn version(&self, name: &ModelName, version: Version) -> Result<ModelVersion> {
        let missing = || errors::version_not_found(name, version);
        let model = self.models.get(name).ok_or_else(missing)?;
        let mut found = model.versions.get(&version).ok_or_else(missing)?.version.clone();
        let on_it = model.model.aliases.iter().filter(|(_, target)| **target == version);
        found.aliases = on_it.map(|(alias, _)| alias.clone()).collect();
        Ok(found)
    }

    fn storage(&self, name: &ModelName, version: Version) -> Result<String> {
        let stored = self.models.get(name).and_then(|model| model.versions.get(&version));
        stored.map(|stored| stored.storage.clone()).ok_or_else(|| errors::version_not_found(name, version))
    }

    fn append(&mut self, new: &NewModelVersion) -> Result<ModelVersion> {
        let tags = rules::checked_tags(&new.tags)?;
        let mut run_id = new.run_id.clone();
        let storage = match rules::source_model(new)? {
            None | Some(ModelUri::Run(..)) => new.source.clone(),
            Some(ModelUri::Version(name, version)) => self.storage(&name, version)?,
            Some(ModelUri::Alias(name, alias)) => {
                let version = self.model(&name)?.model.aliases.get(&alias).copied();
                let version = version.ok_or_else(|| errors::alias_not_set(&name, &alias))?;
                self.storage(&name, version)?
            }
            Some(ModelUri::LoggedModel(id)) => {
                let model =
                    self.logged_models.get(&id).ok_or_else(|| errors::not_found("LoggedModel", &id))?;
                run_id = run_id.or_else(|| model.source_run_id.clone());
                model.artifact_uri.clone()
            }
        };
        if let Some(id) = &new.model_id {
            let model = self.logged_models.get(id).ok_or_else(|| errors::not_found("LoggedModel", id))?;
            run_id = run_id.or_else(|| model.source_run_id.clone());
        }
        let model = self.model_mut(&new.name)?;
        let version = ModelVersion {
            name: new.name.clone(),
            version: rules::next_version(model.newest)?,
            created_at: now(),
            description: new.description.clone(),
            source: new.source.clone(),
            run_id,
            status: VersionStatus::Ready,
            tags,
            aliases: Vec::new(),
        };
        model.newest = Some(version.version);
        model.versions.insert(version.version, StoredVersion { version: version.clone(), storage });
        Ok(version)
    }
}
