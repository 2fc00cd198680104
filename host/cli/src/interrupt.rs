//! Ctrl-C and SIGTERM: the first asks a command to end what it has begun, the second ends the program at once.

use std::future::pending;

use tokio::sync::oneshot;

use crate::ExitStatus;
use hydra_base::error::{Error, ErrorKind, Result};

/// From now on signals no longer end the program; the first one makes the future ready. To be called in a runtime.
pub fn first() -> Result<impl Future<Output = ()> + Send> {
    let mut signals = Signals::listen()
        .map_err(|source| Error::new(ErrorKind::Config, "cannot listen for Ctrl-C").with_source(source))?;
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!("interrupted: finishing the current operation; interrupt again to end immediately");
        // Where nobody waits any more, the work is done already.
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
