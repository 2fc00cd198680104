//! A promotion takes two steps: first challenger, then champion.

mod rules;

#[path = "../../common/mod.rs"]
mod common;

use common::contract;
