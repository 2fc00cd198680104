//! Asks the policy about changed evidence, on several threads, within the time of a search.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use super::Effort;
use super::change::{Choice, Moved, Range};
use hydra_base::error::Result;
use hydra_policy::{Input, Verdict};

/// What a policy is asked: a change with one of its values.
#[derive(Clone, Copy)]
pub(super) enum Question<'a> {
    /// A number.
    Number(&'a Range, f64),
    /// A single value.
    Choice(&'a Choice),
}

/// The answer to a question; `None` if time had run out before.
pub(super) type Answer = Option<Result<Verdict>>;

/// Asks about changes of one input.
pub(super) struct Asker<'a> {
    input: &'a Input,
    decide: &'a (dyn Fn(&Input) -> Result<Verdict> + Sync),
    progress: &'a (dyn Fn() + Sync),
    threads: usize,
    end: Option<Instant>,
    asked: AtomicU32,
}

impl Question<'_> {
    /// Changes the input, and says what else moves.
    pub(super) fn apply(self, input: &mut Input) -> Vec<Moved> {
        match self {
            Self::Number(range, value) => (range.apply)(input, value),
            Self::Choice(choice) => (choice.apply)(input),
        }
    }
}

impl<'a> Asker<'a> {
    pub(super) fn new(
        input: &'a Input,
        decide: &'a (dyn Fn(&Input) -> Result<Verdict> + Sync),
        progress: &'a (dyn Fn() + Sync),
        effort: Effort,
    ) -> Self {
        let end = Instant::now().checked_add(effort.time);
        Self { input, decide, progress, threads: effort.threads.max(1), end, asked: AtomicU32::new(0) }
    }

    /// Asks about the evidence as it is.
    pub(super) fn present(&self) -> Result<Verdict> {
        self.count((self.decide)(self.input))
    }

    /// Asks a question, if there is time.
    pub(super) fn ask(&self, question: Question<'_>) -> Answer {
        if self.end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        let mut changed = self.input.clone();
        question.apply(&mut changed);
        Some(self.count((self.decide)(&changed)))
    }

    /// What else moves with a change.
    pub(super) fn moves(&self, question: Question<'_>) -> Vec<Moved> {
        question.apply(&mut self.input.clone())
    }

    /// The number of decisions so far.
    pub(super) fn asked(&self) -> u32 {
        self.asked.load(Relaxed)
    }

    /// Works on all items, several at once, and returns the results in the order of the items.
    pub(super) fn all<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(items.len()));
        thread::scope(|scope| {
            for _ in 0..self.threads.min(items.len()) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Relaxed);
                        let Some(item) = items.get(index) else { break };
                        let result = work(item);
                        results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                    }
                });
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn count<T>(&self, answer: T) -> T {
        self.asked.fetch_add(1, Relaxed);
        (self.progress)();
        answer
    }
}
