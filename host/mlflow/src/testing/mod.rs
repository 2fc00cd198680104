//! What tests of stores and of their callers need: a server of scripted answers, and a registry that fails on request.

pub mod fault_server;
pub mod remote;
