//! The frames between the interpreter's process and the worker.

use std::io::{self, BufRead, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::{Call, Selector};
use crate::calls::Loaded;
use crate::errors::Failure;
use crate::logs::LogRecord;
use crate::options::Options;
use crate::streams::Listing;

/// The number of this protocol.
pub const PROTOCOL: u32 = 1;

/// The most bytes of a line: 64 MiB.
const MAX_LINE: u64 = 64 << 20;

/// The most bytes after a line: the largest model file, 4 GiB, and a report.
const MAX_BODY: u64 = (4 << 30) + MAX_LINE;

/// A frame to the worker. Ids are those of calls, chosen by the sender.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// Introduces a registry.
    Open { registry: u64, options: Box<Options> },
    /// Forgets a registry.
    Close { registry: u64 },
    /// Asks for an answer; events of the level `log` and above are wanted.
    Call { id: u64, registry: u64, log: u8, call: Box<Call> },
    /// Asks for a model.
    Load { id: u64, registry: u64, log: u8, selector: Selector, known: Option<Box<Loaded>> },
    /// Begins a listing in pages, whose handle is `id`.
    List { id: u64, registry: u64, log: u8, listing: Listing, page: usize },
    /// Asks for the next page of a listing.
    Next { id: u64, listing: u64 },
    /// Ends a listing.
    End { listing: u64 },
    /// Stops a call; the second time, without cleaning up.
    Interrupt { id: u64 },
}

/// A frame from the worker.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// The first frame.
    Hello { protocol: u32, release: String },
    /// The answer to a call: a JSON document of `json` bytes, then perhaps a model file.
    Answer { id: u64, json: u64, file: Option<FileHead> },
    /// The failure of a call.
    Failure { id: u64, failure: Failure },
    /// An event.
    Log(LogRecord),
}

/// What is known of a model file.
#[derive(Serialize, Deserialize)]
pub struct FileHead {
    /// Its name among the artifacts.
    pub data_file: String,
    /// The class that `MLmodel` names.
    pub model_class: String,
    /// Its size.
    pub bytes: u64,
}

/// Writes a frame and what follows it, as a whole.
pub fn write(to: &mut impl Write, frame: &impl Serialize, bodies: [&[u8]; 2]) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    to.write_all(&line)?;
    for body in bodies {
        to.write_all(body)?;
    }
    to.flush()
}

/// Reads a frame; none at the end.
pub fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// Reads what follows a frame.
pub fn read_body(from: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    if bytes > MAX_BODY {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too large"));
    }
    let mut body = Vec::new();
    // Not reserved at once: what arrives decides.
    if from.take(bytes).read_to_end(&mut body)? as u64 != bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(body)
}
