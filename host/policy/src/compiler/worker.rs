//! The process that compiles.

use std::ffi::OsStr;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::job::{self, Outcome};
use super::limits::CompileLimits;
use crate::engine::CodeForm;

/// The first argument of `hydra-registry` that makes it compile a policy for another process of the same release. The second one is
/// for [`compiler_main`].
pub const COMPILER_ARGUMENT: &str = "--compile-policy";

/// What the parent asks for, as JSON in an argument. The component is the standard input, and the code goes to the current directory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// The release of the parent.
    pub release: String,
    pub form: CodeForm,
    pub limits: CompileLimits,
}

/// What the process writes to its standard output, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// The compiler's.
    Outcome(Outcome),
    /// The machine, or the parent, is in the way.
    Unavailable(String),
}

/// The program of a process that compiles a policy for the process that started it: `request` is the argument that follows
/// [`COMPILER_ARGUMENT`]. It limits the process, so call it first. Whether the other process has received a reply; end with exit status
/// 0 or 1 accordingly.
#[must_use]
pub fn compiler_main(request: Option<&OsStr>) -> bool {
    let reply = answer(request).unwrap_or_else(Reply::Unavailable);
    // A parent that has gone away does not read it.
    let mut stdout = io::stdout().lock();
    let written = serde_json::to_vec(&reply).map_err(io::Error::from).and_then(|bytes| {
        stdout.write_all(&bytes)?;
        stdout.flush()
    });
    written.is_ok()
}

fn answer(request: Option<&OsStr>) -> Result<Reply, String> {
    let request =
        request.and_then(OsStr::to_str).ok_or("the request is missing; other programs start this one")?;
    let request: Request =
        serde_json::from_str(request).map_err(|error| format!("the request is not valid: {error}"))?;
    if request.release != env!("CARGO_PKG_VERSION") {
        return Err(format!("this program is of release {}", env!("CARGO_PKG_VERSION")));
    }
    request.limits.enforce().map_err(|error| format!("cannot limit the process: {error}"))?;
    let mut bytes = Vec::new();
    match io::stdin().lock().read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
            return Ok(Reply::Outcome(Outcome::OutOfMemory));
        }
        Err(error) => return Err(format!("cannot read the component: {error}")),
    }
    let directory =
        std::env::current_dir().map_err(|error| format!("the current directory is not known: {error}"))?;
    let outcome = job::compile(request.form, &bytes, &directory).map_err(|error| error.to_string())?;
    Ok(Reply::Outcome(outcome))
}
