//! A candidate must have existed for some time before it may become champion.

mod rules;

#[path = "../../common/mod.rs"]
mod common;

use common::contract;
