//! The inert values that this reader creates.

use std::borrow::Cow;

use super::globals::Global;

/// The index of a value in [`Values`]. Values refer to each other by index, so cycles and shared parts cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(u32);

/// The kinds of values in a pickle.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, which models do not use.
    BigInt,
    Float(f64),
    Str(Cow<'a, str>),
    Bytes(&'a [u8]),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Pairs in their original order; a later pair replaces an earlier one with the same key.
    Dict(Vec<(Id, Id)>),
    /// A set, whose elements models do not use.
    Set,
    Global(Global),
    Object(Box<Object>),
}

/// A recorded call or construction.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) class: Global,
    /// A tuple.
    pub(super) arguments: Id,
    pub(super) state: Option<Id>,
}

/// All values of one pickle.
#[derive(Debug, Default)]
pub(super) struct Values<'a>(Vec<Value<'a>>);

impl<'a> Values<'a> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a value. The caller keeps the number far below 2^32.
    pub(super) fn add(&mut self, value: Value<'a>) -> Id {
        let id = Id(self.0.len() as u32);
        self.0.push(value);
        id
    }

    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        &self.0[id.0 as usize]
    }

    pub(super) fn get_mut(&mut self, id: Id) -> &mut Value<'a> {
        &mut self.0[id.0 as usize]
    }

    pub(super) fn str(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Value::Int(number) => Some(*number),
            Value::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn object(&self, id: Id) -> Option<&Object> {
        match self.get(id) {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }
}
