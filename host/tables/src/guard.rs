//! Converts panics of the readers of untrusted files to errors.
//!
//! The crates that decode Arrow and Parquet panic on some damaged files.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use hydra_base::{Error, ErrorKind, Result};

thread_local! {
    /// Whether this thread reports its panics as errors.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Returns the result of `read`, which decodes untrusted bytes; converts a panic to [`ErrorKind::InvalidData`] without printing it.
///
/// After a panic, do not use values that `read` was changing.
pub fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                print(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    QUIET.set(before);
    result.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
        Err(Error::new(ErrorKind::InvalidData, "the input is damaged and made its reader panic")
            .with_source(said.unwrap_or_else(|| "unknown".to_owned())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_errors() {
        let error = guarded::<()>(|| panic!("offset {} is out of bounds", 7)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("offset 7 is out of bounds"));
        assert_eq!(guarded(|| Ok(7)).unwrap(), 7);
    }
}
