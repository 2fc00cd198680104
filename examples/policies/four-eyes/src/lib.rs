//! A promotion needs the approval of somebody other than the one who asks for it.

mod rules;

#[path = "../../common/mod.rs"]
mod common;

use common::contract;
