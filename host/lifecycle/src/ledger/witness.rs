//! A witness: an earlier export of the ledger that was kept elsewhere, which the ledger must still agree with.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use crate::ledger::Ledger;
use crate::ledger::head::Head;
use crate::ledger::history::{Fate, Step};
use crate::ledger::verify::Flaw;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::ModelName;
use hydra_ledger_rules::Number;

/// The most bytes of a line: more than an entry and its frame have.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// The most entries of a witness, which bound its memory.
const MAX_ENTRIES: usize = 1_000_000;

/// What a ledger was: the digests of its entries, as an earlier export has them.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    ledger: Option<String>,
    entries: BTreeMap<Number, Seen>,
    /// The greatest number that the export shows.
    newest: Number,
}

/// An entry as the witness saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    sha256: Sha256,
    state: State,
}

/// The state of an entry in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Done,
    Aborted,
    Pending,
    Void,
    Newer,
    Damaged,
}

/// The part of a line of `history export` that a witness needs.
#[derive(Deserialize)]
struct Line {
    number: Number,
    state: State,
    sha256: Option<Sha256>,
    entry: Option<EntryPart>,
}

#[derive(Deserialize)]
struct EntryPart {
    ledger: String,
}

impl Witness {
    /// Reads the lines of `history export`, or of `history export --head`. `InvalidArgument` names the first line that is neither,
    /// and one that contradicts an earlier line; `FileSize` if there are more entries than a ledger has.
    pub fn read(lines: impl BufRead) -> Result<Self> {
        Self::read_at_most(lines, MAX_ENTRIES)
    }

    fn read_at_most(mut lines: impl BufRead, most: usize) -> Result<Self> {
        let mut witness = Self::default();
        let mut line = Vec::new();
        for number in 1_u64.. {
            if witness.entries.len() > most {
                return Err(Error::new(
                    ErrorKind::FileSize,
                    format!("the witness has more than {most} entries"),
                )
                .with_hint("pass a file that `hydra-registry history export` wrote, or its last lines"));
            }
            line.clear();
            let limited = &mut std::io::Read::take(&mut lines, MAX_LINE_BYTES);
            let read = limited.read_until(b'\n', &mut line).map_err(|source| {
                Error::new(ErrorKind::Storage, "cannot read the witness").with_source(source)
            })?;
            if read == 0 {
                break;
            }
            let noted = std::str::from_utf8(&line).ok().and_then(|text| witness.note(text.trim()));
            if noted.is_none() {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("line {number} of the witness is not an entry of one ledger"),
                )
                .with_hint("pass a file that `hydra-registry history export` wrote"));
            }
        }
        if witness.ledger.is_none() {
            return Err(Error::new(ErrorKind::InvalidArgument, "the witness has no entry of a ledger")
                .with_hint("pass a file that `hydra-registry history export` wrote"));
        }
        Ok(witness)
    }

    /// What is wrong if the model has no ledger.
    #[must_use]
    pub fn without_ledger(&self, model: &ModelName) -> Flaw {
        let what =
            format!("the ledger of {model} does not exist; the witness has entries up to {}", self.newest);
        Flaw { entry: self.newest, what }
    }

    /// Takes in a line; `None` if it is not one, or contradicts the lines before.
    fn note(&mut self, text: &str) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        let (ledger, number, seen) = if text.starts_with('{') {
            let line: Line = serde_json::from_str(text).ok()?;
            let seen = line.sha256.map(|sha256| Seen { sha256, state: line.state });
            (line.entry.map(|entry| entry.ledger), line.number, seen)
        } else {
            let Head { ledger, number, sha256 } = text.parse().ok()?;
            (Some(ledger), number, Some(Seen { sha256, state: State::Pending }))
        };
        // A genesis that lost the race to found the ledger belongs to none.
        let own = ledger.filter(|_| seen.is_none_or(|seen| seen.state != State::Void));
        if let Some(own) = own
            && *self.ledger.get_or_insert_with(|| own.clone()) != own
        {
            return None;
        }
        self.newest = self.newest.max(number);
        match seen {
            Some(seen)
                if self.entries.insert(number, seen).is_some_and(|other| other.sha256 != seen.sha256) =>
            {
                None
            }
            _ => Some(()),
        }
    }
}

/// A comparison with a witness, from the newest entry down.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    witness: &'a Witness,
    /// The entries of the witness that were not met yet.
    left: BTreeMap<Number, Seen>,
    newest: Number,
}

impl<'a> Comparison<'a> {
    /// A comparison, and what is wrong from the start.
    pub fn begin(witness: &'a Witness, ledger: &Ledger) -> (Self, Option<Flaw>) {
        let of = witness.ledger.as_deref().unwrap_or_default();
        let other = (of != ledger.id()).then(|| Flaw {
            entry: 0,
            what: format!("the witness is of the ledger {of}; that of the model is now {}", ledger.id()),
        });
        let left = if other.is_some() { BTreeMap::new() } else { witness.entries.clone() };
        (Self { witness, left, newest: 0 }, other)
    }

    /// Compares a number of the ledger.
    pub fn step(&mut self, step: &Step) -> Option<Flaw> {
        let number = step.number();
        self.newest = self.newest.max(number);
        let seen = self.left.remove(&number)?;
        let now = match step {
            Step::Valid { record, fate } => Some((record.digest, *fate == Fate::Aborted, false)),
            Step::Void(record) => Some((record.digest, false, true)),
            Step::Newer { .. } | Step::Damaged { .. } => None,
        };
        let what = match now {
            None => "the witness has an entry here, which cannot be read any more",
            Some((digest, ..)) if digest != seen.sha256 => "it is another entry than the witness has",
            Some((_, _, void)) if void != (seen.state == State::Void) => {
                "whether it belongs to the chain is not what the witness has"
            }
            Some((_, true, _)) if seen.state == State::Done => {
                "it took effect by the witness, and is aborted now"
            }
            Some((_, false, _)) if seen.state == State::Aborted => {
                "it was aborted by the witness, and takes effect now"
            }
            Some(_) => return None,
        };
        Some(Flaw { entry: number, what: what.to_owned() })
    }

    /// What the ledger lacks.
    pub fn end(self) -> Vec<Flaw> {
        let missing = self.left.keys().copied();
        let (above, below): (Vec<Number>, Vec<Number>) = missing.partition(|number| *number > self.newest);
        let truncated = above.last().map(|last| Flaw {
            entry: *last,
            what: format!(
                "the witness has entries up to {}, and the ledger ends with entry {}",
                self.witness.newest, self.newest
            ),
        });
        let gaps = below
            .into_iter()
            .map(|entry| Flaw { entry, what: "the witness has it, and it is missing".to_owned() });
        truncated.into_iter().chain(gaps.rev()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<ErrorKind> {
        Witness::read(text.as_bytes()).err().map(|error| error.kind())
    }

    #[test]
    fn only_an_export_of_one_ledger_is_a_witness() {
        let (one, two) = (Sha256::of(b"1"), Sha256::of(b"2"));
        let line = |ledger: &str, number: u64, sha256: Sha256| {
            format!(
                r#"{{"number":{number},"state":"done","sha256":"{sha256}","entry":{{"ledger":"{ledger}"}}}}"#
            )
        };
        assert_eq!(kind(&line("a", 1, one)), None);
        assert_eq!(kind(&format!("a:1:{one}\n")), None);
        for bad in [
            String::new(),
            "\n\n".to_owned(),
            "{}".to_owned(),
            "entry 1".to_owned(),
            format!("{}\n{}", line("a", 2, two), line("b", 1, one)),
            format!("{}\na:1:{two}", line("a", 1, one)),
            "{".repeat(1 << 20),
        ] {
            assert_eq!(kind(&bad), Some(ErrorKind::InvalidArgument), "{bad:.80}");
        }
        let two_heads = format!("a:1:{one}\na:2:{two}\n");
        assert!(Witness::read_at_most(two_heads.as_bytes(), 2).is_ok());
        let refused = Witness::read_at_most(two_heads.as_bytes(), 1).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::FileSize);
        assert_eq!(Witness::read([0xff, b'\n'].as_slice()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
