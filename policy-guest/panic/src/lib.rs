//! Keeps the text of a panic where the commands for authors of policies find it.

mod panic_text;

pub use panic_text::keep;
