//! Follows an alias: finds the version behind it, opens and warms it, and puts it into its seat.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Version;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{blocking, jitter};
use hydra_registry::lifecycle::evaluations::EVALUATION_TAG;
use hydra_registry::mlflow::entities::{ModelVersion, Tags};
use hydra_registry::{ModelRegistry, ServableVersion, quarantine_of};

use crate::drift::Drift;
use crate::metrics::{Behind, Metrics};
use crate::served::{Ingredients, Seat, Served, described};

/// The longest time that the registry may take to name the version behind an alias.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest time between two attempts to open the same version.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What the version in a seat is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It answers requests. It stays until another one is ready.
    Champion,
    /// It is compared with the champion, or answers a share of the requests. It leaves when its alias does, and when it goes into
    /// quarantine.
    Challenger,
}

/// Follows one alias of one model.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) name: Arc<str>,
    pub(crate) registry: ModelRegistry,
    pub(crate) seat: Arc<Seat>,
    pub(crate) role: Role,
    pub(crate) metrics: Arc<Metrics>,
    /// The version that could not be opened, how often, and when it is tried again.
    pub(crate) failed: Option<(ModelVersion, u32, Instant)>,
    /// The tags that refer to evaluations of the version in the seat.
    pub(crate) measured: Tags,
}

impl Follower {
    /// Follows until `stop`. Between two looks lies `poll`, up to a tenth more or less.
    pub(crate) async fn follow(mut self, poll: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            let pause = jitter(poll.mul_f64(0.9)..poll.mul_f64(1.1));
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(pause) => {}
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.look() => {}
            }
        }
    }

    /// Puts the version behind the alias into the seat. The seat stays as it is if that fails.
    pub(crate) async fn first_look(&mut self, offline_ok: bool) -> Result<()> {
        match self.advance().await {
            Err((error, _)) if offline_ok && is_outage(&error) => {
                let last = self.registry.last_served(&self.seat.alias).await?;
                let Some(last) = last else {
                    return Err(
                        error.with_hint("the model cache does not have the version that was served last")
                    );
                };
                let version = last.entity.version;
                tracing::warn!(
                    model = &*self.name, %version, error = described(&error),
                    "cannot reach the registry; serving the version that was served last"
                );
                self.seat_version(last, Vec::new()).await?;
                self.seat.trouble(&error, None);
                self.note(false);
                Ok(())
            }
            Err((error, version)) => {
                self.seat.trouble(&error, version);
                self.note(false);
                Err(error)
            }
            Ok(()) => {
                self.note(true);
                Ok(())
            }
        }
    }

    /// Looks once, and says what was found.
    async fn look(&mut self) {
        match self.advance().await {
            Ok(()) => {
                if self.seat.well() {
                    tracing::info!(model = &*self.name, alias = %self.seat.alias, "following the alias again");
                }
                self.note(true);
            }
            Err((error, version)) => {
                if self.seat.trouble(&error, version) {
                    let serving = self.seat.served().map(|served| served.label.clone());
                    tracing::warn!(
                        model = &*self.name, alias = %self.seat.alias, kind = %error.kind(), error = described(&error),
                        serving, "cannot follow the alias; the version that is served stays"
                    );
                }
                self.note(false);
            }
        }
    }

    fn note(&self, follows: bool) {
        let behind = Behind { model: self.name.to_string(), alias: self.seat.alias.to_string() };
        self.metrics.following.get_or_create(&behind).set(i64::from(follows));
    }

    /// Looks at the alias, and swaps the version behind it in if it is another one. The error comes with the version that it is
    /// about.
    async fn advance(&mut self) -> Result<(), (Error, Option<Version>)> {
        let found = self.version_behind().await.map_err(|error| (error, None))?;
        let Some(version) = found else {
            if self.role == Role::Challenger {
                self.leave("its alias is not set any more");
                return Ok(());
            }
            let error =
                Error::new(ErrorKind::NoChampion, format!("the alias `{}` is not set", self.seat.alias))
                    .with_context("model", &self.name)
                    .with_hint("promote a version: `hydra-registry promote`");
            return Err((error, None));
        };
        let number = version.version;
        if let Some(since) = quarantine_of(&version) {
            if self.role == Role::Challenger {
                self.leave("it is in quarantine");
                return Ok(());
            }
            let error = Error::new(ErrorKind::Quarantined, format!("version {number} is in quarantine"))
                .with_context("model", &self.name)
                .with_context("since", excerpt(since, QUOTED_CHARS))
                .with_hint("roll back: `hydra-registry rollback`");
            return Err((error, Some(number)));
        }
        if let Some(served) = self.seat.served().filter(|served| served.is(&version)) {
            self.failed = None;
            self.measure_again(&served, &version).await;
            return Ok(());
        }
        self.open(version).await.map_err(|error| (error, Some(number)))
    }

    /// Reads the evaluations of the version in the seat if others were recorded since.
    async fn measure_again(&mut self, served: &Served, version: &ModelVersion) {
        let measured = evaluation_tags(version);
        if measured == self.measured {
            return;
        }
        self.measured = measured;
        let evaluations = self.registry.evaluations_of(version.version, &version.tags).await;
        let drift = Drift::from_evaluations(&evaluations, version.version, served.sha256);
        let known = served.drift.load_full();
        if let Some(drift) = drift.filter(|drift| !known.is_some_and(|known| known.is_like(drift))) {
            served.drift.store(Some(Arc::new(drift)));
        }
    }

    async fn version_behind(&self) -> Result<Option<ModelVersion>> {
        let asked = self.registry.version_behind(&self.seat.alias);
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(Error::new(ErrorKind::Timeout, format!("the registry did not answer within {seconds} s"))
                .with_retryable(true))
        })
    }

    /// Opens a version and swaps it in. One that failed before is tried again after a pause, which doubles each time.
    async fn open(&mut self, version: ModelVersion) -> Result<()> {
        let failures = match &self.failed {
            Some((failed, times, next)) if *failed == version => {
                if Instant::now() < *next {
                    return Err(Error::new(
                        ErrorKind::Unloadable,
                        format!("version {} could not be opened, and is tried again later", version.version),
                    )
                    .with_context("attempts", times));
                }
                *times
            }
            _ => 0,
        };
        let opened = async {
            let servable = self.registry.load_servable(version.clone()).await?;
            let evaluations = self.registry.evaluations_of(version.version, &version.tags).await;
            self.seat_version(servable, evaluations).await
        };
        match opened.await {
            Ok(()) => {
                self.failed = None;
                self.measured = evaluation_tags(&version);
                Ok(())
            }
            Err(error) => {
                let pause = Duration::from_secs(1).saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
                self.failed = Some((version, failures + 1, Instant::now() + pause));
                Err(error)
            }
        }
    }

    /// Warms a version, swaps it in, and remembers it.
    async fn seat_version(
        &self,
        servable: ServableVersion,
        evaluations: Vec<hydra_evaluation::Evaluation>,
    ) -> Result<()> {
        let (name, metrics) = (self.name.clone(), self.metrics.clone());
        let ServableVersion { entity, model, sha256, signature, .. } = &servable;
        let drift = Drift::from_evaluations(&evaluations, entity.version, *sha256);
        let made_of = Ingredients {
            entity: Some(entity.clone()),
            model: model.clone(),
            sha256: *sha256,
            signature: signature.clone(),
            drift,
        };
        let served = Arc::new(blocking(move || Served::new(&name, made_of, &metrics)).await?);
        let former = self.seat.put(Some(served.clone()));
        let since = self.metrics.serving_since.get_or_create_owned(&served.labels);
        since.set(served.since as f64 / 1e3);
        let behind = Behind { model: self.name.to_string(), alias: self.seat.alias.to_string() };
        if let Some(former) = &former {
            self.metrics.swaps.get_or_create(&behind).inc();
            if former.label != served.label {
                self.metrics.serving_since.remove(&former.labels);
            }
        }
        tracing::info!(
            model = &*self.name, alias = %self.seat.alias, version = served.label, sha256 = %served.sha256,
            former = former.map(|former| former.label.clone()), "serving a version"
        );
        if let Err(error) = self.registry.remember_served(&self.seat.alias, &servable).await {
            tracing::warn!(%error, "cannot remember the served version");
        }
        Ok(())
    }

    /// Empties the seat.
    fn leave(&mut self, why: &str) {
        self.failed = None;
        if let Some(former) = self.seat.put(None) {
            self.metrics.serving_since.remove(&former.labels);
            tracing::info!(
                model = &*self.name, alias = %self.seat.alias, version = former.label, why,
                "a version does not take part any more"
            );
        }
    }
}

/// The tags of a version that refer to its evaluations.
fn evaluation_tags(version: &ModelVersion) -> Tags {
    let tags = version.tags.iter().filter(|(key, _)| key.starts_with(EVALUATION_TAG));
    tags.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether the registry, and not the version, is the trouble.
fn is_outage(error: &Error) -> bool {
    use hydra_base::ErrorCategory;
    error.retryable()
        || error.kind().category() == ErrorCategory::Unavailable
        || error.kind() == ErrorKind::Protocol
}
