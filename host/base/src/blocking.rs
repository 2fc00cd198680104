//! Runs code that blocks its thread.

use crate::error::{Error, ErrorKind, Result};

/// Runs `work`, which may compute or wait for seconds, on a thread for blocking code.
///
/// Panics outside of a Tokio runtime. [`ErrorKind::Internal`] if `work` panics, or if the runtime shuts down before
/// `work` starts.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| {
        Error::new(ErrorKind::Internal, "work on a background thread was interrupted").with_source(source)
    })?
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
}
