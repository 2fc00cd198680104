use async_trait::async_trait;

use crate::entities::{ModelFilter, ModelVersion, NewModelVersion, Page, RegisteredModel, Tags};
use crate::file::{FileStore, models, transition, versions};
use crate::rules;
use crate::store::{AtomicOutcome, AtomicRegistry, AtomicTransition, RegistryStore, VersionTag};
use hydra_base::aliases::AliasMove;
use hydra_base::error::Result;
use hydra_base::names::{Alias, Key, ModelName, Version};

#[async_trait]
impl RegistryStore for FileStore {
    async fn create_registered_model(
        &self,
        name: &ModelName,
        tags: &Tags,
        description: &str,
    ) -> Result<RegisteredModel> {
        let (name, tags, description) = (name.clone(), rules::checked_tags(tags)?, description.to_owned());
        self.blocking(move |disk| models::create(disk, name, tags, description)).await
    }

    async fn registered_model(&self, name: &ModelName) -> Result<RegisteredModel> {
        let name = name.clone();
        self.blocking(move |disk| disk.read(|tree| models::read(tree, &name))).await
    }

    async fn registered_models(
        &self,
        filter: &ModelFilter,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<RegisteredModel>> {
        let page_size = rules::page_size_checked(page_size)?;
        let (filter, after) = (filter.clone(), page_token.map(str::to_owned));
        self.blocking(move |disk| disk.read(|tree| models::page(tree, &filter, after.as_deref(), page_size)))
            .await
    }

    async fn set_registered_model_tag(&self, name: &ModelName, key: &Key, value: &str) -> Result<()> {
        let (name, key, value) = (name.clone(), key.clone(), value.to_owned());
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                models::touch(tree, transaction, &name, None)?;
                models::plan_tag(transaction, &name, &key, value);
                Ok(())
            })
        })
        .await
    }

    async fn delete_registered_model(&self, name: &ModelName) -> Result<()> {
        let name = name.clone();
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                models::check_exists(tree, &name)?;
                transaction.remove_tree(models::directory(&name));
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
                models::touch(tree, transaction, &new.name, None)?;
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
        let page_size = rules::page_size_checked(page_size)?;
        let below = rules::parse_page_token(page_token)?.or(below);
        let name = name.clone();
        self.blocking(move |disk| disk.read(|tree| versions::page(tree, &name, below, page_size))).await
    }

    async fn versions_between(
        &self,
        name: &ModelName,
        lowest: Version,
        highest: Version,
    ) -> Result<Vec<ModelVersion>> {
        rules::check_range(lowest, highest)?;
        let name = name.clone();
        self.blocking(move |disk| disk.read(|tree| versions::between(tree, &name, lowest, highest))).await
    }

    async fn set_version_tag(
        &self,
        name: &ModelName,
        version: Version,
        key: &Key,
        value: &str,
    ) -> Result<()> {
        let tag = VersionTag { version, key: key.clone(), value: Some(value.to_owned()) };
        let name = name.clone();
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                versions::plan_tag(tree, transaction, &name, &tag)?;
                models::touch(tree, transaction, &name, None)
            })
        })
        .await
    }

    async fn delete_version_tag(&self, name: &ModelName, version: Version, key: &Key) -> Result<()> {
        let (name, tag) = (name.clone(), VersionTag { version, key: key.clone(), value: None });
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                versions::plan_tag(tree, transaction, &name, &tag)?;
                models::touch(tree, transaction, &name, None)
            })
        })
        .await
    }

    async fn delete_model_version(&self, name: &ModelName, version: Version) -> Result<()> {
        let name = name.clone();
        self.blocking(move |disk| {
            disk.write(|tree, transaction| {
                versions::plan_deletion(tree, transaction, &name, version)?;
                let mut aliases = models::aliases(tree, &name)?;
                for (alias, _) in aliases.extract_if(.., |_, target| *target == version) {
                    transaction.remove_file(models::alias_path(&name, &alias));
                }
                models::touch(tree, transaction, &name, Some(&aliases))
            })
        })
        .await
    }

    async fn set_alias(&self, name: &ModelName, alias: &Alias, version: Version) -> Result<()> {
        let (name, moves) = (name.clone(), vec![AliasMove { alias: alias.clone(), version: Some(version) }]);
        self.blocking(move |disk| {
            disk.write(|tree, transaction| transition::plan_moves(tree, transaction, &name, &moves))
        })
        .await
    }

    async fn delete_alias(&self, name: &ModelName, alias: &Alias) -> Result<()> {
        let (name, moves) = (name.clone(), vec![AliasMove { alias: alias.clone(), version: None }]);
        self.blocking(move |disk| {
            disk.write(|tree, transaction| transition::plan_moves(tree, transaction, &name, &moves))
        })
        .await
    }

    async fn version_by_alias(&self, name: &ModelName, alias: &Alias) -> Result<Option<ModelVersion>> {
        let (name, alias) = (name.clone(), alias.clone());
        self.blocking(move |disk| {
            disk.read(|tree| {
                let target = models::read_alias(tree, &name, &alias)?;
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
            disk.write(|tree, transaction| transition::plan_transition(tree, transaction, &transition))
        })
        .await
    }

    async fn newest_number(&self, name: &ModelName) -> Result<Option<Version>> {
        let name = name.clone();
        self.blocking(move |disk| disk.read(|tree| versions::newest(tree, &name))).await
    }
}
