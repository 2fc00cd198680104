//! The integration tests, in one binary to link only once.

mod allocations;
mod cli;
mod compiler;
mod conformance;
mod evaluate;
mod hostile;
mod ledger;
mod local_stores;
mod look;
mod notify;
mod object_store;
mod predict;
mod preflight;
mod python_client;
mod rest;
mod scale;
mod seed;
mod selection;
mod serving;
mod support;
mod trust;
