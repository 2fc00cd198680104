//! No promotion during given times of the week or on given dates.

mod rules;

#[path = "../../common/mod.rs"]
mod common;

use common::contract;
