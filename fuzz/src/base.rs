//! Errors, and foreign text in them.

#[path = "../../host/src/base/error.rs"]
pub mod error;
#[path = "../../host/src/base/text.rs"]
pub mod text;
