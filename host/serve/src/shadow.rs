//! The shadow: a version that scores what the champion answered, off the path of the answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use hydra_base::names::Version;
use hydra_base::time::now;
use hydra_base::{Sha256, Timestamp, blocking, yielding};
use hydra_evaluation::{LiveAgreement, Task, class_names, task_of};
use hydra_lightgbm::loaded::most_probable_class;

use crate::admission::{Room, Taken};
use crate::metrics::Metrics;
use crate::protocol::Rows;
use crate::served::{Seat, Served};

/// The most requests that wait for the shadow.
const QUEUE: usize = 1_024;

/// The most rows that wait for the shadow.
const QUEUE_ROWS: usize = 65_536;

/// The most values of the rows that wait for the shadow, and of their scores: 64 MiB.
const QUEUE_VALUES: usize = 8 << 20;

/// How long the shadow lets requests gather after it has scored all.
const PAUSE: Duration = Duration::from_millis(5);

/// The most pairs of versions of which counts are kept. The oldest go first.
const MOST_PAIRS: usize = 16;

/// A request that the champion answered.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The rows, as they were read for the champion.
    pub(crate) rows: Rows,
    /// The outputs of the champion's objective.
    pub(crate) outputs: Vec<f64>,
    /// The version that answered.
    pub(crate) champion: Arc<Served>,
    /// How long the champion took for the scores.
    pub(crate) took: Duration,
}

impl Answered {
    /// How many values are kept for the shadow.
    fn values(&self) -> usize {
        let matrix = self.rows.matrix();
        matrix.rows().saturating_mul(matrix.columns()).saturating_add(self.outputs.len())
    }
}

/// The version behind an alias that scores what the champion answered.
#[derive(Debug)]
pub(crate) struct Shadow {
    pub(crate) seat: Arc<Seat>,
    queue: Sender<(Answered, [Taken; 2])>,
    waiting: Waiting,
    pairs: Arc<Pairs>,
}

/// Room for the rows that wait for the shadow, and for their values.
#[derive(Debug, Clone)]
struct Waiting {
    rows: Arc<Room>,
    values: Arc<Room>,
}

/// What was counted of pairs of versions, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Mutex<Vec<Compared>>);

/// What was counted of two versions.
#[derive(Debug, Clone)]
pub(crate) struct Compared {
    /// The champion and the challenger. The models themselves are not kept.
    pub(crate) versions: [Side; 2],
    pub(crate) task: Task,
    pub(crate) classes: Vec<String>,
    /// When the comparison began.
    pub(crate) since: Timestamp,
    pub(crate) agreement: LiveAgreement,
    /// For each of the challenger's features, the place of it among the champion's; or why the two cannot be compared.
    pub(crate) order: Result<Arc<[usize]>, &'static str>,
}

/// A version that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Side {
    /// None for a model file.
    pub(crate) version: Option<Version>,
    /// The SHA-256 of the model file.
    pub(crate) sha256: Sha256,
}

/// The other end of the queue.
#[derive(Debug)]
pub(crate) struct Worker {
    seat: Arc<Seat>,
    queue: Receiver<(Answered, [Taken; 2])>,
    waiting: Waiting,
    pairs: Arc<Pairs>,
    metrics: Arc<Metrics>,
}

impl Shadow {
    /// A shadow, and what works for it on a thread of its own.
    pub(crate) fn new(seat: Arc<Seat>, metrics: Arc<Metrics>) -> (Self, Worker) {
        let (sender, receiver) = channel(QUEUE);
        let waiting = Waiting { rows: Room::new(QUEUE_ROWS), values: Room::new(QUEUE_VALUES) };
        let pairs = Arc::new(Pairs::default());
        let shadow =
            Self { seat: seat.clone(), queue: sender, waiting: waiting.clone(), pairs: pairs.clone() };
        (shadow, Worker { seat, queue: receiver, waiting, pairs, metrics })
    }

    /// Whether there is a version that would score what `champion` answered.
    pub(crate) fn wants(&self, champion: &Served) -> bool {
        self.seat.served().is_some_and(|challenger| challenger.version != champion.version)
    }

    /// Hands rows to the shadow, if there is room in its queue. Rows that find none are counted as dropped.
    pub(crate) fn offer(&self, answered: Answered, metrics: &Metrics) {
        let Some(challenger) = self.seat.served() else { return };
        let (rows, values) = (answered.rows.len(), answered.values());
        let room = self.waiting.rows.take(rows).zip(self.waiting.values.take(values));
        let sent = room.is_some_and(|(rows, values)| self.queue.try_send((answered, [rows, values])).is_ok());
        if !sent {
            metrics.shadow_dropped.get_or_create(&challenger.labels).inc_by(rows as u64);
        }
        metrics.shadow_queue.set(self.waiting.rows.used() as i64);
    }

    /// Whether no row waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.rows.used() == 0
    }

    /// What was counted.
    pub(crate) fn pairs(&self) -> &Arc<Pairs> {
        &self.pairs
    }
}

impl Pairs {
    /// What was counted of each pair, the latest last.
    pub(crate) fn all(&self) -> Vec<Compared> {
        self.lock().clone()
    }

    /// What was counted of the latest pair.
    pub(crate) fn latest(&self) -> Option<Compared> {
        self.lock().last().cloned()
    }

    /// What is counted of these two versions; begins to count if they are new.
    fn with<T>(&self, champion: &Served, challenger: &Served, work: impl FnOnce(&mut Compared) -> T) -> T {
        let mut pairs = self.lock();
        let index = pairs.iter().position(|pair| pair.is_of(champion, challenger)).unwrap_or_else(|| {
            if pairs.len() == MOST_PAIRS {
                pairs.remove(0);
            }
            pairs.push(Compared::new(champion, challenger));
            pairs.len() - 1
        });
        work(&mut pairs[index])
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Compared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Compared {
    fn new(champion: &Served, challenger: &Served) -> Self {
        let order = order(champion, challenger);
        if let Err(obstacle) = order {
            tracing::warn!(
                champion = champion.label,
                challenger = challenger.label,
                obstacle,
                "the shadow cannot be compared with the champion"
            );
        }
        Self {
            versions: [champion, challenger].map(Side::of),
            task: task_of(champion.model()).unwrap_or(Task::Regression),
            classes: class_names(champion.model()),
            since: now(),
            agreement: LiveAgreement::new(champion.model().num_outputs()),
            order,
        }
    }

    /// Whether this is about these versions, which may have been loaded again since.
    fn is_of(&self, champion: &Served, challenger: &Served) -> bool {
        self.versions == [champion, challenger].map(Side::of)
    }
}

impl Side {
    fn of(served: &Served) -> Self {
        Self { version: served.version, sha256: served.sha256 }
    }
}

impl Worker {
    /// Scores what arrives, until the queue is closed, on a thread that gets the processor after those that answer.
    pub(crate) async fn work(self) {
        let run = || {
            self.run();
            Ok(())
        };
        if let Err(error) = yielding(blocking(run)).await {
            tracing::error!(%error, "the shadow does not score rows any more");
        }
    }

    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            self.score(first);
            while let Ok(next) = self.queue.try_recv() {
                self.score(next);
            }
            // What arrives meanwhile waits together, so that not every answer has to wake this thread.
            std::thread::sleep(PAUSE);
        }
    }

    fn score(&self, (answered, room): (Answered, [Taken; 2])) {
        if let Some(challenger) = self.seat.served() {
            self.compare(&answered, &challenger);
        }
        drop((answered, room));
        self.metrics.shadow_queue.set(self.waiting.rows.used() as i64);
    }

    fn compare(&self, answered: &Answered, challenger: &Served) {
        let Answered { rows, outputs, champion, took } = answered;
        if champion.version == challenger.version {
            return;
        }
        let order = self.pairs.with(champion, challenger, |pair| pair.order.clone());
        let Ok(order) = order else { return };
        let matrix = rows.matrix();
        let began = Instant::now();
        let scores = matrix.with_order(&order).and_then(|rows| challenger.model().outputs(&rows));
        let own = began.elapsed();
        match scores {
            Ok(scores) => {
                self.pairs.with(champion, challenger, |pair| {
                    pair.agreement.count(outputs, &scores, most_probable_class);
                    pair.agreement.time(took.as_secs_f64(), own.as_secs_f64());
                });
                self.metrics.shadow_rows.get_or_create(&challenger.labels).inc_by(rows.len() as u64);
            }
            Err(error) => tracing::warn!(%error, "the shadow cannot score rows"),
        }
    }
}

/// For each of the challenger's features, the place of it among the champion's; or why rows that were read for the champion do not
/// mean the same for the challenger.
fn order(champion: &Served, challenger: &Served) -> Result<Arc<[usize]>, &'static str> {
    let (ours, theirs) = (champion.model(), challenger.model());
    if ours.num_outputs() != theirs.num_outputs() {
        return Err("the versions have different numbers of outputs");
    }
    if ours.classes() != theirs.classes() {
        return Err("the versions have different classes");
    }
    let names = ours.feature_names();
    let lists = [ours, theirs].map(|model| model.text_model().pandas_categorical().unwrap_or_default());
    let have_categories = lists.iter().any(|lists| !lists.is_empty());
    // The order of the features decides which of them has which list.
    if have_categories && (lists[0] != lists[1] || names != theirs.feature_names()) {
        return Err("the versions have different categories");
    }
    let place = |name: &String| names.iter().position(|other| other == name);
    let order: Option<Arc<[usize]>> = theirs.feature_names().iter().map(place).collect();
    order.ok_or("the version has features that the champion does not have")
}
