//! Tells webhooks what the ledger of a model recorded.
//!
//! A receiver has a cursor, which hosts share: the number of the newest entry that it knows. It is a tag of the registered model
//! that holds the ledger's entries. [`Notifier::deliver`] sends what is above it, oldest first, and moves it on. A command that is
//! killed before that leaves the events to the next one, so a receiver gets every event at least once, and knows repeated ones by
//! their ids. A decision never waits for a receiver and never fails because of one.

mod backlog;
mod body;
mod cursor;
mod event;
mod notifier;
mod receiver;
mod sending;

pub use event::{Event, EventKind};
pub use notifier::{Delivered, Notifier};
pub use receiver::{Receiver, Template, without_secrets};
