//! Follows an alias: finds the version behind it, has it opened, and puts it into its seat.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::jitter;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_registry::lifecycle::evaluations::EVALUATION_TAG;
use hydra_registry::mlflow::entities::{ModelVersion, Tags};
use hydra_registry::{have_same_files, quarantine_of};

use crate::drift::Drift;
use crate::opening::{Opened, Opening};
use crate::options::ServeOptions;
use crate::served::{Served, Trouble, described};

pub(crate) use crate::opening::Following;

/// The longest time that the registry may take for one question.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a server that starts waits for a version that need not be there.
const SHORT_PATIENCE: Duration = Duration::from_secs(10);

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
    following: Following,
    pub(crate) role: Role,
    poll: Duration,
    open_time: Duration,
    /// The version that is being opened.
    opening: Option<Opening>,
    /// The version that could not be opened.
    failed: Option<Failed>,
    /// The tags that refer to evaluations of the version in the seat.
    measured: Tags,
}

/// A version that could not be opened.
#[derive(Debug)]
struct Failed {
    version: ModelVersion,
    trouble: Trouble,
    times: u32,
    /// When it is tried again.
    next: Instant,
}

/// Why an alias cannot be followed, with the error if it is new.
type Failure = (Trouble, Option<Error>);

impl Follower {
    /// A follower that has not looked yet.
    pub(crate) fn new(following: Following, role: Role, options: &ServeOptions) -> Self {
        Self {
            following,
            role,
            poll: options.poll,
            open_time: options.open_time,
            opening: None,
            failed: None,
            measured: Tags::new(),
        }
    }

    /// Follows until `stop`. Between two looks lies the time of the options, up to a tenth more or less. A version is opened meanwhile.
    pub(crate) async fn follow(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let turn = async {
                let looked = if self.wait().await { self.finish().await } else { self.advance().await };
                self.report(looked);
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = turn => {}
            }
        }
    }

    /// Puts the version behind the alias into the seat. The seat stays as it is if that fails.
    pub(crate) async fn first_look(&mut self, offline_ok: bool) -> Result<()> {
        let settled = match self.role {
            Role::Champion => self.settle().await,
            // It is opened on meanwhile, and the champion can answer.
            Role::Challenger => timeout(SHORT_PATIENCE, self.settle()).await.unwrap_or(Ok(())),
        };
        let Err((trouble, error)) = settled else {
            self.note(self.opening.is_none());
            return Ok(());
        };
        let Following { name, registry, seat, .. } = &self.following;
        seat.trouble(trouble);
        self.note(false);
        let Some(error) = error else { return Ok(()) };
        if !offline_ok || !is_outage(&error) {
            return Err(error);
        }
        let Some(last) = registry.last_served(&seat.alias).await? else {
            return Err(error.with_hint("the model cache does not have the version that was served last"));
        };
        tracing::warn!(
            model = &**name, version = %last.entity.version, error = described(&error),
            "cannot reach the registry; serving the version that was served last"
        );
        Opened::new(&self.following, last, Vec::new()).await?.take_seat(&self.following).await;
        Ok(())
    }

    /// Looks until no version is being opened. Only the first question must have an answer.
    async fn settle(&mut self) -> Result<(), Failure> {
        self.advance().await?;
        while self.opening.is_some() {
            if self.wait().await {
                self.finish().await?;
                continue;
            }
            match self.advance().await {
                Err((trouble, _)) if self.opening.is_some() => {
                    tracing::debug!(why = trouble.why, "cannot look at the alias while a version is opened");
                }
                looked => looked?,
            }
        }
        Ok(())
    }

    /// Waits until it is time to look again, or until the version that is being opened is ready or has failed; whether the latter.
    async fn wait(&mut self) -> bool {
        let pause = sleep(jitter(self.poll.mul_f64(0.9)..self.poll.mul_f64(1.1)));
        match &mut self.opening {
            None => {
                pause.await;
                false
            }
            Some(opening) => tokio::select! {
                () = opening.ended() => true,
                () = pause => false,
            },
        }
    }

    /// Says what was found.
    fn report(&self, looked: Result<(), Failure>) {
        match looked {
            // Another version is behind the alias, and not yet open.
            Ok(()) if self.opening.is_some() => self.note(false),
            Ok(()) => {
                let Following { name, seat, .. } = &self.following;
                if seat.well() {
                    tracing::info!(model = &**name, alias = %seat.alias, "following the alias again");
                }
                self.note(true);
            }
            Err((trouble, _)) => {
                let Following { name, seat, .. } = &self.following;
                if seat.trouble(trouble.clone()) {
                    let serving = seat.served().map(|served| served.label.clone());
                    let Trouble { kind, why, .. } = trouble;
                    tracing::warn!(
                        model = &**name, alias = %seat.alias, kind, error = why, serving,
                        "cannot follow the alias; the version that is served stays"
                    );
                }
                self.note(false);
            }
        }
    }

    fn note(&self, follows: bool) {
        let behind = self.following.behind();
        self.following.metrics.following.get_or_create(&behind).set(i64::from(follows));
    }

    /// Looks at the alias. If another version is behind it, this is opened; if it is open, it is swapped in.
    async fn advance(&mut self) -> Result<(), Failure> {
        let failed = |error: Error, version| Err((Trouble::new(&error, version), Some(error)));
        let (name, seat) = (self.following.name.clone(), self.following.seat.clone());
        let found = match self.version_behind().await {
            Ok(found) => found,
            Err(error) => return failed(error, None),
        };
        let Some(version) = found else {
            self.opening = None;
            if self.role == Role::Challenger {
                self.leave("its alias is not set any more");
                return Ok(());
            }
            let error = Error::new(ErrorKind::NoChampion, format!("the alias `{}` is not set", seat.alias))
                .with_context("model", &name)
                .with_hint("promote a version: `hydra-registry promote`");
            return failed(error, None);
        };
        let number = version.version;
        if let Some(since) = quarantine_of(&version) {
            self.opening = None;
            if self.role == Role::Challenger {
                self.leave("it is in quarantine");
                return Ok(());
            }
            let error = Error::new(ErrorKind::Quarantined, format!("version {number} is in quarantine"))
                .with_context("model", &name)
                .with_context("since", excerpt(since, QUOTED_CHARS))
                .with_hint("roll back: `hydra-registry rollback`");
            return failed(error, Some(number));
        }
        if let Some(served) = seat.served().filter(|served| served.is(&version)) {
            (self.opening, self.failed) = (None, None);
            self.measure_again(&served, &version).await;
            return Ok(());
        }
        self.open(version)
    }

    /// Reads the evaluations of the version in the seat if others were recorded since.
    async fn measure_again(&mut self, served: &Served, version: &ModelVersion) {
        let measured = evaluation_tags(version);
        if measured == self.measured {
            return;
        }
        let Ok(evaluations) =
            timeout(PATIENCE, self.following.registry.evaluations_of(version.version, &version.tags)).await
        else {
            tracing::warn!(version = served.label, "reading the evaluations of the version takes too long");
            return;
        };
        self.measured = measured;
        let drift = Drift::from_evaluations(&evaluations, version.version, served.sha256);
        let known = served.drift.load_full();
        if let Some(drift) = drift.filter(|drift| !known.is_some_and(|known| known.is_like(drift))) {
            served.drift.store(Some(Arc::new(drift)));
        }
    }

    async fn version_behind(&self) -> Result<Option<ModelVersion>> {
        let asked = self.following.registry.version_behind(&self.following.seat.alias);
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(Error::new(ErrorKind::Timeout, format!("the registry did not answer within {seconds} s"))
                .with_retryable(true))
        })
    }

    /// Begins to open a version, unless it is being opened. One that failed before is tried again after a pause, which doubles each
    /// time.
    fn open(&mut self, version: ModelVersion) -> Result<(), Failure> {
        if self.opening.as_ref().is_some_and(|opening| have_same_files(&opening.version, &version)) {
            return Ok(());
        }
        self.opening = None;
        let failed = self.failed.as_ref().filter(|failed| failed.version == version);
        if let Some(failed) = failed.filter(|failed| Instant::now() < failed.next) {
            return Err((failed.trouble.clone(), None));
        }
        self.opening = Some(Opening::begin(&self.following, version, self.open_time));
        Ok(())
    }

    /// Swaps in the version that was opened.
    async fn finish(&mut self) -> Result<(), Failure> {
        let Some(mut opening) = self.opening.take() else { return Ok(()) };
        let version = opening.version.clone();
        match opening.take_result() {
            None => Ok(()),
            Some(Ok(opened)) => {
                self.failed = None;
                self.measured = evaluation_tags(&version);
                opened.take_seat(&self.following).await;
                Ok(())
            }
            Some(Err(error)) => {
                let before = self.failed.as_ref().filter(|failed| failed.version == version);
                let times = before.map_or(0, |failed| failed.times);
                let pause = Duration::from_secs(1).saturating_mul(1 << times.min(16)).min(LONGEST_PAUSE);
                let mut trouble = Trouble::new(&error, Some(version.version));
                trouble.attempts = Some(times + 1);
                let next = Instant::now() + pause;
                self.failed = Some(Failed { version, trouble: trouble.clone(), times: times + 1, next });
                Err((trouble, Some(error)))
            }
        }
    }

    /// Empties the seat.
    fn leave(&mut self, why: &str) {
        self.failed = None;
        let Following { name, seat, metrics, .. } = &self.following;
        if let Some(former) = seat.put(None) {
            metrics.serving_since.remove(&former.labels);
            tracing::info!(
                model = &**name, alias = %seat.alias, version = former.label, why,
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
