//! Requests: values with setter methods, which are executed when they are awaited.

use std::fmt;
use std::future::{IntoFuture, pending};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::registry::ModelRegistry;
use hydra_base::Sha256;
use hydra_base::error::Result;
use hydra_evaluation::Evaluation;
use hydra_lifecycle::activation::{PolicyStated, PolicyVerb};
use hydra_lifecycle::ledger::head::Head;
use hydra_lifecycle::panel::Panel;
use hydra_lifecycle::statement::{Stated, Statement};
use hydra_lifecycle::transition::{Request, Transition};
use hydra_models::candidate::{Candidate, LoggedCandidate, PreparedCandidate};
use hydra_policy::{Input, OverrideKind};

/// A request to log a candidate, created by [`ModelRegistry::log`]. Awaiting it executes it.
#[must_use = "a request does nothing until it is awaited"]
pub struct LogRequest<'a> {
    registry: ModelRegistry,
    candidate: Given,
    creates: bool,
    progress: Box<dyn Fn(u64) + Send + Sync + 'a>,
    interrupted: BoxFuture<'a, ()>,
}

/// The candidate.
pub(crate) enum Given {
    Candidate(Candidate),
    Prepared(Box<PreparedCandidate>),
}

impl<'a> LogRequest<'a> {
    pub(crate) fn new(registry: ModelRegistry, candidate: Given) -> Self {
        Self {
            registry,
            candidate,
            creates: false,
            progress: Box::new(|_| ()),
            interrupted: pending().boxed(),
        }
    }

    /// Creates the registered model if it does not exist. On a server, everything but the registration is stored before, so that an
    /// upload that is refused on the way leaves no empty model.
    pub fn create_missing(mut self) -> Self {
        self.creates = true;
        self
    }

    /// Calls `progress` with the number of bytes uploaded since the last call.
    pub fn progress(mut self, progress: impl Fn(u64) + Send + Sync + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Stops if `interrupted` is ready before the candidate is registered: the run ends as FAILED, no version stays
    /// registered, and the error is [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted). Dropping the future
    /// instead leaves a running run behind.
    pub fn until(mut self, interrupted: impl Future<Output = ()> + Send + 'a) -> Self {
        self.interrupted = interrupted.boxed();
        self
    }
}

impl<'a> IntoFuture for LogRequest<'a> {
    type Output = Result<LoggedCandidate>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { registry, candidate, creates, progress, interrupted } = self;
        async move { registry.carry_out_log(candidate, creates, &*progress, interrupted).await }.boxed()
    }
}

impl fmt::Debug for LogRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogRequest").field("model", self.registry.model()).finish_non_exhaustive()
    }
}

/// A request for a promotion or a rollback, created by [`ModelRegistry::promote`] or [`ModelRegistry::rollback`].
/// Awaiting it executes it.
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

    /// Makes a rollback put the version that it leaves in quarantine: it cannot become champion until it is
    /// [released](ModelRegistry::release). A promotion leaves its former champion as it is.
    pub fn quarantine(mut self) -> Self {
        self.request = self.request.with_quarantine();
        self
    }

    /// Adds an evaluation that this program measured for the request. Policies learn that it is first-hand; for its dataset it comes
    /// before older ones that are recorded. If it is not about the versions of the decision, it is
    /// [left out](Transition::left_out).
    pub fn first_hand(mut self, evaluation: Evaluation) -> Self {
        self.request = self.request.with_first_hand(evaluation);
        self
    }

    /// Makes the version champion even if its model cannot be loaded, for emergencies. The ledger records that, and
    /// [`diagnose`](ModelRegistry::diagnose) keeps finding such a champion.
    pub fn allow_unloadable(mut self) -> Self {
        self.request = self.request.with_override(OverrideKind::UnloadableModel);
        self
    }

    /// Decides by the policies of this program although another policy is active for the model, for emergencies. It needs a
    /// [reason](Self::reason). The ledger records that, and [`diagnose`](ModelRegistry::diagnose) keeps finding such a champion.
    pub fn override_policy(mut self) -> Self {
        self.request = self.request.with_override(OverrideKind::InactivePolicy);
        self
    }

    /// Makes it fail with [`ErrorKind::HeadMoved`](crate::ErrorKind::HeadMoved) unless this is the newest entry of the ledger when
    /// it is decided.
    pub fn expect_head(mut self, head: Head) -> Self {
        self.request = self.request.with_expected_head(head);
        self
    }

    /// Decides and explains, but changes and records nothing.
    pub fn dry_run(mut self) -> Self {
        self.request = self.request.with_dry_run();
        self
    }

    /// What the policy would be asked (of several, the leader), with all evidence. Does not ask it, and changes and records nothing.
    ///
    /// [`ErrorKind::AlreadyChampion`](crate::ErrorKind::AlreadyChampion) for the present champion.
    pub async fn question(self) -> Result<Input> {
        self.registry.question(&self.request, None).await
    }

    /// [`question`](Self::question), put to the leader of `panel` in the place of the policies that decide.
    pub async fn question_to(self, panel: &Panel) -> Result<Input> {
        self.registry.question(&self.request, Some(panel)).await
    }
}

impl IntoFuture for DecisionRequest {
    type Output = Result<Transition>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { self.registry.decide(self.request).await }.boxed()
    }
}

/// A statement about a version, made by [`ModelRegistry::nominate`], [`ModelRegistry::quarantine`] or
/// [`ModelRegistry::release`]. It is recorded when it is awaited.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is awaited"]
pub struct StatementRequest {
    registry: ModelRegistry,
    statement: Statement,
}

impl StatementRequest {
    pub(crate) fn new(registry: ModelRegistry, statement: Statement) -> Self {
        Self { registry, statement }
    }

    /// Sets the reason, for the ledger.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.statement.reason = Some(reason.into());
        self
    }

    /// Makes it fail with [`ErrorKind::HeadMoved`](crate::ErrorKind::HeadMoved) unless this is the newest entry of the ledger when
    /// it is recorded.
    pub fn expect_head(mut self, head: Head) -> Self {
        self.statement.expected_head = Some(head);
        self
    }
}

impl IntoFuture for StatementRequest {
    type Output = Result<Stated>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { self.registry.state(self.statement).await }.boxed()
    }
}

/// An approval of a version, made by [`ModelRegistry::approve`]. It is recorded when it is awaited.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is awaited"]
pub struct ApprovalRequest(StatementRequest);

impl ApprovalRequest {
    pub(crate) fn new(registry: ModelRegistry, statement: Statement) -> Self {
        Self(StatementRequest::new(registry, statement))
    }

    /// Sets the reason, for the ledger and for policies.
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self(self.0.reason(reason))
    }

    /// Like [`StatementRequest::expect_head`].
    pub fn expect_head(self, head: Head) -> Self {
        Self(self.0.expect_head(head))
    }

    /// Sets how long the approval lasts, unless a promotion uses it before.
    pub fn expires(mut self, after: Duration) -> Self {
        self.0.statement.expires = Some(after);
        self
    }
}

impl IntoFuture for ApprovalRequest {
    type Output = Result<Stated>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.0.into_future()
    }
}

/// A statement about the active policy, made by [`ModelRegistry::activate_policy`], [`ModelRegistry::deactivate_policy`] or
/// [`ModelRegistry::approve_policy`]. It is recorded when it is awaited.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is awaited"]
pub struct PolicyRequest {
    registry: ModelRegistry,
    asked: PolicyAsked,
}

/// What is asked for about the active policy.
#[derive(Debug, Clone)]
pub(crate) struct PolicyAsked {
    pub verb: PolicyVerb,
    pub sha256: Option<Sha256>,
    pub reason: Option<String>,
    pub expires: Option<Duration>,
    pub activation_approvals: Option<u32>,
    pub expected_head: Option<Head>,
    pub dry_run: bool,
}

impl PolicyRequest {
    pub(crate) fn new(registry: ModelRegistry, verb: PolicyVerb, sha256: Option<Sha256>) -> Self {
        let asked = PolicyAsked {
            verb,
            sha256,
            reason: None,
            expires: None,
            activation_approvals: None,
            expected_head: None,
            dry_run: false,
        };
        Self { registry, asked }
    }

    /// Sets the reason, for the ledger.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.asked.reason = Some(reason.into());
        self
    }

    /// Sets how many people must approve before another policy takes the place of the one that is activated. Default: that of
    /// [the options](crate::OpenOptions::with_activation_approvals).
    pub fn activation_approvals(mut self, approvals: u32) -> Self {
        self.asked.activation_approvals = Some(approvals);
        self
    }

    /// Sets how long an approval lasts, unless an activation uses it before.
    pub fn expires(mut self, after: Duration) -> Self {
        self.asked.expires = Some(after);
        self
    }

    /// Makes it fail with [`ErrorKind::HeadMoved`](crate::ErrorKind::HeadMoved) unless this is the newest entry of the ledger when
    /// it is recorded.
    pub fn expect_head(mut self, head: Head) -> Self {
        self.asked.expected_head = Some(head);
        self
    }

    /// Checks and explains, but changes and records nothing.
    pub fn dry_run(mut self) -> Self {
        self.asked.dry_run = true;
        self
    }
}

impl IntoFuture for PolicyRequest {
    type Output = Result<PolicyStated>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { self.registry.state_policy(self.asked).await }.boxed()
    }
}
