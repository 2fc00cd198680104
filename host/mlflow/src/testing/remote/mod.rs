//! The in-memory store in the role of a remote server: without atomic transitions, with failures on request, and with a
//! count of the sequential rounds of requests; also in the role of a file store, which gives two versions one number.

mod tracking;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::entities::{ModelFilter, ModelVersion, NewModelVersion, Page, RegisteredModel, Tags};
use crate::memory::MemoryStore;
use crate::store::RegistryStore;
use hydra_base::names::{Alias, Key, ModelName, Version};
use hydra_base::{Error, ErrorKind, Result};

/// The fault of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The write does not reach the server.
    Refused,
    /// The write takes effect, and the answer is lost.
    AnswerLost,
    /// The process dies before the write; no further request is sent.
    Dead,
}

/// A store over the network, as one client sees it.
#[derive(Debug)]
pub struct Remote {
    store: Arc<MemoryStore>,
    writes: AtomicU64,
    faults: Mutex<Vec<(u64, Fault)>>,
    dead: AtomicBool,
    rounds: AtomicU64,
    lists_aliases: AtomicBool,
    twin: Mutex<Option<Twin>>,
    moves: Mutex<Vec<(Alias, Option<Version>)>>,
}

/// Another version that gets the number of one that was just created, and overwrites one of its tags.
#[derive(Debug, Clone)]
pub struct Twin {
    /// The tag.
    pub key: Key,
    /// What the other version has there.
    pub value: String,
    /// How long after the first one was created.
    pub later: Duration,
}

impl Remote {
    /// A client of `store`. The writes with these numbers, counted from 0, fail as given.
    #[must_use]
    pub fn new(store: &Arc<MemoryStore>, faults: &[(u64, Fault)]) -> Arc<Self> {
        Arc::new(Self {
            store: store.clone(),
            writes: AtomicU64::new(0),
            faults: Mutex::new(faults.to_vec()),
            dead: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
            lists_aliases: AtomicBool::new(false),
            twin: Mutex::default(),
            moves: Mutex::default(),
        })
    }

    /// The store is a file store from here on, whose listings show it.
    pub fn list_aliases(&self) {
        self.lists_aliases.store(true, Ordering::SeqCst);
    }

    /// The next version that is created gets a twin.
    pub fn overwrite_next(&self, twin: Twin) {
        *self.twin.lock().expect("no panic while the twin was held") = Some(twin);
    }

    /// The moves of aliases that this client sent, in the order in which it sent them.
    pub fn moves(&self) -> Vec<(Alias, Option<Version>)> {
        self.moves.lock().expect("no panic while the moves were held").clone()
    }

    fn note_move(&self, alias: &Alias, version: Option<Version>) {
        self.moves.lock().expect("no panic while the moves were held").push((alias.clone(), version));
    }

    /// Creates a version, and its twin if there is one.
    async fn create(&self, version: &NewModelVersion) -> Result<ModelVersion> {
        let created = self.store.create_model_version(version).await?;
        let twin = self.twin.lock().expect("no panic while the twin was held").take();
        if let Some(Twin { key, value, later }) = twin {
            let (store, name, number) = (self.store.clone(), created.name.clone(), created.version);
            let overwrite = async move { store.set_version_tag(&name, number, &key, &value).await };
            if later.is_zero() {
                overwrite.await?;
            } else {
                tokio::spawn(async move {
                    tokio::time::sleep(later).await;
                    overwrite.await.expect("the version is there");
                });
            }
        }
        Ok(created)
    }

    /// The length of the longest chain of requests in which each was sent after the previous answer.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::SeqCst)
    }

    /// Starts counting rounds again.
    pub fn reset_rounds(&self) {
        self.rounds.store(0, Ordering::SeqCst);
    }

    /// The number of writes that were sent until now.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Whether the client died of [`Fault::Dead`].
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    async fn read<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        if self.is_dead() {
            return Err(Error::new(ErrorKind::Internal, "dead"));
        }
        let round = self.rounds.load(Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        let answer = request.await;
        tokio::task::yield_now().await;
        self.rounds.fetch_max(round, Ordering::SeqCst);
        answer
    }

    async fn write<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let fault = self
            .faults
            .lock()
            .expect("no panic while the faults were held")
            .iter()
            .find(|(at, _)| *at == number)
            .map(|(_, fault)| *fault);
        let lost = || Err(Error::new(ErrorKind::Timeout, "the answer was lost").with_retryable(true));
        match fault {
            None => self.read(request).await,
            Some(Fault::Refused) => lost(),
            Some(Fault::AnswerLost) => {
                self.read(request).await.ok();
                lost()
            }
            Some(Fault::Dead) => {
                self.dead.store(true, Ordering::SeqCst);
                self.read(request).await
            }
        }
    }
}

#[async_trait]
impl RegistryStore for Remote {
    async fn create_registered_model(
        &self,
        name: &ModelName,
        tags: &Tags,
        text: &str,
    ) -> Result<RegisteredModel> {
        self.write(self.store.create_registered_model(name, tags, text)).await
    }

    async fn registered_model(&self, name: &ModelName) -> Result<RegisteredModel> {
        self.read(self.store.registered_model(name)).await
    }

    async fn registered_models(
        &self,
        filter: &ModelFilter,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<RegisteredModel>> {
        self.read(self.store.registered_models(filter, page_size, page_token)).await
    }

    async fn set_registered_model_tag(&self, name: &ModelName, key: &Key, value: &str) -> Result<()> {
        self.write(self.store.set_registered_model_tag(name, key, value)).await
    }

    async fn delete_registered_model(&self, name: &ModelName) -> Result<()> {
        self.write(self.store.delete_registered_model(name)).await
    }

    async fn create_model_version(&self, version: &NewModelVersion) -> Result<ModelVersion> {
        self.write(self.create(version)).await
    }

    async fn model_version(&self, name: &ModelName, version: Version) -> Result<ModelVersion> {
        self.read(self.store.model_version(name, version)).await
    }

    async fn model_versions(
        &self,
        name: &ModelName,
        below: Option<Version>,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<ModelVersion>> {
        self.read(self.store.model_versions(name, below, page_size, page_token)).await
    }

    async fn versions_between(
        &self,
        name: &ModelName,
        lowest: Version,
        highest: Version,
    ) -> Result<Vec<ModelVersion>> {
        self.read(self.store.versions_between(name, lowest, highest)).await
    }

    async fn set_version_tag(
        &self,
        name: &ModelName,
        version: Version,
        key: &Key,
        value: &str,
    ) -> Result<()> {
        self.write(self.store.set_version_tag(name, version, key, value)).await
    }

    async fn delete_version_tag(&self, name: &ModelName, version: Version, key: &Key) -> Result<()> {
        self.write(self.store.delete_version_tag(name, version, key)).await
    }

    async fn delete_model_version(&self, name: &ModelName, version: Version) -> Result<()> {
        self.write(self.store.delete_model_version(name, version)).await
    }

    async fn set_alias(&self, name: &ModelName, alias: &Alias, version: Version) -> Result<()> {
        self.note_move(alias, Some(version));
        self.write(self.store.set_alias(name, alias, version)).await
    }

    async fn delete_alias(&self, name: &ModelName, alias: &Alias) -> Result<()> {
        self.note_move(alias, None);
        self.write(self.store.delete_alias(name, alias)).await
    }

    async fn version_by_alias(&self, name: &ModelName, alias: &Alias) -> Result<Option<ModelVersion>> {
        self.read(self.store.version_by_alias(name, alias)).await
    }

    fn lists_aliases(&self) -> bool {
        self.lists_aliases.load(Ordering::SeqCst)
    }

    async fn download_uri(&self, name: &ModelName, version: Version) -> Result<String> {
        self.read(self.store.download_uri(name, version)).await
    }
}
