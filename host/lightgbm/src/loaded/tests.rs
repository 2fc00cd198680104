//! Tests of tables and their errors, and of predictions against Python's.

mod recorded;
mod tables;
