//! Sends LightGBM's log messages to [`tracing`] instead of standard output, which is for data.

use std::cell::RefCell;
use std::ffi::{CStr, c_char};

thread_local! {
    /// Reading this once on a thread redirects LightGBM's messages on that thread: LightGBM has one log callback per
    /// thread.
    static REDIRECTED: bool = register();
    /// LightGBM passes one message in three pieces: prefix, text, line feed.
    static PENDING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Makes LightGBM on this thread log to `tracing` (target `lightgbm`, level debug).
///
/// Call this before every call into LightGBM. All calls after the first one on a thread cost one read.
pub(crate) fn redirect() {
    let redirected = REDIRECTED.with(|redirected| *redirected);
    debug_assert!(redirected, "LightGBM rejected the log callback");
}

fn register() -> bool {
    #[expect(unsafe_code, reason = "lightgbm3 has no safe function for this")]
    // SAFETY: the callback is a function, so it lives as long as the program; it neither unwinds (see `receive`) nor
    // keeps the pointer it is given.
    let status = unsafe { lightgbm3_sys::LGBM_RegisterLogCallback(Some(receive)) };
    status == 0
}

/// Receives one piece of a message. It must not unwind into C++, so it only uses operations that cannot panic.
#[expect(unsafe_code, reason = "LightGBM defines the callback's signature")]
unsafe extern "C" fn receive(piece: *const c_char) {
    if piece.is_null() {
        return;
    }
    // SAFETY: LightGBM passes a NUL-terminated string that lives until this function returns.
    let piece = unsafe { CStr::from_ptr(piece) }.to_string_lossy();
    let complete = PENDING
        .try_with(|pending| {
            let mut pending = pending.try_borrow_mut().ok()?;
            pending.push_str(&piece);
            pending.ends_with('\n').then(|| std::mem::take(&mut *pending))
        })
        .ok()
        .flatten();
    if let Some(message) = complete {
        tracing::debug!(target: "lightgbm", "{}", message.trim_end());
    }
}
