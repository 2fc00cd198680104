//! A promotion needs the approval of a person other than the requester.

mod rules;

#[path = "../../common/mod.rs"]
mod common;

use common::contract;
