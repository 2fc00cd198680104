//! Keeps the text of a panic. A policy has no output, so the text stays in its memory: `policy run`, `policy test` and
//! `policy what-if` read it there after the trap. Decisions do not read it.

use std::fmt::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

/// The most bytes of a text that are kept.
const BYTES: usize = 1_000;

/// Where the host finds the text: it looks for the marker at multiples of 16. The bytes 0xff are never part of UTF-8, so no
/// evidence contains the marker.
#[repr(C, align(16))]
struct Kept {
    marker: [u8; 16],
    /// The number of bytes of the text.
    length: AtomicU32,
    text: [AtomicU8; BYTES],
}

/// Atomic, because this needs no `unsafe`; a guest has a single thread. `used` keeps stores that the guest never reads.
#[used]
static KEPT: Kept = Kept {
    marker: *b"\xffhydra:panic:1\xff\xff",
    length: AtomicU32::new(0),
    text: [const { AtomicU8::new(0) }; BYTES],
};

/// Keeps the text of the next panic. Call it first in every exported function: each decision has a new instance.
pub fn keep() {
    panic::set_hook(Box::new(|info| {
        let mut writer = Writer(0);
        // An error means that the text does not fit; its beginning is kept.
        write!(writer, "{info}").ok();
        KEPT.length.store(writer.0, Relaxed);
    }));
}

/// Writes behind the given number of bytes.
struct Writer(u32);

impl Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let place =
                usize::try_from(self.0).ok().and_then(|place| KEPT.text.get(place)).ok_or(fmt::Error)?;
            place.store(byte, Relaxed);
            self.0 += 1;
        }
        Ok(())
    }
}
