//! The blocks of trees.
use super::{Limits, forest::Forest, header::Header, lines::Lines};
use crate::Result;
pub(super) fn read_all(_lines: &mut Lines<'_>, _header: &Header, _limits: &Limits) -> Result<Forest> {
    todo!()
}
