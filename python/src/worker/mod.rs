//! The process that opens SQLite databases in place of the interpreter's process.
//!
//! A frame is one line of JSON, then the bytes whose numbers it names.

mod client;
mod frame;
mod server;

pub use client::Client;
pub use frame::ToWorker;
pub use server::serve;
