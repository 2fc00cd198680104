//! Tests of tables and their errors, and of predictions against Python's.

mod facts;
mod published;
mod recorded;
mod tables;
