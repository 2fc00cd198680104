//! Tables and the errors about them, and predictions next to those that Python made.

mod facts;
mod recorded;
mod tables;
