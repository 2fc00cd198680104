//! The header of a model: the lines before the first tree.

use super::Limits;
use super::lines::Lines;
use crate::Result;
use crate::model::objective::Objective;

/// What the header says.
pub(super) struct Header {
    pub num_class: usize,
    pub label_index: i32,
    pub objective: Option<Objective>,
    pub objective_text: Option<String>,
    pub average_output: bool,
    pub feature_names: Vec<String>,
    pub monotone_constraints: Vec<i8>,
    pub feature_infos: Vec<String>,
}

pub(super) fn read(_lines: &mut Lines<'_>, _limits: &Limits) -> Result<Header> {
    todo!()
}
