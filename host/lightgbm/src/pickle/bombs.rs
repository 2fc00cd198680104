//! Hand-made malicious pickles, for the tests and for the bench `reader`, which measures their cost.

/// Builds a pickle.
pub type MakeBomb = fn() -> Vec<u8>;

/// Small pickles that would cost much time or memory if the reader trusted them.
pub const BOMBS: [(&str, MakeBomb); 11] = [
    // Each level is a tuple with two references to the level below: 2^60 elements if they were expanded.
    ("doubling", || pickle(&[b"N".to_vec(), b"2\x86".repeat(60)].concat())),
    ("nested lists", || pickle(&b"]".repeat(3_000_000))),
    ("nested tuples", || pickle(&[b"N".to_vec(), b"\x85".repeat(3_000_000)].concat())),
    ("dictionaries", || pickle(&b"}NNs".repeat(600_000))),
    ("marks", || pickle(&b"(".repeat(3_000_000))),
    ("calls", || {
        pickle(&[global("builtins", "list"), b"\x94".to_vec(), b")h\x00)R0".repeat(600_000)].concat())
    }),
    ("memo", || {
        let entry = |index: u32| [b"Nr".as_slice(), &index.to_le_bytes(), b"0"].concat();
        pickle(&(0..600_000).flat_map(entry).collect::<Vec<u8>>())
    }),
    ("pops", || pickle(&b"N0".repeat(3_000_000))),
    ("recalls", || pickle(&[b"]\x94".to_vec(), b"(h\x00h\x00h\x00h\x00e".repeat(400_000)].concat())),
    ("digits", || pickle(&[b"L".to_vec(), b"9".repeat(3_000_000), b"\n".to_vec()].concat())),
    ("a frame of 10^9 bytes", || pickle(b"\x95\x00\xca\x9a\x3b\x00\x00\x00\x00N")),
];

/// A pickle of protocol 4 with these instructions.
#[must_use]
pub fn pickle(body: &[u8]) -> Vec<u8> {
    [b"\x80\x04", body, b"."].concat()
}

/// A short string, as protocol 4 writes it.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    [&[0x8c, text.len() as u8], text.as_bytes()].concat()
}

/// `module.name`, as protocol 4 writes it.
#[must_use]
pub fn global(module: &str, name: &str) -> Vec<u8> {
    [text(module), text(name), vec![0x93]].concat()
}
