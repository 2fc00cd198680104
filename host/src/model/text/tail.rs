//! What follows the trees.
use super::lines::Lines;
use crate::Result;
use serde_json::Value;
pub(super) fn read(_lines: &mut Lines<'_>) -> Result<Option<Vec<Vec<Value>>>> {
    todo!()
}
