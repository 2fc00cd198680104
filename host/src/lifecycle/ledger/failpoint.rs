//! Places at which tests kill the process.

/// Aborts the process, as a crash would, if `HYDRA_FAILPOINT` names this place. Only in builds for tests.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &str) {
    if is_set(name) {
        std::process::abort();
    }
}

/// Whether `HYDRA_FAILPOINT` names this place.
#[cfg(feature = "failpoints")]
pub fn is_set(name: &str) -> bool {
    std::env::var_os("HYDRA_FAILPOINT").is_some_and(|set| set == name)
}

/// Nothing, in builds for use.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn failpoint(_: &str) {}
