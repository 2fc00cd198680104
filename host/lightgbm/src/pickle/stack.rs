//! The stack, the memo and the values of the machine, all within one limit.

use super::value::{Id, Value, Values};
use crate::error::{damaged, raised_by};
use hydra_base::{Error, Result};

/// Stores the values of a pickle.
pub(super) struct Stack<'a> {
    pub(super) values: Values<'a>,
    entries: Vec<Id>,
    /// Heights of the stack at open marks.
    marks: Vec<usize>,
    /// By index. Writers count from zero, so gaps are short.
    memo: Vec<Option<Id>>,
    /// The number of values in the memo, without gaps.
    memorized: u64,
    /// The limit of values, stack entries, marks and memo entries.
    limit: usize,
}

impl<'a> Stack<'a> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            values: Values::default(),
            entries: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            memorized: 0,
            limit,
        }
    }

    /// Whether neither values nor marks are left.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.marks.is_empty()
    }

    /// The index that the next MEMOIZE uses.
    pub(super) fn next_memo(&self) -> u64 {
        self.memorized
    }

    pub(super) fn push(&mut self, value: Value<'a>) -> Result<()> {
        if self.values.len() >= self.limit {
            return Err(self.too_many_values());
        }
        let id = self.values.add(value);
        self.push_id(id)
    }

    pub(super) fn push_id(&mut self, id: Id) -> Result<()> {
        if self.entries.len() >= self.limit {
            return Err(self.too_many_values());
        }
        self.entries.push(id);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        let id = self.top()?;
        self.entries.pop();
        Ok(id)
    }

    /// The topmost value, which must be above the last mark.
    pub(super) fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.entries.last() {
            Some(id) if self.entries.len() > floor => Ok(*id),
            _ => Err(damaged("the pickle pops from an empty stack")),
        }
    }

    pub(super) fn mark(&mut self) -> Result<()> {
        if self.marks.len() >= self.limit {
            return Err(self.too_many_values());
        }
        self.marks.push(self.entries.len());
        Ok(())
    }

    pub(super) fn pop_or_unmark(&mut self) -> Result<()> {
        // Python also writes POP to remove a mark.
        if self.marks.last() == Some(&self.entries.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        let height = self.marks.pop().ok_or_else(|| damaged("the pickle lacks a mark"))?;
        Ok(self.entries.split_off(height))
    }

    pub(super) fn memorize(&mut self, index: u64) -> Result<()> {
        let top = self.top()?;
        let place = usize::try_from(index).ok().filter(|place| *place < self.limit);
        let place = place.ok_or_else(|| self.too_many_values())?;
        if place >= self.memo.len() {
            self.memo.resize(place + 1, None);
        }
        if self.memo[place].replace(top).is_none() {
            self.memorized += 1;
        }
        Ok(())
    }

    pub(super) fn recall(&mut self, index: u64) -> Result<()> {
        let place = usize::try_from(index).ok().and_then(|place| self.memo.get(place).copied().flatten());
        let id = place.ok_or_else(|| {
            damaged("the pickle reads a memo entry that does not exist").with_context("index", index)
        })?;
        self.push_id(id)
    }

    fn too_many_values(&self) -> Error {
        damaged("the pickle has too many values")
            .with_context("limit", self.limit)
            .with_hint(raised_by("pickle-values"))
    }
}
