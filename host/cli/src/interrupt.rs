//! Ctrl-C and SIGTERM: the first signal asks a command to stop cleanly, the second one ends the program immediately.

use std::future::pending;

use tokio::sync::oneshot;

use crate::ExitStatus;
use hydra_base::error::{Error, ErrorKind, Result};

/// From now on, signals do not end the program; the first one makes the future ready. Call this in a runtime.
pub fn first() -> Result<impl Future<Output = ()> + Send> {
    let mut signals = Signals::listen()
        .map_err(|source| Error::new(ErrorKind::Config, "cannot listen for Ctrl-C").with_source(source))?;
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!("interrupted: finishing the current operation; interrupt again to end immediately");
        // If the receiver is gone, the work is done already.
        let _ = tell.send(());
        signals.next().await;
        std::process::exit(ExitStatus::Error.code().into());
    });
    Ok(async {
        if told.await.is_err() {
            pending::<()>().await;
        }
    })
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
