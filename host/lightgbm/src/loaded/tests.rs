//! Python's answers, on every file that Python wrote.

mod mutations;
mod parity;
mod tables;
