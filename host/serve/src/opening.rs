//! Opens a version off the path of the one that follows its alias, and puts it into its seat.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{blocking, yielding};
use hydra_evaluation::Evaluation;
use hydra_registry::mlflow::entities::ModelVersion;
use hydra_registry::{ModelRegistry, ServableVersion};

use crate::drift::Drift;
use crate::metrics::{Behind, Metrics};
use crate::served::{Ingredients, Seat, Served};

/// An alias of a model, and the seat of the version behind it.
#[derive(Debug, Clone)]
pub(crate) struct Following {
    pub(crate) name: Arc<str>,
    pub(crate) registry: ModelRegistry,
    pub(crate) seat: Arc<Seat>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) categories: Arc<[String]>,
}

/// A version that is being opened. When this is dropped, nothing continues but a computation that has begun.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The version.
    pub(crate) version: ModelVersion,
    task: JoinHandle<Result<Opened>>,
    result: Option<Result<Opened>>,
}

/// A version that is open and warm.
#[derive(Debug)]
pub(crate) struct Opened {
    served: Arc<Served>,
    servable: ServableVersion,
}

impl Following {
    /// The labels of the metrics of the alias.
    pub(crate) fn behind(&self) -> Behind {
        Behind { model: self.name.to_string(), alias: self.seat.alias.to_string() }
    }
}

impl Opening {
    /// Begins to open a version, which may take `limit`.
    pub(crate) fn begin(following: &Following, version: ModelVersion, limit: Duration) -> Self {
        tracing::debug!(model = &*following.name, version = %version.version, "opening a version");
        let (following, entity) = (following.clone(), version.clone());
        let number = version.version;
        let open = async move {
            let servable = following.registry.load_servable(entity.clone()).await?;
            let evaluations = following.registry.evaluations_of(entity.version, &entity.tags).await;
            Opened::new(&following, servable, evaluations).await
        };
        let task = tokio::spawn(async move {
            timeout(limit, yielding(open)).await.unwrap_or_else(|_| {
                let message =
                    format!("version {number} could not be opened within {} s", limit.as_secs_f64());
                let error = Error::new(ErrorKind::Timeout, message).with_retryable(true);
                Err(error.with_hint("allow more time with `--open-time`"))
            })
        });
        Self { version, task, result: None }
    }

    /// Waits until the version is open, or could not be opened.
    pub(crate) async fn ended(&mut self) {
        if self.result.is_none() {
            let ended = (&mut self.task).await;
            let failed =
                |source| Error::new(ErrorKind::Internal, "opening a version failed").with_source(source);
            self.result = Some(ended.unwrap_or_else(|source| Err(failed(source))));
        }
    }

    /// The version that was opened, after [`ended`](Self::ended).
    pub(crate) fn take_result(&mut self) -> Option<Result<Opened>> {
        self.result.take()
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Opened {
    /// Warms a version.
    pub(crate) async fn new(
        following: &Following,
        servable: ServableVersion,
        evaluations: Vec<Evaluation>,
    ) -> Result<Self> {
        let (name, metrics) = (following.name.clone(), following.metrics.clone());
        let ServableVersion { entity, model, sha256, signature, .. } = &servable;
        let made_of = Ingredients {
            entity: Some(entity.clone()),
            model: model.clone(),
            sha256: *sha256,
            signature: signature.clone(),
            drift: Drift::from_evaluations(&evaluations, entity.version, *sha256),
            categories: following.categories.clone(),
        };
        let served = Arc::new(blocking(move || Served::new(&name, made_of, &metrics)).await?);
        Ok(Self { served, servable })
    }

    /// Swaps the version in, and remembers it.
    pub(crate) async fn take_seat(self, following: &Following) {
        let Self { served, servable } = self;
        let Following { name, registry, seat, metrics, .. } = following;
        let former = seat.put(Some(served.clone()));
        let since = metrics.serving_since.get_or_create_owned(&served.labels);
        since.set(served.since as f64 / 1e3);
        if let Some(former) = &former {
            metrics.swaps.get_or_create(&following.behind()).inc();
            if former.label != served.label {
                metrics.serving_since.remove(&former.labels);
            }
        }
        tracing::info!(
            model = &**name, alias = %seat.alias, version = served.label, sha256 = %served.sha256,
            former = former.map(|former| former.label.clone()), "serving a version"
        );
        if let Err(error) = registry.remember_served(&seat.alias, &servable).await {
            tracing::warn!(%error, "cannot remember the served version");
        }
    }
}
