//! Support for tests of stores and of their callers: the conformance suite, a server with scripted answers, and a
//! registry that fails on request.

#![expect(clippy::missing_panics_doc, reason = "a test that panics has failed")]

pub mod conformance;
pub mod fault_server;
pub mod remote;
