//! Models of other iterations, kept for the next call.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hydra_lightgbm::Model;

/// The models of the last ranges of iterations that were asked for.
#[derive(Default)]
pub(crate) struct Derived(Mutex<VecDeque<(Iterations, Model)>>);

/// How many ranges are kept. A search for the best iteration asks for many, each once.
const KEPT: usize = 8;

/// Which boosting iterations take part in a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Iterations {
    start: usize,
    count: Option<usize>,
}

impl Iterations {
    /// The iterations of LightGBM's arguments `start_iteration` and `num_iteration`; `None` for those that the model uses anyway:
    /// up to the best iteration, if there is one.
    pub(crate) fn new(start: i64, count: Option<i64>) -> Option<Self> {
        if start <= 0 && count.is_none() {
            return None;
        }
        // As in LightGBM, a count below 1 means all.
        let count = count.filter(|count| *count > 0);
        let size = |number: i64| usize::try_from(number).unwrap_or(0);
        Some(Self { start: size(start), count: count.map(size) })
    }

    /// The same iterations of a model that has `all`.
    fn within(self, all: usize) -> Self {
        let start = self.start.min(all);
        Self { start, count: Some(self.count.unwrap_or(all).min(all - start)) }
    }
}

impl Derived {
    /// `base` with other iterations.
    pub(crate) fn model(&self, base: &Model, iterations: Iterations) -> Model {
        let iterations = iterations.within(base.text_model().num_iterations());
        if iterations == (Iterations { start: 0, count: Some(base.used_iterations()) }) {
            return base.clone();
        }
        let find = |kept: &mut VecDeque<(Iterations, Model)>| {
            let place = kept.iter().position(|(key, _)| *key == iterations)?;
            let found = kept.remove(place)?;
            kept.push_front(found);
            kept.front().map(|(_, model)| model.clone())
        };
        if let Some(model) = self.with(find) {
            return model;
        }
        // Compiled outside the lock, so that other threads do not wait for it.
        let model = base.limited(iterations.start, iterations.count);
        self.with(|kept| {
            kept.push_front((iterations, model.clone()));
            kept.truncate(KEPT);
        });
        model
    }

    fn with<T>(&self, work: impl FnOnce(&mut VecDeque<(Iterations, Model)>) -> T) -> T {
        // A panic cannot leave the list half changed.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
