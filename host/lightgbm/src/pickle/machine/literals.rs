//! Instructions that push numbers, text and bytes.

use super::Machine;
use crate::error::damaged;
use crate::pickle::opcode::{
    BINBYTES, BINBYTES8, BINFLOAT, BININT, BININT1, BININT2, BINUNICODE, BINUNICODE8, BYTEARRAY8, FLOAT, INT,
    LONG, LONG1, LONG4, NEWFALSE, NEWTRUE, NONE, SHORT_BINBYTES, SHORT_BINUNICODE, UNICODE,
};
use crate::pickle::value::Value;
use hydra_base::Result;

impl Machine<'_> {
    /// Pushes `None`, a boolean or a number.
    pub(super) fn number(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            NONE => Value::None,
            NEWTRUE => Value::Bool(true),
            NEWFALSE => Value::Bool(false),
            INT => match self.source.line()? {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                digits => decimal(digits)?,
            },
            LONG => {
                let line = self.source.line()?;
                decimal(line.strip_suffix('L').unwrap_or(line))?
            }
            BININT => Value::Int(i64::from(self.source.number(4)? as u32 as i32)),
            BININT1 => Value::Int(self.source.number(1)? as i64),
            BININT2 => Value::Int(self.source.number(2)? as i64),
            LONG1 => self.long(1)?,
            LONG4 => self.long(4)?,
            FLOAT => {
                let line = self.source.line()?;
                Value::Float(line.parse().map_err(|_| damaged("a number of the pickle is damaged"))?)
            }
            BINFLOAT => {
                let bits = self.source.take(8)?.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                Value::Float(f64::from_bits(bits))
            }
            opcode => return self.text(opcode),
        };
        self.stack.push(value)
    }

    /// Pushes text or bytes.
    fn text(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            UNICODE => Value::Str(self.source.escaped_line()?),
            SHORT_BINUNICODE => Value::Str(self.source.text(1)?.into()),
            BINUNICODE => Value::Str(self.source.text(4)?.into()),
            BINUNICODE8 => Value::Str(self.source.text(8)?.into()),
            SHORT_BINBYTES => Value::Bytes(self.source.counted(1)?),
            BINBYTES => Value::Bytes(self.source.counted(4)?),
            BINBYTES8 | BYTEARRAY8 => Value::Bytes(self.source.counted(8)?),
            opcode => return self.container(opcode),
        };
        self.stack.push(value)
    }

    /// A little-endian number in two's complement, preceded by its length.
    fn long<'v>(&mut self, width: usize) -> Result<Value<'v>> {
        let bytes = self.source.counted(width)?;
        Ok(if bytes.is_empty() {
            Value::Int(0)
        } else if bytes.len() > 8 {
            Value::BigInt
        } else {
            let bits = bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            let unused = 64 - 8 * bytes.len() as u32;
            Value::Int((bits << unused) as i64 >> unused)
        })
    }
}

fn decimal<'a>(digits: &str) -> Result<Value<'a>> {
    let plain = digits.strip_prefix('-').unwrap_or(digits);
    if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(damaged("a number of the pickle is damaged"));
    }
    Ok(digits.parse().map_or(Value::BigInt, Value::Int))
}
