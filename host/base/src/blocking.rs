//! Runs code that blocks its thread.

use std::future::Future;
use std::thread;

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

tokio::task_local! {
    /// Is set while a future runs whose blocking work yields to other threads.
    static YIELDING: ();
}

/// Runs `work`, which may compute or wait for seconds, on a thread for blocking code.
///
/// Panics outside of a Tokio runtime. [`ErrorKind::Internal`] if `work` panics, or if the runtime shuts down before
/// `work` starts.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    if YIELDING.try_with(|()| ()).is_ok() {
        return on_a_yielding_thread(work).await;
    }
    tokio::task::spawn_blocking(work).await.map_err(|source| interrupted().with_source(source))?
}

/// Runs `future`. On Linux, its calls of [`blocking`] get the processor after the other threads of this process; on other
/// platforms they only have threads of their own.
///
/// Tasks that `future` spawns do not inherit this.
pub async fn yielding<F: Future>(future: F) -> F::Output {
    YIELDING.scope((), future).await
}

/// The priority of a thread is only lowered here: without privileges it cannot be raised again, so that the thread ends
/// with its work.
async fn on_a_yielding_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        lower_priority();
        // The receiver is gone if the caller stopped waiting.
        drop(sender.send(work()));
    };
    let thread = thread::Builder::new().name("yielding".to_owned()).spawn(run);
    thread.map_err(|source| {
        Error::new(ErrorKind::Internal, "cannot start a background thread").with_source(source)
    })?;
    receiver.await.map_err(|source| interrupted().with_source(source))?
}

/// The nice value of threads that yield.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Linux has a nice value for each thread. If it cannot be changed, the thread keeps the one that it has.
#[cfg(target_os = "linux")]
fn lower_priority() {
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

fn interrupted() -> Error {
    Error::new(ErrorKind::Internal, "work on a background thread was interrupted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_comes_back_and_a_panic_is_an_internal_error() {
        assert_eq!(blocking(|| Ok(1)).await.unwrap(), 1);
        let failed = blocking(|| Err::<(), _>(Error::new(ErrorKind::Storage, "full"))).await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Storage);
        let panicked = blocking(|| -> Result<()> { panic!("a bug") }).await.unwrap_err();
        assert_eq!(panicked.kind(), ErrorKind::Internal);
        assert!(std::error::Error::source(&panicked).is_some());
    }

    #[tokio::test]
    async fn yielding_work_has_results_and_panics_too() {
        assert_eq!(yielding(blocking(|| Ok(1))).await.unwrap(), 1);
        let panicked = yielding(blocking(|| -> Result<()> { panic!("a bug") })).await.unwrap_err();
        assert_eq!(panicked.kind(), ErrorKind::Internal);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_the_threads_of_yielding_work_have_a_lower_priority() {
        let priority = || Ok(rustix::process::getpriority_process(None).unwrap());
        let usual = blocking(priority).await.unwrap();
        assert_eq!(yielding(blocking(priority)).await.unwrap(), NICE.max(usual));
        assert_eq!(blocking(priority).await.unwrap(), usual);
    }
}
