//! When to repeat a request, and how long to wait before.

use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use crate::environment::{self, Environment};
use hydra_base::error::Result;
use hydra_base::jitter;

/// The longest wait before a server that has not answered yet is tried again.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// The shortest time limit of one attempt, however short the timeout is.
const LEAST_ATTEMPT: Duration = Duration::from_secs(5);

/// The number and time limits of attempts, from the `MLFLOW_HTTP_*` variables with MLflow's defaults.
///
/// Each attempt may take half of the timeout, so that a request that hangs is repeated; the last attempt may take all
/// the time that is left. For a server that needs longer, increase `MLFLOW_HTTP_REQUEST_TIMEOUT`. Transfers of files
/// are different: the timeout limits each time in which no byte moves, because a proxy answers only after it has
/// received and stored the whole file.
///
/// A server that has answered before is restarting if it cannot be connected to, so it is tried again until the timeout. One that has
/// not answered yet may not exist: the call gives up sooner.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RetryPolicy {
    pub(super) max_retries: u32,
    pub(super) backoff_factor: Duration,
    pub(super) jitter: Duration,
    pub(super) respect_retry_after: bool,
    /// The time limit of one call, and the longest pause within a body.
    pub(super) timeout: Duration,
    /// The time limit of an attempt that is not the last.
    pub(super) attempt: Duration,
    /// How long a server that has not answered yet is tried again if it cannot be connected to.
    pub(super) connect: Duration,
}

impl RetryPolicy {
    pub(super) fn new(environment: &Environment) -> Result<Self> {
        let seconds = |name, default| {
            environment.seconds(name).map(|value| value.unwrap_or(Duration::from_secs(default)))
        };
        let timeout = seconds(environment::REQUEST_TIMEOUT, 120)?;
        Ok(Self {
            max_retries: environment.count(environment::MAX_RETRIES)?.unwrap_or(7),
            backoff_factor: seconds(environment::BACKOFF_FACTOR, 2)?,
            jitter: seconds(environment::BACKOFF_JITTER, 1)?,
            respect_retry_after: environment.flag_or(environment::RESPECT_RETRY_AFTER, true)?,
            timeout,
            attempt: (timeout / 2).max(LEAST_ATTEMPT),
            connect: seconds(environment::CONNECT_TIMEOUT, 10)?,
        })
    }

    /// The wait before retry `number`, counted from 1. The first wait is short, because the usual cause is a closed
    /// idle connection.
    fn backoff(&self, number: u32) -> Duration {
        let doublings = number.saturating_sub(1).min(16);
        let exponential = if number <= 1 { Duration::ZERO } else { self.backoff_factor * (1 << doublings) };
        jitter(exponential..exponential.saturating_add(self.jitter))
    }
}

/// The remaining attempts and time of one call.
#[derive(Debug)]
pub(super) struct RetryBudget {
    policy: RetryPolicy,
    retries: u32,
    deadline: Instant,
    /// Until when it tries to connect to a server that has not answered yet.
    first: Option<Instant>,
}

impl RetryBudget {
    pub(super) fn new(policy: &RetryPolicy) -> Self {
        Self { policy: policy.clone(), retries: 0, deadline: Instant::now() + policy.timeout, first: None }
    }

    /// The same for a server that has not answered yet.
    pub(super) fn of_first_call(policy: &RetryPolicy) -> Self {
        Self { first: Some(Instant::now() + policy.connect), ..Self::new(policy) }
    }

    /// The deadline of the call.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The deadline of the next attempt.
    pub(super) fn attempt_deadline(&self) -> Instant {
        if self.retries >= self.policy.max_retries {
            return self.deadline;
        }
        self.deadline.min(Instant::now() + self.policy.attempt)
    }

    /// Reserves an eighth of the time for one last request, and returns the deadline of that request.
    pub(super) fn set_aside(&mut self) -> Instant {
        let end = self.deadline;
        self.deadline = end - self.policy.timeout / 8;
        end
    }

    /// Extends the deadline by the time in which a body was moving.
    pub(super) fn forgive(&mut self, moving: Duration) {
        self.deadline = self.deadline.checked_add(moving).unwrap_or(self.deadline);
    }

    /// Waits until the call may be repeated. Returns `failure` if it is final, or if attempts or time have run out.
    pub(super) async fn wait_after(&mut self, failure: Failure) -> Result<(), Failure> {
        if !failure.worth_retrying() || self.retries >= self.policy.max_retries {
            return Err(failure);
        }
        let asked = failure.retry_after().filter(|_| self.policy.respect_retry_after);
        let mut wait = asked.unwrap_or_else(|| self.policy.backoff(self.retries + 1));
        let mut deadline = self.deadline;
        if let Some(first) = self.first.filter(|_| failure.is_without_connection()) {
            deadline = deadline.min(first);
            wait = wait.min(FIRST_WAIT);
        }
        // The server chose this wait, so it may be longer than an `Instant` can represent.
        if Instant::now().checked_add(wait).is_none_or(|end| end >= deadline) {
            return Err(failure);
        }
        self.retries += 1;
        tracing::warn!(
            %failure,
            retry = self.retries,
            of = self.policy.max_retries,
            wait_ms = wait.as_millis() as u64,
            "a request failed; trying again"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_jitter_stays_in_its_bounds() {
        let policy = RetryPolicy::new(&Environment::default()).expect("the defaults");
        for (number, least) in [(1, 0), (2, 4), (3, 8), (4, 16)] {
            let wait = policy.backoff(number).as_secs_f64();
            assert!((f64::from(least)..=f64::from(least) + 1.0).contains(&wait), "{number}: {wait}");
        }
        assert!(policy.backoff(u32::MAX) > Duration::from_secs(1000), "no overflow");
    }

    #[test]
    fn each_attempt_gets_half_of_the_timeout_and_the_last_one_the_rest() {
        let budget = |variables: &[(&str, &str)]| {
            RetryBudget::new(&RetryPolicy::new(&variables.iter().copied().collect()).expect("a policy"))
        };
        let seconds = |deadline: Instant| (deadline - Instant::now()).as_secs_f64().round();
        assert_eq!(seconds(budget(&[]).attempt_deadline()), 60.0);
        assert_eq!(seconds(budget(&[(environment::MAX_RETRIES, "0")]).attempt_deadline()), 120.0);
        assert_eq!(seconds(budget(&[(environment::REQUEST_TIMEOUT, "6")]).attempt_deadline()), 5.0);
        assert_eq!(seconds(budget(&[(environment::REQUEST_TIMEOUT, "3")]).attempt_deadline()), 3.0);
        let mut kept = budget(&[]);
        assert_eq!((seconds(kept.set_aside()), seconds(kept.deadline())), (120.0, 105.0));
    }

    #[tokio::test]
    async fn a_server_that_never_answered_is_given_up_soon_and_one_that_did_is_not() {
        let variables = [
            (environment::CONNECT_TIMEOUT, "0.25"),
            (environment::BACKOFF_FACTOR, "0.05"),
            (environment::BACKOFF_JITTER, "0"),
            (environment::MAX_RETRIES, "4"),
        ];
        let policy = RetryPolicy::new(&variables.into_iter().collect()).expect("a policy");
        let tried = |mut budget: RetryBudget, failure: fn(&str) -> Failure| async move {
            let start = Instant::now();
            while budget.wait_after(failure("GET x")).await.is_ok() {}
            start.elapsed()
        };
        let soon = Duration::from_millis(250);
        assert!(tried(RetryBudget::of_first_call(&policy), Failure::without_connection).await < soon);
        assert!(tried(RetryBudget::new(&policy), Failure::without_connection).await > soon);
        assert!(tried(RetryBudget::of_first_call(&policy), Failure::timed_out).await > soon);
        let default = RetryPolicy::new(&Environment::default()).expect("the defaults");
        assert_eq!(default.connect, Duration::from_secs(10));
    }

    #[test]
    fn an_endless_timeout_has_a_deadline() {
        let environment = [(environment::REQUEST_TIMEOUT, "1e19")].into_iter().collect();
        let mut budget = RetryBudget::new(&RetryPolicy::new(&environment).expect("a policy"));
        budget.forgive(Duration::MAX);
        assert!(budget.deadline() > Instant::now() + Duration::from_secs(86_400));
    }
}
