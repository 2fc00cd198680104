//! Delivery: what is above a receiver's cursor, oldest first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::time::now;
use hydra_ledger_rules::Number;
use hydra_lifecycle::ledger::Ledger;
use hydra_mlflow::environment::Environment;
use hydra_registry::{ModelRegistry, ReceiverConfig};
use tokio::time::{Instant, timeout, timeout_at};

use crate::backlog::{Told, above};
use crate::cursor;
use crate::event::Event;
use crate::receiver::Receiver;
use crate::sending::{client, send};

/// The longest time that a command is longer by before it decides.
const BEGINNING: Duration = Duration::from_secs(2);

/// The time for reading at the end of a command, so that what is read can be sent.
const READING: Duration = Duration::from_millis(900);

/// The time that is left for reading entries where the store took longer than that to say which ones.
const READING_LATE: Duration = Duration::from_millis(300);

/// The time for reading and sending at the end of a command. What remains of two seconds is for moving the cursors.
const SENDING: Duration = Duration::from_millis(1_500);

/// The time for moving the cursors at the end of a command.
const MOVING: Duration = Duration::from_millis(450);

/// How many events each receiver took, and the newest entry that it knows.
type Reached = Mutex<BTreeMap<String, (usize, Number)>>;

/// Tells the receivers of a model.
#[derive(Debug)]
pub struct Notifier {
    registry: ModelRegistry,
    receivers: Vec<Receiver>,
    environment: Environment,
    /// Whether the model had no ledger when this began: then its receivers get everything.
    is_new: bool,
}

/// What a receiver was told.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivered {
    /// The receiver's name.
    pub receiver: String,
    /// The number of events that it took.
    pub sent: usize,
    /// The newest entry that it knows; none if that is not known.
    pub cursor: Option<Number>,
    /// Why it was not told more.
    pub error: Option<Error>,
}

impl Notifier {
    /// The receivers of a configuration, and the errors of those that are malformed.
    #[must_use]
    pub fn new(
        registry: ModelRegistry,
        configured: &BTreeMap<String, ReceiverConfig>,
        environment: &Environment,
    ) -> (Self, Vec<Error>) {
        let mut receivers = Vec::new();
        let mut errors = Vec::new();
        for (name, config) in configured {
            match Receiver::new(name, config, environment) {
                Ok(receiver) => receivers.push(receiver),
                Err(error) => errors.push(error),
            }
        }
        (Self { registry, receivers, environment: environment.clone(), is_new: false }, errors)
    }

    /// Sets the cursors of receivers that have none to the newest entry, so that they get what is recorded from now on. For the
    /// time before a decision: if the command is killed after it, the next one knows where to begin. Takes two seconds at most, and
    /// fails silently: then the next command tries again.
    pub async fn begin(&mut self) {
        let (backend, model) = (self.registry.backend(), self.registry.model());
        let begin = async {
            let Some(ledger) = self.registry.existing_ledger().await? else {
                for receiver in &self.receivers {
                    // Without it, only a command that is killed loses something.
                    if let Err(error) = cursor::expect(backend, model, &receiver.name).await {
                        tracing::debug!(%error, "cannot note that a receiver waits for the first entry");
                    }
                }
                return Ok(true);
            };
            let known = cursor::read(backend, &ledger).await?;
            let new: Vec<_> = self.receivers.iter().filter(|one| !known.contains_key(&one.name)).collect();
            if new.is_empty() {
                return Ok(false);
            }
            let expecting = cursor::expecting(backend, model).await?;
            let head = ledger.head().await?.number;
            for receiver in new {
                let number = if expecting.contains(&receiver.name) { 0 } else { head };
                cursor::write(backend, &ledger, &receiver.name, number).await?;
            }
            Ok::<bool, Error>(false)
        };
        match timeout(BEGINNING, begin).await {
            Ok(Ok(is_new)) => self.is_new = is_new,
            Ok(Err(error)) => tracing::debug!(%error, "cannot prepare the notifications"),
            Err(_) => tracing::debug!("preparing the notifications takes too long"),
        }
    }

    /// Tells the receivers what is above their cursors, for at most two seconds. A problem is a warning: the decision stands, and
    /// the next command sends what is left.
    pub async fn deliver(&self) {
        let told = self.tell(&Mutex::default(), true, None).await;
        let problems = match told {
            Ok(delivered) => delivered.into_iter().filter_map(|one| one.error).collect(),
            Err(error) => vec![error],
        };
        for error in problems {
            let why = described(&error);
            tracing::warn!(%why, "not every receiver was told; the next command or `hydra-registry notify catch-up` sends the rest");
        }
    }

    /// Tells the receivers everything above their cursors, or everything from entry `from` on.
    pub async fn catch_up(&mut self, from: Option<Number>) -> Result<Vec<Delivered>> {
        self.begin().await;
        self.tell(&Mutex::default(), false, from).await
    }

    /// Sends each receiver an event that says nothing.
    pub async fn test(&self) -> Vec<Delivered> {
        let model = self.registry.model().as_str();
        let at = now();
        let test = Event::test(model, format!("test:{at}"), at);
        join_all(self.receivers.iter().map(|receiver| self.send_one(receiver, &test))).await
    }

    /// Sends an event that is not in the ledger to the receivers that want its kind.
    pub async fn announce(&self, event: &Event) -> Vec<Delivered> {
        let wants = |receiver: &&Receiver| event.kind.is_some_and(|kind| receiver.events.contains(&kind));
        let receivers = self.receivers.iter().filter(wants);
        join_all(receivers.map(|receiver| self.send_one(receiver, event))).await
    }

    async fn send_one(&self, receiver: &Receiver, event: &Event) -> Delivered {
        let sent = async { send(&client(receiver, &self.environment)?, receiver, event).await }.await;
        Delivered {
            receiver: receiver.name.clone(),
            sent: usize::from(sent.is_ok()),
            cursor: None,
            error: sent.err(),
        }
    }

    /// `is_limited` if it may take two seconds only.
    async fn tell(
        &self,
        reached: &Reached,
        is_limited: bool,
        from: Option<Number>,
    ) -> Result<Vec<Delivered>> {
        let begin = Instant::now();
        let within = |limit: Duration| is_limited.then(|| begin + limit);
        let looking = async {
            let Some(ledger) = self.registry.existing_ledger().await? else { return Ok(None) };
            let known = cursor::read(self.registry.backend(), &ledger).await?;
            Ok::<_, Error>(Some((ledger, known)))
        };
        let Some((ledger, known)) = until(within(SENDING), looking).await.unwrap_or_else(|| Err(late()))?
        else {
            return Ok(Vec::new());
        };
        let without_cursor = if self.is_new { 0 } else { Number::MAX };
        let start = |receiver: &Receiver| match from {
            Some(from) => from.saturating_sub(1),
            None => known.get(&receiver.name).copied().unwrap_or(without_cursor),
        };
        let lowest = self.receivers.iter().map(start).min().unwrap_or(0);
        let reading = within(READING).map(|end| end.max(Instant::now() + READING_LATE));
        let found = above(&ledger, self.registry.model().as_str(), lowest, reading).await?;
        // Each receiver by itself: one that is slow or far behind takes nothing from the others.
        let end = within(SENDING);
        let sending = self.receivers.iter().map(|receiver| {
            let (known, found) = (start(receiver), &found);
            async move {
                if known < found.down_to {
                    return Some(behind(receiver));
                }
                let sending = self.send_all(receiver, known, &found.told, reached);
                until(end, sending).await.unwrap_or_else(|| Some(slow(receiver)))
            }
        });
        let mut errors: Vec<Option<Error>> = join_all(sending).await;
        let moving = self.move_cursors(&ledger, reached);
        let end = is_limited.then(|| Instant::now() + MOVING);
        let moved = until(end, moving).await.unwrap_or_else(|| Err(late()));
        let reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = moved {
            for (receiver, slot) in self.receivers.iter().zip(&mut errors) {
                if reached.contains_key(&receiver.name) {
                    slot.get_or_insert_with(|| again(&error));
                }
            }
        }
        let delivered = self.receivers.iter().zip(errors).map(|(receiver, error)| {
            let (sent, cursor) =
                reached.get(&receiver.name).map_or((0, None), |(sent, at)| (*sent, Some(*at)));
            Delivered { receiver: receiver.name.clone(), sent, cursor, error }
        });
        Ok(delivered.collect())
    }

    async fn move_cursors(&self, ledger: &Ledger, reached: &Reached) -> Result<()> {
        let reached = reached.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, (_, number)) in reached {
            cursor::write(self.registry.backend(), ledger, &name, number).await?;
        }
        Ok(())
    }

    /// Sends what is above `known`, until an event is not taken.
    async fn send_all(
        &self,
        receiver: &Receiver,
        known: Number,
        told: &[Told],
        reached: &Reached,
    ) -> Option<Error> {
        let client = match client(receiver, &self.environment) {
            Ok(client) => client,
            Err(error) => return Some(error),
        };
        let mut sent = 0;
        for entry in told.iter().filter(|entry| entry.number > known) {
            let wanted = |event: &&Event| event.kind.is_some_and(|kind| receiver.events.contains(&kind));
            for event in entry.events.iter().filter(wanted) {
                if let Err(error) = send(&client, receiver, event).await {
                    return Some(error);
                }
                sent += 1;
            }
            let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
            reached.insert(receiver.name.clone(), (sent, entry.number));
        }
        None
    }
}

/// The answer of `work`, if it comes in time.
async fn until<T>(end: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match end {
        Some(end) => timeout_at(end, work).await.ok(),
        None => Some(work.await),
    }
}

fn late() -> Error {
    Error::new(ErrorKind::Undelivered, "the store takes too long to read or move what the receivers know")
        .with_retryable(true)
}

fn slow(receiver: &Receiver) -> Error {
    Error::new(ErrorKind::Undelivered, format!("cannot tell {receiver}: it takes too long"))
        .with_retryable(true)
}

fn behind(receiver: &Receiver) -> Error {
    let message = format!("cannot tell {receiver}: more entries wait for it than a command reads at its end");
    Error::new(ErrorKind::Undelivered, message).with_hint("run `hydra-registry notify catch-up`")
}

/// The same error for another receiver.
fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.to_string()).with_retryable(error.retryable())
}

fn described(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
