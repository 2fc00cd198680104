//! What separates the columns of CSV, as an argument and as a note.

use hydra_base::{Error, ErrorKind, Result};

/// Reads the argument: one character of ASCII, `tab` or `\t`.
pub(crate) fn delimiter(text: &str) -> Result<u8> {
    match text.as_bytes() {
        b"tab" | b"\\t" | b"\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Ok(*byte),
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the delimiter is not one character of ASCII: `{text}`"),
        )
        .with_hint("write a character such as `;`, or `tab`")),
    }
}

/// Tells that the header decided.
pub(crate) fn delimiter_note(delimiter: u8) -> String {
    let (shown, argument) = match delimiter {
        b'\t' => ("a tab".to_owned(), "tab".to_owned()),
        other => (format!("`{}`", char::from(other)), format!("'{}'", char::from(other))),
    };
    format!("the columns are separated by {shown}, as the header shows; --delimiter {argument} says so")
}
