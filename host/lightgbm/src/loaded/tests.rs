//! Tables and the errors about them.

mod tables;
