//! Points at which the crash tests kill the process.

/// If `HYDRA_FAILPOINT` is `name`, prints that to stdout and stops, so that a test can kill the process with SIGKILL:
/// no handler runs and no buffer is flushed. Does nothing in release builds.
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

/// Whether `HYDRA_FAILPOINT` is `name`. Always `false` in release builds.
#[cfg(debug_assertions)]
#[must_use]
pub fn is_set(name: &str) -> bool {
    std::env::var_os("HYDRA_FAILPOINT").is_some_and(|set| set == name)
}

/// Does nothing in release builds.
#[cfg(not(debug_assertions))]
pub fn failpoint(_: &str) {}

/// Always `false` in release builds.
#[cfg(not(debug_assertions))]
#[must_use]
pub fn is_set(_: &str) -> bool {
    false
}
