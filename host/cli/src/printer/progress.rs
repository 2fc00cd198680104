//! Progress bars on stderr.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Printer;

impl Printer {
    /// A progress bar over `length` units on stderr; hidden if stderr is not a terminal, in JSON, or if `--quiet` is set.
    #[must_use]
    pub fn progress(&self, length: Option<u64>, bytes: bool, message: &'static str) -> ProgressBar {
        let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_message(message);
        let template = match (length.is_some(), bytes) {
            (true, true) => "{msg} [{bar:30}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta})",
            (true, false) => "{msg} [{bar:30}] {pos}/{len} ({per_sec}, {eta})",
            (false, true) => "{msg} {spinner} {bytes} ({bytes_per_sec})",
            (false, false) => "{msg} {spinner} {pos} ({per_sec})",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        if self.quiet || self.has_json_messages || !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar
    }

    /// A sign on stderr that work goes on, with the time that it has taken; hidden like a progress bar.
    #[must_use]
    pub fn spinner(&self, message: &'static str) -> ProgressBar {
        let bar = self.progress(None, false, message);
        if let Ok(style) = ProgressStyle::with_template("{msg} {spinner} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    /// Awaits `work`, with a sign on stderr that it goes on if it takes longer than a second.
    pub async fn waiting<T>(&self, message: &'static str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = tokio::time::timeout(Duration::from_secs(1), &mut work).await {
            return done;
        }
        let bar = self.spinner(message);
        let done = work.await;
        bar.finish_and_clear();
        done
    }
}
