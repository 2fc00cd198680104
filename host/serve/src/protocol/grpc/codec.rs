//! Messages of a bounded number of parts.
//!
//! A part of two bytes, such as an empty tensor, takes hundreds of bytes when it is decoded. So the parts are counted before. Messages
//! are not accepted compressed, because tonic does not limit their size after decompression.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// The most parts of a message: more than three for each column that a request may have.
const MOST_PARTS: usize = 65_536;

/// Prost's codec with a limit on the parts of messages.
#[derive(Debug)]
pub(super) struct LimitedCodec<T, U> {
    types: PhantomData<(T, U)>,
}

/// Decodes messages of at most [`MOST_PARTS`] parts.
#[derive(Debug)]
pub(super) struct LimitedDecoder<U>(ProstDecoder<U>);

impl<T, U> Default for LimitedCodec<T, U> {
    fn default() -> Self {
        Self { types: PhantomData }
    }
}

impl<T: Message + Send + 'static, U: Message + Default + Send + 'static> Codec for LimitedCodec<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = LimitedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        LimitedDecoder(ProstDecoder::default())
    }
}

impl<U: Message + Default> Decoder for LimitedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // tonic has the whole message in one piece.
        if has_too_many_parts(message.chunk()) {
            return Err(Status::resource_exhausted("the message has too many parts"));
        }
        self.0.decode(message)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// Whether a message has more parts than the limit. It ends at what is damaged, which decoding reports.
fn has_too_many_parts(mut message: &[u8]) -> bool {
    let mut parts = 0;
    while let Some(rest) = after_part(message) {
        parts += 1;
        if parts > MOST_PARTS {
            return true;
        }
        message = rest;
    }
    false
}

/// What follows the part at the start of a message, if that is whole.
fn after_part(message: &[u8]) -> Option<&[u8]> {
    let (key, rest) = varint(message)?;
    match key & 7 {
        0 => varint(rest).map(|(_, rest)| rest),
        1 => rest.get(8..),
        2 => {
            let (length, rest) = varint(rest)?;
            rest.get(usize::try_from(length).ok()?..)
        }
        5 => rest.get(4..),
        _ => None,
    }
}

/// The number at the start of some bytes, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take(10).position(|byte| *byte < 0x80)? + 1;
    let (digits, rest) = bytes.split_at_checked(length)?;
    let number = digits.iter().rev().fold(0_u64, |number, byte| number << 7 | u64::from(byte & 0x7f));
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_as_they_are_encoded() {
        let count =
            |message: &[u8]| std::iter::successors(after_part(message), |rest| after_part(rest)).count();
        // A number, a text, a double, a float; then a text that is not whole.
        let message = [0x08, 0xac, 0x02, 0x12, 2, b'a', b'b', 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x25, 0, 0, 0, 0];
        assert_eq!(count(&message), 4);
        assert_eq!(count(&[&message[..], &[0x12, 200, 1]].concat()), 4);
        for damaged in
            [&[][..], &[0x80; 12], &[0x0b], &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]]
        {
            assert_eq!(count(damaged), 0, "{damaged:?}");
        }
        assert!(!has_too_many_parts(&[0x2a, 0].repeat(MOST_PARTS)));
        assert!(has_too_many_parts(&[0x2a, 0].repeat(MOST_PARTS + 1)));
    }
}
