//! Which version a server served last: `served/<key>` holds one [`ServedRecord`] as JSON, so that it can start while its registry
//! cannot be reached.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::{CONTENTS, ModelCache};
use crate::candidate::SHA256_TAG;
use hydra_base::error::Result;
use hydra_base::names::{Alias, ModelName, RunId, Version};
use hydra_base::private_dir::{self, write_whole};
use hydra_base::{Sha256, Timestamp};
use hydra_mlflow::entities::ModelVersion;
use hydra_mlflow::flavor::ColumnSpec;

/// The directory.
const DIRECTORY: &str = "served";

/// The version that was served last behind an alias: what identifies its model in the cache, and what requests are checked
/// against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedRecord {
    name: ModelName,
    version: Version,
    created_at: Timestamp,
    source: String,
    run_id: Option<RunId>,
    digest: Option<String>,
    /// The columns of the signature in `MLmodel`.
    pub signature: Option<Vec<ColumnSpec>>,
    /// The signatures of the model file that the version had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
}

impl ServedRecord {
    /// What is kept of a version.
    #[must_use]
    pub fn of(version: &ModelVersion, signature: Option<Vec<ColumnSpec>>) -> Self {
        Self {
            name: version.name.clone(),
            version: version.version,
            created_at: version.created_at,
            source: version.source.clone(),
            run_id: version.run_id.clone(),
            digest: version.tags.get(SHA256_TAG).cloned(),
            signature,
            signed: None,
        }
    }

    /// The version, with the tag of its digest and no other.
    #[must_use]
    pub fn version(&self) -> ModelVersion {
        let mut version =
            ModelVersion::new(self.name.clone(), self.version, self.created_at, self.source.clone());
        version.run_id.clone_from(&self.run_id);
        version.tags.extend(self.digest.clone().map(|digest| (SHA256_TAG.to_owned(), digest)));
        version
    }
}

impl ModelCache {
    /// The version that was served last behind the alias. A damaged file counts as absent, and so does a directory that other
    /// users can change.
    #[must_use]
    pub fn served(&self, name: &ModelName, alias: &Alias) -> Option<ServedRecord> {
        let directory = self.root.join(DIRECTORY);
        if !directory.exists() {
            return None;
        }
        if let Err(error) = private_dir::check(&directory, CONTENTS) {
            tracing::warn!(%error, "not using the cache of models");
            return None;
        }
        let path = directory.join(self.served_key(name, alias));
        let record: ServedRecord = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (record.name == *name).then_some(record)
    }

    /// Remembers the version that is served behind the alias.
    pub fn put_served(&self, alias: &Alias, record: &ServedRecord) -> Result<()> {
        let json = serde_json::to_vec(record).map_err(io::Error::from);
        let json = json.map_err(|error| self.failed(error))?;
        let directory = self.private(DIRECTORY)?;
        let key = self.served_key(&record.name, alias);
        write_whole(&directory, &key, &json).map_err(|error| self.failed(error))
    }

    fn served_key(&self, name: &ModelName, alias: &Alias) -> String {
        let identity = [&self.store.to_string(), name.as_str(), alias.as_str()];
        Sha256::of(identity.join("\n").as_bytes()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_base::testing::version;

    #[test]
    fn the_version_that_was_served_is_found_again_by_its_store_and_alias() {
        let home = tempfile::tempdir().expect("a directory");
        let root = home.path().join("models");
        let cache = ModelCache::new(root.clone(), "a store", 1 << 20);
        let name = ModelName::new("churn").expect("a name");
        assert_eq!(cache.served(&name, &Alias::CHAMPION), None);
        let mut served = ModelVersion::new(name.clone(), version(3), 7, "runs:/1/model");
        served.tags.insert(SHA256_TAG.to_owned(), "5f".to_owned());
        let record = ServedRecord::of(&served, Some(vec![ColumnSpec::required("age", "long")]));
        cache.put_served(&Alias::CHAMPION, &record).expect("kept");
        assert_eq!(cache.served(&name, &Alias::CHAMPION), Some(record.clone()));
        assert_eq!(record.version(), served);
        assert_eq!(cache.served(&name, &Alias::CANDIDATE), None);
        assert_eq!(ModelCache::new(root, "another store", 1 << 20).served(&name, &Alias::CHAMPION), None);
        let files = fs::read_dir(home.path().join("models/served")).expect("files");
        files.for_each(|file| fs::write(file.expect("a file").path(), b"{").expect("damage"));
        assert_eq!(cache.served(&name, &Alias::CHAMPION), None);
    }
}
