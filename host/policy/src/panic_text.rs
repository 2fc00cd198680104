//! The text of a panic, which a guest leaves in its memory, for the commands that help authors of policies.
//!
//! `policy-guest/panic` writes it: a marker at a multiple of 16, the number of bytes, the bytes. A guest can write there what it
//! likes, so the text is only shown, on one line and cut.

use wasmtime::{Error, Store, WasmCoreDump};

use super::sandbox::Limits;
use super::text::one_line;
use hydra_base::text::excerpt;

/// What precedes the text. It is not UTF-8, so evidence cannot contain it.
const MARKER: &[u8; 16] = b"\xffhydra:panic:1\xff\xff";

/// The most characters that are shown.
const CHARS: usize = 1_000;

/// How many bytes of memory are searched, together: static data comes first in a memory.
const SEARCHED: usize = 64 << 20;

/// The text that the guest left, if `error` is a trap with a core dump.
pub(super) fn find(error: &Error, store: &Store<Limits>) -> Option<String> {
    let mut left = SEARCHED;
    error.downcast_ref::<WasmCoreDump>()?.memories().iter().find_map(|memory| {
        let memory = memory.data(store);
        let searched = &memory[..memory.len().min(left)];
        left -= searched.len();
        text_in(searched)
    })
}

/// The same error without the core dump, whose text lists every module of the guest.
pub(super) fn without_dump(error: Error) -> Error {
    let Some(dump) = error.downcast_ref::<WasmCoreDump>().map(ToString::to_string) else { return error };
    let causes = error.chain().map(ToString::to_string).filter(|cause| *cause != dump);
    let mut causes = causes.collect::<Vec<_>>().into_iter().rev();
    match causes.next() {
        Some(root) => causes.fold(Error::msg(root), Error::context),
        None => error,
    }
}

/// The first text that is not empty.
fn text_in(memory: &[u8]) -> Option<String> {
    let marked = memory.chunks_exact(MARKER.len()).enumerate().filter(|(_, bytes)| bytes == MARKER);
    let mut texts = marked.filter_map(|(index, _)| {
        let (length, rest) = memory[(index + 1) * MARKER.len()..].split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let text = rest.get(..length).unwrap_or(rest);
        // A character has at most four bytes.
        let text = one_line(&String::from_utf8_lossy(&text[..text.len().min(4 * (CHARS + 1))]));
        Some(excerpt(text.trim(), CHARS)).filter(|text| !text.is_empty())
    });
    texts.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(before: usize, length: u32, text: &[u8]) -> Vec<u8> {
        [&vec![0; before], &MARKER[..], &length.to_le_bytes(), text].concat()
    }

    #[test]
    fn a_text_ends_where_its_length_or_the_memory_says() {
        assert_eq!(text_in(&memory(32, 2, b"no more")).as_deref(), Some("no"));
        assert_eq!(text_in(&memory(32, 3, b"no")).as_deref(), Some("no"));
        assert_eq!(text_in(&memory(32, u32::MAX, &vec![b'x'; 5_000])), Some("x".repeat(CHARS) + "…"));
        assert_eq!(text_in(&memory(0, 0, b"")), None);
        assert_eq!(text_in(&memory(0, 9, b"")), None);
        assert_eq!(text_in(&memory(3, 2, b"no")), None, "not at a multiple of 16");
        assert_eq!(text_in(MARKER), None);
        assert_eq!(text_in(&memory(16, 0, b"")[..35]), None, "the memory ends within the length");
        assert_eq!(text_in(&[]), None);
    }

    #[test]
    fn a_text_is_one_printable_line() {
        let text = "at rules.rs:3:\n  \u{1b}[2Jok\u{202e}".as_bytes();
        let found = text_in(&memory(0, u32::MAX, text)).unwrap();
        assert_eq!(found, "at rules.rs:3:   \u{fffd}[2Jok\u{fffd}");
        assert_eq!(text_in(&memory(0, 3, b"a\xff\xfe")).as_deref(), Some("a\u{fffd}\u{fffd}"));
        let second = [memory(0, 0, &[0; 12]), memory(0, 2, b"no")].concat();
        assert_eq!(text_in(&second).as_deref(), Some("no"), "the first one is empty");
    }
}
