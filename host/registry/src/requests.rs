//! Requests: values that are completed with methods and carried out when they are awaited.

use std::fmt;
use std::future::{IntoFuture, pending};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::registry::ModelRegistry;
use hydra_base::error::Result;
use hydra_lifecycle::transition::{Request, Transition};
use hydra_models::candidate::{Candidate, LoggedCandidate, PreparedCandidate};
use hydra_policy::OverrideKind;

/// A request to log a candidate, made by [`ModelRegistry::log`]. It is carried out when it is awaited.
#[must_use = "a request does nothing until it is awaited"]
pub struct LogRequest<'a> {
    registry: ModelRegistry,
    candidate: Given,
    progress: Box<dyn Fn(u64) + Send + Sync + 'a>,
    interrupted: BoxFuture<'a, ()>,
}

/// What is to be logged.
pub(crate) enum Given {
    Candidate(Candidate),
    Prepared(PreparedCandidate),
}

impl<'a> LogRequest<'a> {
    pub(crate) fn new(registry: ModelRegistry, candidate: Given) -> Self {
        Self { registry, candidate, progress: Box::new(|_| ()), interrupted: pending().boxed() }
    }

    /// Calls `progress` with the bytes uploaded since the last call.
    pub fn progress(mut self, progress: impl Fn(u64) + Send + Sync + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Stops when `interrupted` is ready before the candidate is registered: the run ends FAILED, no version stays
    /// registered, and the error is [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted). Dropping the future instead
    /// leaves a run behind that never ends.
    pub fn until(mut self, interrupted: impl Future<Output = ()> + Send + 'a) -> Self {
        self.interrupted = interrupted.boxed();
        self
    }
}

impl<'a> IntoFuture for LogRequest<'a> {
    type Output = Result<LoggedCandidate>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { registry, candidate, progress, interrupted } = self;
        async move { registry.carry_out_log(candidate, &*progress, interrupted).await }.boxed()
    }
}

impl fmt::Debug for LogRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogRequest").field("model", self.registry.model()).finish_non_exhaustive()
    }
}

/// A request for a promotion or a rollback, made by [`ModelRegistry::promote`] or [`ModelRegistry::rollback`]. It is
/// carried out when it is awaited.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is awaited"]
pub struct DecisionRequest {
    registry: ModelRegistry,
    request: Request,
}

impl DecisionRequest {
    pub(crate) fn new(registry: ModelRegistry, request: Request) -> Self {
        Self { registry, request }
    }

    /// Sets the reason, for the ledger and for the policy.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request = self.request.with_reason(reason);
        self
    }

    /// Makes the version champion even if its model cannot be loaded, for emergencies. The ledger records that, and
    /// [`diagnose`](ModelRegistry::diagnose) keeps finding such a champion.
    pub fn allow_unloadable(mut self) -> Self {
        self.request = self.request.with_override(OverrideKind::UnloadableModel);
        self
    }

    /// Decides and explains, but changes and records nothing.
    pub fn dry_run(mut self) -> Self {
        self.request = self.request.with_dry_run();
        self
    }
}

impl IntoFuture for DecisionRequest {
    type Output = Result<Transition>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { self.registry.decide(self.request).await }.boxed()
    }
}
