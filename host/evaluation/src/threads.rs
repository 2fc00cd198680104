//! Work on several threads with results in order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The results of `work` for each of `tasks`, in their order, from at most `threads` threads; 0 stands for as many as
/// the machine has.
pub(crate) fn parallel<T: Send, R: Send>(
    threads: usize,
    tasks: Vec<T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let available = || thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { available() } else { threads };
    if threads.min(tasks.len()) <= 1 {
        return tasks.into_iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let tasks: Vec<Mutex<Option<T>>> = tasks.into_iter().map(|task| Mutex::new(Some(task))).collect();
    let worker = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(index) else { return results };
            let task =
                task.lock().map_or_else(|poisoned| poisoned.into_inner().take(), |mut task| task.take());
            results.extend(task.map(|task| (index, work(task))));
        }
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (1..threads.min(tasks.len())).map(|_| scope.spawn(worker)).collect();
        let mut results = worker();
        for other in workers {
            match other.join() {
                Ok(others) => results.extend(others),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_order_of_their_tasks() {
        for threads in [0, 1, 2, 7] {
            let tasks: Vec<u64> = (0..100).collect();
            let squares: Vec<u64> = parallel(threads, tasks, |task| task * task);
            assert_eq!(squares, (0..100).map(|task| task * task).collect::<Vec<u64>>());
        }
        assert!(parallel(4, Vec::<u8>::new(), |task| task).is_empty());
    }
}
