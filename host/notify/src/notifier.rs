//! Delivery: what is above a receiver's cursor, oldest first.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::time::now;
use hydra_ledger_rules::Number;
use hydra_lifecycle::ledger::Ledger;
use hydra_lifecycle::ledger::history::{Fate, Step};
use hydra_mlflow::environment::Environment;
use hydra_registry::{ModelRegistry, ReceiverConfig};
use tokio::time::timeout;

use crate::cursor;
use crate::event::Event;
use crate::receiver::Receiver;
use crate::sending::{client, send};

/// The longest time that a command is longer by before it decides.
const BEGINNING: Duration = Duration::from_secs(2);

/// The time for sending at the end of a command. What remains of two seconds is for moving the cursors.
const SENDING: Duration = Duration::from_millis(1_500);

/// The time for moving the cursors at the end of a command.
const MOVING: Duration = Duration::from_millis(450);

/// The most entries that a command looks back; more wait for `notify catch-up`.
const BACKLOG: Number = 500;

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

/// An entry as receivers see it.
#[derive(Debug)]
struct Told {
    number: Number,
    events: Vec<Event>,
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
        let begin = async {
            let Some(ledger) = self.registry.existing_ledger().await? else { return Ok(true) };
            let known = cursor::read(self.registry.backend(), &ledger).await?;
            let new: Vec<_> = self.receivers.iter().filter(|one| !known.contains_key(&one.name)).collect();
            if new.is_empty() {
                return Ok(false);
            }
            let head = ledger.head().await?.number;
            for receiver in new {
                cursor::write(self.registry.backend(), &ledger, &receiver.name, head).await?;
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
        let told = self.tell(&Mutex::default(), Some((SENDING, MOVING)), None).await;
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
        self.tell(&Mutex::default(), None, from).await
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

    /// `limits` are the times for sending and for moving the cursors.
    async fn tell(
        &self,
        reached: &Reached,
        limits: Option<(Duration, Duration)>,
        from: Option<Number>,
    ) -> Result<Vec<Delivered>> {
        let late = || Error::new(ErrorKind::Undelivered, "the receivers take too long").with_retryable(true);
        // It outlives a sending that takes too long.
        let found = OnceLock::new();
        let sending = async {
            let Some(ledger) = self.registry.existing_ledger().await? else { return Ok(None) };
            let ledger: &Ledger = found.get_or_init(|| ledger);
            let known = cursor::read(self.registry.backend(), ledger).await?;
            let without_cursor = if self.is_new { 0 } else { Number::MAX };
            let start = |receiver: &Receiver| match from {
                Some(from) => from.saturating_sub(1),
                None => known.get(&receiver.name).copied().unwrap_or(without_cursor),
            };
            let lowest = self.receivers.iter().map(start).min().unwrap_or(0);
            let told = self.above(ledger, lowest, limits.map(|_| BACKLOG)).await?;
            let sending = self.receivers.iter().map(|receiver| {
                let (known, told) = (start(receiver), &told);
                async move { self.send_all(receiver, known, told, reached).await }
            });
            Ok::<_, Error>(Some(join_all(sending).await))
        };
        let sent = match limits {
            None => sending.await.map(Some),
            Some((limit, _)) => timeout(limit, sending).await.map_or(Ok(None), |sent| sent.map(Some)),
        };
        let mut errors: Vec<Option<Error>> = match sent? {
            Some(None) => return Ok(Vec::new()),
            Some(Some(errors)) => errors,
            // What was sent until then counts.
            None => self.receivers.iter().map(|_| Some(late())).collect(),
        };
        let moving = self.move_cursors(found.get(), reached);
        let moved = match limits {
            None => moving.await,
            Some((_, limit)) => timeout(limit, moving).await.unwrap_or_else(|_| Err(late())),
        };
        if let Err(error) = moved {
            for slot in &mut errors {
                slot.get_or_insert_with(|| again(&error));
            }
        }
        let reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
        let delivered = self.receivers.iter().zip(errors).map(|(receiver, error)| {
            let (sent, cursor) =
                reached.get(&receiver.name).map_or((0, None), |(sent, at)| (*sent, Some(*at)));
            Delivered { receiver: receiver.name.clone(), sent, cursor, error }
        });
        Ok(delivered.collect())
    }

    async fn move_cursors(&self, ledger: Option<&Ledger>, reached: &Reached) -> Result<()> {
        let reached = reached.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(ledger) = ledger else { return Ok(()) };
        for (name, (_, number)) in reached {
            cursor::write(self.registry.backend(), ledger, &name, number).await?;
        }
        Ok(())
    }

    /// The settled entries above a number, oldest first. An entry that may still come to nothing, and one of a newer release, ends
    /// them.
    async fn above(&self, ledger: &Ledger, lowest: Number, most: Option<Number>) -> Result<Vec<Told>> {
        let model = self.registry.model().as_str();
        let mut told = Vec::new();
        let mut steps = ledger.read(most.map(|_| 32));
        while let Some(step) = steps.try_next().await? {
            if step.number() <= lowest {
                break;
            }
            if most.is_some_and(|most| told.len() as Number >= most) {
                // The oldest come first, and they are further down.
                return Err(Error::new(
                    ErrorKind::Undelivered,
                    format!("more than {BACKLOG} entries wait for a receiver"),
                )
                .with_hint("run `hydra-registry notify catch-up`"));
            }
            match step {
                Step::Valid { fate: Fate::Pending, .. } | Step::Newer { bridged: false, .. } => told.clear(),
                Step::Valid { record, fate } => {
                    told.push(Told { number: record.number, events: Event::of(model, &record, fate) });
                }
                Step::Void(_) | Step::Newer { .. } | Step::Damaged { .. } => {
                    told.push(Told { number: step.number(), events: Vec::new() });
                }
            }
        }
        told.reverse();
        Ok(told)
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

/// The same error for another receiver.
fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.to_string()).with_retryable(error.retryable())
}

fn described(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
