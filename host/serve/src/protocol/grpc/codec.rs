//! Messages of a bounded number of parts.
//!
//! A part of two bytes, such as an empty tensor, takes hundreds of bytes when it is decoded, an empty text 32, and a number of one byte
//! eight. So these are counted before. Messages are not accepted compressed, because tonic does not limit their size after
//! decompression.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// The most parts of a message, such as tensors: more than three for each column that a request may have.
const MOST_PARTS: usize = 65_536;

/// The most parts of all tensors and outputs, such as names and parameters. Each byte of a shape counts as one.
const MOST_INNER_PARTS: usize = 1 << 18;

/// The most texts of all tensors.
const MOST_TEXTS: usize = 1 << 22;

/// The most numbers of all tensors that need not have their size on the wire. Each of their bytes counts as one.
const MOST_NUMBERS: usize = 1 << 25;

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
        if Parts::of(message.chunk()).are_too_many() {
            return Err(Status::resource_exhausted("the message has too many parts"));
        }
        self.0.decode(message)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// What a message has. Counting ends at what is damaged, which decoding reports, and at what is too much.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    outer: usize,
    inner: usize,
    texts: usize,
    numbers: usize,
}

/// A part of a message.
struct Part<'m> {
    field: u64,
    /// What is in it, if that has a length.
    content: Option<&'m [u8]>,
    rest: &'m [u8],
}

impl Parts {
    /// Those of a `ModelInferRequest`. Other messages have no parts in parts.
    fn of(message: &[u8]) -> Self {
        let mut parts = Self::default();
        parts.count(message, |parts, part| {
            parts.outer += 1;
            // Inputs and outputs.
            if let (5 | 6, Some(content)) = (part.field, part.content) {
                parts.count(content, Self::count_inner);
            }
        });
        parts
    }

    fn count_inner(&mut self, part: &Part<'_>) {
        self.inner += 1;
        match (part.field, part.content) {
            (3, Some(shape)) => self.inner += shape.len(),
            (5, Some(contents)) => self.count(contents, |parts, part| match (part.field, part.content) {
                (8, Some(_)) => parts.texts += 1,
                (1..=5, Some(numbers)) => parts.numbers += numbers.len(),
                (_, None) => parts.numbers += 1,
                _ => {}
            }),
            _ => {}
        }
    }

    fn count(&mut self, mut message: &[u8], mut see: impl FnMut(&mut Self, &Part<'_>)) {
        while let Some(part) = Part::first(message) {
            see(self, &part);
            if self.are_too_many() {
                return;
            }
            message = part.rest;
        }
    }

    fn are_too_many(&self) -> bool {
        self.outer > MOST_PARTS
            || self.inner > MOST_INNER_PARTS
            || self.texts > MOST_TEXTS
            || self.numbers > MOST_NUMBERS
    }
}

impl<'m> Part<'m> {
    /// The part at the start of a message, if that is whole.
    fn first(message: &'m [u8]) -> Option<Self> {
        let (key, rest) = varint(message)?;
        let (content, rest) = match key & 7 {
            0 => (None, varint(rest)?.1),
            1 => (None, rest.get(8..)?),
            2 => {
                let (length, rest) = varint(rest)?;
                let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Some(content), rest)
            }
            // Where a group begins and ends. Decoders skip groups, and continue after them.
            3 | 4 => (None, rest),
            5 => (None, rest.get(4..)?),
            _ => return None,
        };
        Some(Self { field: key >> 3, content, rest })
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

    /// A part of a field with this content.
    fn part(field: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![field << 3 | 2];
        prost::encode_length_delimiter(content.len(), &mut bytes).unwrap();
        bytes.extend_from_slice(content);
        bytes
    }

    #[test]
    fn parts_are_counted_as_they_are_encoded() {
        let count = |message: &[u8]| Parts::of(message).outer;
        // A number, a text, a double, a float; then a text that is not whole.
        let message = [0x08, 0xac, 0x02, 0x12, 2, b'a', b'b', 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x25, 0, 0, 0, 0];
        assert_eq!(count(&message), 4);
        assert_eq!(count(&[&message[..], &[0x12, 200, 1]].concat()), 4);
        for damaged in
            [&[][..], &[0x80; 12], &[0x0f], &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]]
        {
            assert_eq!(count(damaged), 0, "{damaged:?}");
        }
        // What follows a group of an unknown field is decoded, and counted.
        assert_eq!(count(&[&[0xa3, 6, 0xa4, 6][..], &message].concat()), 6);
        let too_many = |message: &[u8]| Parts::of(message).are_too_many();
        assert!(!too_many(&[0x2a, 0].repeat(MOST_PARTS)));
        assert!(too_many(&[0x2a, 0].repeat(MOST_PARTS + 1)));
    }

    #[test]
    fn parts_of_tensors_are_counted() {
        let tensor = |contents: &[u8]| part(5, &[part(3, &[2, 5]), part(5, contents)].concat());
        let message = [
            part(1, b"m"),
            tensor(&[part(8, b"a"), part(8, b""), part(3, &[1, 2, 3]), vec![0x18, 7]].concat()),
            part(6, &part(1, b"predict")),
        ];
        let parts = Parts::of(&message.concat());
        assert_eq!(parts, Parts { outer: 3, inner: 5, texts: 2, numbers: 4 });
        for (many, least) in [
            (tensor(&[0x42, 0].repeat(MOST_TEXTS)), true),
            (tensor(&[0x42, 0].repeat(MOST_TEXTS + 1)), false),
            (tensor(&part(3, &vec![1; MOST_NUMBERS + 1])), false),
            (tensor(&part(6, &vec![1; MOST_NUMBERS + 1])), true),
            (part(5, &part(3, &vec![1; MOST_INNER_PARTS])), false),
            (part(5, &[0x22, 0].repeat(MOST_INNER_PARTS + 1)), false),
            (part(6, &[0x12, 0].repeat(MOST_INNER_PARTS + 1)), false),
        ] {
            assert_eq!(!Parts::of(&many).are_too_many(), least, "{} bytes", many.len());
        }
    }
}
