//! Instructions that create and fill tuples, lists, dictionaries and sets.

use super::Machine;
use crate::error::damaged;
use crate::pickle::globals::Global;
use crate::pickle::opcode::{
    ADDITEMS, APPEND, APPENDS, DICT, EMPTY_DICT, EMPTY_LIST, EMPTY_SET, EMPTY_TUPLE, FROZENSET, LIST,
    SETITEM, SETITEMS, TUPLE, TUPLE1, TUPLE2, TUPLE3,
};
use crate::pickle::value::{Id, Value};
use hydra_base::Result;

impl Machine<'_> {
    /// Creates or fills a container.
    pub(super) fn container(&mut self, opcode: u8) -> Result<()> {
        let made = match opcode {
            EMPTY_TUPLE => Value::Tuple(Vec::new()),
            TUPLE => Value::Tuple(self.stack.pop_to_mark()?),
            TUPLE1 => self.tuple(1)?,
            TUPLE2 => self.tuple(2)?,
            TUPLE3 => self.tuple(3)?,
            EMPTY_LIST => Value::List(Vec::new()),
            LIST => Value::List(self.stack.pop_to_mark()?),
            EMPTY_DICT => Value::Dict(Vec::new()),
            DICT => Value::Dict(pairs(&self.stack.pop_to_mark()?)?),
            EMPTY_SET => Value::Set,
            FROZENSET => {
                self.stack.pop_to_mark()?;
                Value::Set
            }
            opcode => return self.fill(opcode),
        };
        self.stack.push(made)
    }

    /// Fills the container below the top of the stack.
    fn fill(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            APPEND => {
                let item = self.stack.pop()?;
                self.append(vec![item])
            }
            APPENDS => {
                let items = self.stack.pop_to_mark()?;
                self.append(items)
            }
            SETITEM => {
                let value = self.stack.pop()?;
                let key = self.stack.pop()?;
                self.set_items(vec![(key, value)])
            }
            SETITEMS => {
                let items = pairs(&self.stack.pop_to_mark()?)?;
                self.set_items(items)
            }
            ADDITEMS => {
                self.stack.pop_to_mark()?;
                let set = self.stack.top()?;
                match self.stack.values.get(set) {
                    Value::Set => Ok(()),
                    _ => Err(damaged("the pickle adds to something that is not a set")),
                }
            }
            opcode => self.memo(opcode),
        }
    }

    fn tuple<'v>(&mut self, count: usize) -> Result<Value<'v>> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.stack.pop()?);
        }
        items.reverse();
        Ok(Value::Tuple(items))
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
            // An `OrderedDict` or a `defaultdict`: evaluation records, which predictions do not need.
            Value::Object(object) if object.class == Global::Ignored => {}
            _ => return Err(damaged("the pickle sets items of something that is not a dictionary")),
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
