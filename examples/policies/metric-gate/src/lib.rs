//! A candidate must beat the champion on one metric by a margin, and not fall behind on others.

mod rules;

#[path = "../../common/mod.rs"]
mod common;

use common::contract;
