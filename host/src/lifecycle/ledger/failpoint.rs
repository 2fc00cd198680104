//! Places at which the crash tests kill the process.

/// Aborts the process, as a crash would, if `HYDRA_FAILPOINT` names this place. Only in development builds.
#[cfg(debug_assertions)]
pub(super) fn failpoint(name: &str) {
    if is_set(name) {
        std::process::abort();
    }
}

/// Whether `HYDRA_FAILPOINT` names this place.
#[cfg(debug_assertions)]
pub(super) fn is_set(name: &str) -> bool {
    std::env::var_os("HYDRA_FAILPOINT").is_some_and(|set| set == name)
}

/// Nothing, in builds for use.
#[cfg(not(debug_assertions))]
pub(super) fn failpoint(_: &str) {}

/// Nothing, in builds for use.
#[cfg(not(debug_assertions))]
pub(super) fn is_set(_: &str) -> bool {
    false
}
