//! Places at which the crash tests kill the process.

/// Stops here if `HYDRA_FAILPOINT` names this place, after saying so on stdout, so that a test can kill the process with
/// SIGKILL: no handler runs, nothing is flushed. Only in development builds.
#[cfg(debug_assertions)]
#[expect(clippy::print_stdout, reason = "the signal to the test that waits for it")]
pub fn failpoint(name: &str) {
    if is_set(name) {
        println!("failpoint {name}");
        loop {
            std::thread::park();
        }
    }
}

/// Whether `HYDRA_FAILPOINT` names this place.
#[cfg(debug_assertions)]
#[must_use]
pub fn is_set(name: &str) -> bool {
    std::env::var_os("HYDRA_FAILPOINT").is_some_and(|set| set == name)
}

/// Nothing, in builds for use.
#[cfg(not(debug_assertions))]
pub fn failpoint(_: &str) {}

/// Nothing, in builds for use.
#[cfg(not(debug_assertions))]
#[must_use]
pub fn is_set(_: &str) -> bool {
    false
}
