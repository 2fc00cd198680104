//! The textual form of keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A block between `-----BEGIN LABEL-----` and `-----END LABEL-----`.
#[derive(PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) bytes: Vec<u8>,
}

/// The blocks of a text. Text around them is ignored, as `openssl` does; a block that does not end, or that is not base64, is
/// left out.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines().map(str::trim) {
        if let Some(label) = marked(line, "BEGIN") {
            open = Some((label.to_owned(), String::new()));
        } else if let Some(label) = marked(line, "END") {
            let closed = open.take().filter(|(begun, _)| begun == label);
            let block = closed
                .and_then(|(label, body)| STANDARD.decode(body).ok().map(|bytes| Block { label, bytes }));
            found.extend(block);
        } else if let Some((_, body)) = &mut open {
            body.push_str(line);
        }
    }
    found
}

/// A block, in lines of 64 characters.
pub(crate) fn encode(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, c) in STANDARD.encode(bytes).chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    text + &format!("\n-----END {label}-----\n")
}

/// Whether the text has the form of PEM: it is then not taken for a path.
pub(crate) fn is_pem(text: &str) -> bool {
    text.lines().any(|line| marked(line.trim(), "BEGIN").is_some())
}

fn marked<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?.strip_suffix("-----")?.strip_prefix(word)?.strip_prefix(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_other_text() {
        let text = "a key\r\n-----BEGIN A-----\r\nAQI\n D\n-----END A-----\n-----BEGIN B-----\n!\n-----END B-----\n-----BEGIN C-----\nAA==\n";
        let found: Vec<_> = blocks(text).into_iter().map(|block| (block.label, block.bytes)).collect();
        assert_eq!(found, [("A".to_owned(), vec![1, 2, 3])]);
        assert!(is_pem(text) && !is_pem("keys/release.pub"));
    }
}
