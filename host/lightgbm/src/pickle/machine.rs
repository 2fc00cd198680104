//! The stack machine.

use super::damaged;
use super::globals::Global;
use super::source::Source;
use super::stack::Stack;
use super::value::{Id, Object, Value, Values};
use crate::extracted::ExtractLimits;
use hydra_base::{Error, ErrorKind, Result};

/// Runs a pickle to its end and returns its values and which of them it is.
pub(super) fn run<'a>(bytes: &'a [u8], limits: &ExtractLimits) -> Result<(Values<'a>, Id)> {
    let mut machine = Machine { source: Source::new(bytes), stack: Stack::new(limits.values) };
    for _ in 0..limits.operations {
        let position = machine.source.position();
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok((machine.stack.values, root)),
            Err(error) => return Err(error.with_context("offset", position)),
        }
    }
    Err(damaged("the pickle has too many instructions").with_context("limit", limits.operations))
}

struct Machine<'a> {
    source: Source<'a>,
    stack: Stack<'a>,
}

impl Machine<'_> {
    /// Carries out one instruction; the last returns the pickle's value.
    fn step(&mut self) -> Result<Option<Id>> {
        let opcode = self.source.byte()?;
        match opcode {
            b'.' => return self.stop().map(Some),
            0x80 => self.protocol()?,
            0x95 => drop(self.source.length(8)?), // a frame: a hint for buffering
            b'(' => self.stack.mark()?,
            b'0' => self.stack.pop_or_unmark()?,
            b'1' => drop(self.stack.pop_to_mark()?),
            b'2' => {
                let top = self.stack.pop()?;
                self.stack.push_id(top)?;
                self.stack.push_id(top)?;
            }

            b'N' => self.stack.push(Value::None)?,
            0x88 => self.stack.push(Value::Bool(true))?,
            0x89 => self.stack.push(Value::Bool(false))?,
            b'I' => {
                let value = match self.source.line()? {
                    "00" => Value::Bool(false),
                    "01" => Value::Bool(true),
                    digits => decimal(digits)?,
                };
                self.stack.push(value)?;
            }
            b'L' => {
                let line = self.source.line()?;
                self.stack.push(decimal(line.strip_suffix('L').unwrap_or(line))?)?;
            }
            b'J' => {
                let number = self.source.number(4)? as u32 as i32;
                self.stack.push(Value::Int(i64::from(number)))?;
            }
            b'K' => self.unsigned(1)?,
            b'M' => self.unsigned(2)?,
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'F' => {
                let line = self.source.line()?;
                let number = line.parse().map_err(|_| damaged("a number of the pickle is damaged"))?;
                self.stack.push(Value::Float(number))?;
            }
            b'G' => {
                let bits = self.source.take(8)?.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                self.stack.push(Value::Float(f64::from_bits(bits)))?;
            }

            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'V' => {
                let text = self.source.escaped_line()?;
                self.stack.push(Value::Str(text))?;
            }
            b'C' => self.bytes(1)?,
            b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,

            b')' => self.stack.push(Value::Tuple(Vec::new()))?,
            b't' => {
                let items = self.stack.pop_to_mark()?;
                self.stack.push(Value::Tuple(items))?;
            }
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b']' => self.stack.push(Value::List(Vec::new()))?,
            b'l' => {
                let items = self.stack.pop_to_mark()?;
                self.stack.push(Value::List(items))?;
            }
            b'a' => {
                let item = self.stack.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.stack.pop_to_mark()?;
                self.append(items)?;
            }
            b'}' => self.stack.push(Value::Dict(Vec::new()))?,
            b'd' => {
                let items = pairs(&self.stack.pop_to_mark()?)?;
                self.stack.push(Value::Dict(items))?;
            }
            b's' => {
                let value = self.stack.pop()?;
                let key = self.stack.pop()?;
                self.set_items(vec![(key, value)])?;
            }
            b'u' => {
                let items = pairs(&self.stack.pop_to_mark()?)?;
                self.set_items(items)?;
            }
            0x8f => self.stack.push(Value::Set)?,
            0x90 => {
                self.stack.pop_to_mark()?;
                let set = self.stack.top()?;
                if !matches!(self.stack.values.get(set), Value::Set) {
                    return Err(damaged("the pickle adds to something that is not a set"));
                }
            }
            0x91 => {
                self.stack.pop_to_mark()?;
                self.stack.push(Value::Set)?;
            }

            b'p' => {
                let index = self.source.line()?.parse().map_err(|_| damaged("a memo index is damaged"))?;
                self.stack.memorize(index)?;
            }
            b'q' => {
                let index = self.source.number(1)?;
                self.stack.memorize(index)?;
            }
            b'r' => {
                let index = self.source.number(4)?;
                self.stack.memorize(index)?;
            }
            0x94 => self.stack.memorize(self.stack.next_memo())?,
            b'g' => {
                let index = self.source.line()?.parse().map_err(|_| damaged("a memo index is damaged"))?;
                self.stack.recall(index)?;
            }
            b'h' => {
                let index = self.source.number(1)?;
                self.stack.recall(index)?;
            }
            b'j' => {
                let index = self.source.number(4)?;
                self.stack.recall(index)?;
            }

            b'c' => {
                let (module, name) = (self.source.line()?, self.source.line()?);
                self.stack.push(Value::Global(Global::find(module, name)?))?;
            }
            0x93 => self.stack_global()?,
            b'R' => self.reduce()?,
            0x81 => self.new_object()?,
            0x92 => {
                // Keyword arguments carry nothing that a model needs.
                self.stack.pop()?;
                self.new_object()?;
            }
            b'b' => self.build()?,

            _ => return Err(unsupported(opcode)),
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

    fn unsigned(&mut self, width: usize) -> Result<()> {
        let number = self.source.number(width)?;
        self.stack.push(Value::Int(number as i64))
    }

    /// A little-endian number in two's complement after its length.
    fn long(&mut self, width: usize) -> Result<()> {
        let bytes = self.source.counted(width)?;
        let value = if bytes.is_empty() {
            Value::Int(0)
        } else if bytes.len() > 8 {
            Value::BigInt
        } else {
            let bits = bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            let unused = 64 - 8 * bytes.len() as u32;
            Value::Int((bits << unused) as i64 >> unused)
        };
        self.stack.push(value)
    }

    fn text(&mut self, width: usize) -> Result<()> {
        let text = self.source.text(width)?;
        self.stack.push(Value::Str(text.into()))
    }

    fn bytes(&mut self, width: usize) -> Result<()> {
        let bytes = self.source.counted(width)?;
        self.stack.push(Value::Bytes(bytes))
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.stack.pop()?);
        }
        items.reverse();
        self.stack.push(Value::Tuple(items))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<()> {
        let list = self.stack.top()?;
        match self.stack.values.get_mut(list) {
            Value::List(list) => list.extend(items),
            _ => return Err(damaged("the pickle appends to something that is not a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<(Id, Id)>) -> Result<()> {
        let target = self.stack.top()?;
        match self.stack.values.get_mut(target) {
            Value::Dict(dict) => dict.extend(items),
            // An OrderedDict or a defaultdict: evaluation records, which no prediction needs.
            Value::Object(object) if object.class == Global::Ignored => {}
            _ => return Err(damaged("the pickle sets items of something that is not a dictionary")),
        }
        Ok(())
    }

    fn stack_global(&mut self) -> Result<()> {
        let (name, module) = (self.stack.pop()?, self.stack.pop()?);
        let (Some(module), Some(name)) = (self.stack.values.str(module), self.stack.values.str(name)) else {
            return Err(damaged("the pickle imports something that is not named by text"));
        };
        let global = Global::find(module, name)?;
        self.stack.push(Value::Global(global))
    }

    /// A call, which is recorded instead of made.
    fn reduce(&mut self) -> Result<()> {
        let (arguments, callable) = (self.stack.pop()?, self.stack.pop()?);
        let mut class = self.class(callable)?;
        let items = self
            .stack
            .values
            .tuple(arguments)
            .ok_or_else(|| damaged("the pickle calls without a tuple of arguments"))?;
        if class == Global::Reconstruct {
            // `_reconstructor(class, base, state)` is what `class.__new__` is in newer protocols.
            let built =
                *items.first().ok_or_else(|| damaged("the pickle constructs an object without a class"))?;
            class = self.class(built)?;
        }
        self.stack.push(Value::Object(Box::new(Object { class, arguments, state: None })))
    }

    /// `class.__new__(class, *arguments)`, recorded instead of called.
    fn new_object(&mut self) -> Result<()> {
        let (arguments, class) = (self.stack.pop()?, self.stack.pop()?);
        let class = self.class(class)?;
        if self.stack.values.tuple(arguments).is_none() {
            return Err(damaged("the pickle constructs without a tuple of arguments"));
        }
        self.stack.push(Value::Object(Box::new(Object { class, arguments, state: None })))
    }

    fn class(&self, id: Id) -> Result<Global> {
        match self.stack.values.get(id) {
            Value::Global(global) => Ok(*global),
            _ => Err(damaged("the pickle calls something that is not a Python name")),
        }
    }

    fn build(&mut self) -> Result<()> {
        let state = self.stack.pop()?;
        let target = self.stack.top()?;
        match self.stack.values.get_mut(target) {
            Value::Object(object) if object.state.is_none() => object.state = Some(state),
            Value::Object(_) => return Err(damaged("the pickle sets the state of an object twice")),
            _ => return Err(damaged("the pickle sets the state of something that is not an object")),
        }
        Ok(())
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(damaged("a dictionary of the pickle has a key without a value"));
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

fn decimal<'a>(digits: &str) -> Result<Value<'a>> {
    let plain = digits.strip_prefix('-').unwrap_or(digits);
    if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(damaged("a number of the pickle is damaged"));
    }
    Ok(digits.parse().map_or(Value::BigInt, Value::Int))
}

fn unsupported(opcode: u8) -> Error {
    let reason = match opcode {
        b'P' | b'Q' => "the pickle refers to objects outside the file",
        0x82..=0x84 => "the pickle uses Python's extension registry",
        0x97 | 0x98 => "the pickle refers to buffers outside the file",
        b'S' | b'T' | b'U' | b'i' | b'o' => "the pickle was written by Python 2",
        _ => return damaged("the file is not a pickle, or it is damaged").with_context("opcode", opcode),
    };
    Error::new(ErrorKind::UnsupportedModel, reason)
}
