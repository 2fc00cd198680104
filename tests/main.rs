//! The integration tests: one binary, so that it links once.

mod cli;
mod conformance;
mod python_client;
mod rest;
mod scale;
mod seed;
mod support;
