//! The stack machine.
//!
//! Each group of instructions is one function, which passes unknown instructions to the next group: numbers, text and
//! bytes ([`literals`]), containers ([`containers`]), the memo, names and objects ([`objects`]).

mod containers;
mod literals;
mod objects;

use super::globals::Foreign;
use super::opcode::{
    BINPERSID, BINSTRING, DUP, EXT1, EXT2, EXT4, FRAME, INST, MARK, NEXT_BUFFER, OBJ, PERSID, POP, POP_MARK,
    PROTO, READONLY_BUFFER, SHORT_BINSTRING, STOP, STRING,
};
use super::source::Source;
use super::stack::Stack;
use super::value::{Id, Values};
use crate::error::{damaged, raised_by};
use crate::extracted::ExtractLimits;
use hydra_base::{Error, ErrorKind, Result};

/// Runs a pickle to its end; returns its values and the reference of its result.
pub(super) fn run<'a>(bytes: &'a [u8], limits: &ExtractLimits) -> Result<(Values<'a>, Id)> {
    let mut machine = Machine {
        source: Source::new(bytes),
        stack: Stack::new(limits.values),
        foreign: Foreign::default(),
        at: 0,
    };
    for _ in 0..limits.operations {
        let position = machine.source.position();
        machine.at = position;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => {
                return match machine.foreign.refusal() {
                    None => Ok((machine.stack.values, root)),
                    Some(refusal) => Err(refusal),
                };
            }
            Err(error) => {
                return Err(machine
                    .foreign
                    .refusal()
                    .unwrap_or_else(|| error.with_context("offset", position)));
            }
        }
    }
    if let Some(refusal) = machine.foreign.refusal() {
        return Err(refusal);
    }
    Err(damaged("the pickle has too many instructions")
        .with_context("limit", limits.operations)
        .with_hint(raised_by("pickle-operations")))
}

struct Machine<'a> {
    source: Source<'a>,
    stack: Stack<'a>,
    foreign: Foreign,
    /// Where the instruction begins.
    at: usize,
}

impl Machine<'_> {
    /// Executes one instruction; the last one returns the pickle's value.
    fn step(&mut self) -> Result<Option<Id>> {
        match self.source.byte()? {
            STOP => return self.stop().map(Some),
            PROTO => self.protocol()?,
            // A frame is a hint for buffering.
            FRAME => drop(self.source.length(8)?),
            MARK => self.stack.mark()?,
            POP => self.stack.pop_or_unmark()?,
            POP_MARK => drop(self.stack.pop_to_mark()?),
            DUP => {
                let top = self.stack.pop()?;
                self.stack.push_id(top)?;
                self.stack.push_id(top)?;
            }
            opcode => self.number(opcode)?,
        }
        Ok(None)
    }

    fn protocol(&mut self) -> Result<()> {
        match self.source.byte()? {
            0..=5 => Ok(()),
            version => Err(Error::new(ErrorKind::UnsupportedModel, "the protocol of the pickle is unknown")
                .with_context("protocol", version)),
        }
    }

    fn stop(&mut self) -> Result<Id> {
        let root = self.stack.pop()?;
        if !self.stack.is_empty() {
            return Err(damaged("the pickle ends with unused values"));
        }
        if self.source.remaining() > 0 {
            return Err(damaged("the file continues after the end of the pickle")
                .with_context("bytes", self.source.remaining()));
        }
        Ok(root)
    }
}

fn unsupported(opcode: u8) -> Error {
    let reason = match opcode {
        PERSID | BINPERSID => "the pickle refers to objects outside the file",
        EXT1 | EXT2 | EXT4 => "the pickle uses Python's extension registry",
        NEXT_BUFFER | READONLY_BUFFER => "the pickle refers to buffers outside the file",
        STRING | BINSTRING | SHORT_BINSTRING | INST | OBJ => "the pickle was written by Python 2",
        _ => return damaged("the file is not a pickle, or it is damaged").with_context("opcode", opcode),
    };
    Error::new(ErrorKind::UnsupportedModel, reason)
}
