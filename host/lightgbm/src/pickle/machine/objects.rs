//! Instructions that use the memo, and those that name, create and call Python objects. They record these operations
//! instead of executing them.

use super::{Machine, unsupported};
use crate::error::damaged;
use crate::pickle::globals::Global;
use crate::pickle::opcode::{
    BINGET, BINPUT, BUILD, GET, GLOBAL, LONG_BINGET, LONG_BINPUT, MEMOIZE, NEWOBJ, NEWOBJ_EX, PUT, REDUCE,
    STACK_GLOBAL,
};
use crate::pickle::value::{Id, Object, Value};
use hydra_base::Result;

impl Machine<'_> {
    /// Stores the top of the stack in the memo, or pushes a value from the memo.
    pub(super) fn memo(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            PUT | BINPUT | LONG_BINPUT => {
                let index = self.memo_index(opcode)?;
                self.stack.memorize(index)
            }
            MEMOIZE => self.stack.memorize(self.stack.next_memo()),
            GET | BINGET | LONG_BINGET => {
                let index = self.memo_index(opcode)?;
                self.stack.recall(index)
            }
            opcode => self.object(opcode),
        }
    }

    fn memo_index(&mut self, opcode: u8) -> Result<u64> {
        match opcode {
            BINPUT | BINGET => self.source.number(1),
            LONG_BINPUT | LONG_BINGET => self.source.number(4),
            _ => self.source.line()?.parse().map_err(|_| damaged("a memo index is damaged")),
        }
    }

    /// Names, creates or calls a Python object. This is the last group, so it rejects any other instruction.
    fn object(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            GLOBAL => {
                let (module, name) = (self.source.line()?, self.source.line()?);
                let global = self.foreign.known_or_noted(module, name, self.at)?;
                self.stack.push(Value::Global(global))
            }
            STACK_GLOBAL => self.stack_global(),
            REDUCE => self.reduce(),
            NEWOBJ => self.new_object(),
            NEWOBJ_EX => {
                // Keyword arguments contain nothing that a model needs.
                self.stack.pop()?;
                self.new_object()
            }
            BUILD => self.build(),
            opcode => Err(unsupported(opcode)),
        }
    }

    fn stack_global(&mut self) -> Result<()> {
        let (name, module) = (self.stack.pop()?, self.stack.pop()?);
        let (Some(module), Some(name)) = (self.stack.values.str(module), self.stack.values.str(name)) else {
            return Err(damaged("the pickle imports something that is not named by text"));
        };
        let global = self.foreign.known_or_noted(module, name, self.at)?;
        self.stack.push(Value::Global(global))
    }

    /// A call, which is recorded instead of executed.
    fn reduce(&mut self) -> Result<()> {
        let (arguments, callable) = (self.stack.pop()?, self.stack.pop()?);
        let mut class = self.class(callable)?;
        let items = self
            .stack
            .values
            .tuple(arguments)
            .ok_or_else(|| damaged("the pickle calls without a tuple of arguments"))?;
        if class == Global::Reconstruct {
            // `_reconstructor(class, base, state)` is the counterpart of `class.__new__` in older protocols.
            let built =
                *items.first().ok_or_else(|| damaged("the pickle constructs an object without a class"))?;
            class = self.class(built)?;
        }
        self.stack.push(Value::Object(Box::new(Object { class, arguments, state: None })))
    }

    /// `class.__new__(class, *arguments)`, which is recorded instead of called.
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
