//! Tables and the errors about them, and predictions next to those that Python made.

mod recorded;
mod tables;
