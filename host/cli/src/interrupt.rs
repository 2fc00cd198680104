//! Ctrl-C and SIGTERM: a command that changes a registry is asked to stop cleanly by the first signal, and ended by the second
//! one; a command that writes a file is ended after its temporary file is removed. A command that has written its file and now
//! changes a registry does the former.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use crate::{ExitStatus, remote};
use hydra_base::error::{Error, ErrorKind, Result};

/// Whether the first signal asks the command to stop.
static STOPS_CLEANLY: AtomicBool = AtomicBool::new(false);

/// From now on, signals do not end the program; the first one makes the future ready. Call this in a runtime.
pub fn first() -> Result<impl Future<Output = ()> + Send> {
    let mut signals = Signals::listen()
        .map_err(|source| Error::new(ErrorKind::Config, "cannot listen for Ctrl-C").with_source(source))?;
    STOPS_CLEANLY.store(true, Relaxed);
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

/// From now on, a signal ends the program after the [files that are not complete](hydra_tables::remove_partial_files), and uploads, are
/// removed, also while the command computes.
pub fn remove_partial_files() -> Result<()> {
    let failed = |source: std::io::Error| {
        Error::new(ErrorKind::Config, "cannot listen for Ctrl-C").with_source(source)
    };
    // The command may not come back to its runtime for hours.
    let (ready, is_ready) = mpsc::channel();
    let listen = move || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut signals = Signals::listen()?;
            // The command waits for it.
            let _ = ready.send(());
            signals.next().await;
            hydra_tables::remove_partial_files();
            remote::abort_uploads();
            if !STOPS_CLEANLY.load(Relaxed) {
                std::process::exit(ExitStatus::Error.code().into());
            }
            Ok(())
        })
    };
    thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(failed)?;
    is_ready.recv().map_err(|gone| failed(std::io::Error::other(gone)))
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
