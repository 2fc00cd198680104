//! Where data goes: stdout, or the user's pager in front of it.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use hydra_mlflow::environment;

/// The variables that name a pager, the first one that is set counts.
const VARIABLES: [&str; 2] = [environment::PAGER, "PAGER"];

/// Where data goes.
#[derive(Debug)]
pub(super) enum Sink {
    /// The process's stdout.
    Stdout(io::Stdout),
    /// A pager; without its input, the output has ended.
    Pager(Child, Option<ChildStdin>),
}

impl Sink {
    pub(super) fn stdout() -> Self {
        Self::Stdout(io::stdout())
    }

    /// The user's pager; none if the user wants none, or if it cannot start.
    pub(super) fn pager() -> Option<Self> {
        let named = VARIABLES.iter().find_map(|name| std::env::var(name).ok());
        let command = wanted(named)?;
        let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
        shell.args([if cfg!(windows) { "/C" } else { "-c" }, &command]).stdin(Stdio::piped());
        // As git: end at once with one screen, keep colours, leave the text on the screen.
        for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
            if std::env::var_os(name).is_none() {
                shell.env(name, value);
            }
        }
        let mut child = shell.spawn().ok()?;
        let input = child.stdin.take();
        Some(Self::Pager(child, input))
    }

    /// Ends the output, and waits until the pager is closed.
    pub(super) fn finish(&mut self) {
        if let Self::Pager(child, input) = self {
            drop(input.take());
            // It has ended, or the user has ended it.
            let _ = child.wait();
            *self = Self::stdout();
        }
    }
}

/// The command line of the pager; none for one that would only copy.
fn wanted(named: Option<String>) -> Option<String> {
    let command = named.unwrap_or_else(|| if cfg!(windows) { "more".to_owned() } else { "less".to_owned() });
    let is_pager = !matches!(command.trim(), "" | "cat");
    is_pager.then_some(command)
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(data),
            Self::Pager(_, Some(input)) => input.write(data),
            Self::Pager(_, None) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::Pager(_, Some(input)) => input.flush(),
            Self::Pager(_, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pager_that_only_copies_is_none() {
        for none in ["", " ", "cat"] {
            assert_eq!(wanted(Some(none.to_owned())), None, "{none:?}");
        }
        assert_eq!(wanted(Some("less -S".to_owned())).as_deref(), Some("less -S"));
        assert!(wanted(None).is_some());
    }

    #[test]
    fn a_finished_pager_takes_no_more() {
        let mut sink = Sink::Pager(Command::new("true").spawn().expect("a program"), None);
        assert_eq!(sink.write(b"x").expect_err("closed").kind(), io::ErrorKind::BrokenPipe);
        sink.finish();
        assert!(matches!(sink, Sink::Stdout(_)));
    }
}
