//! Compressed bodies and answers.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

use super::rows::{Cause, Refusal};

/// The shortest answer that is worth compressing, in bytes.
const SHORTEST: usize = 1_024;

/// A content encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    /// HTTP's `deflate`, which is zlib's format.
    Deflate,
}

impl Encoding {
    /// The encoding of a body, from its header `Content-Encoding`; `None` if it has none.
    pub(crate) fn of_body(header: Option<&str>) -> Result<Option<Self>, Refusal> {
        let name = header.unwrap_or_default().trim();
        if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        Self::named(name).map(Some).ok_or(Refusal::new(Cause::Encoding))
    }

    /// The encoding of an answer of this length, from the header `Accept-Encoding` of its request.
    pub(crate) fn of_answer(accepted: Option<&str>, length: usize) -> Option<Self> {
        if length < SHORTEST {
            return None;
        }
        let named = |part: &str| {
            let (name, quality) = part.split_once(';').unwrap_or((part, ""));
            let quality = quality.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f64>);
            Self::named(name.trim()).filter(|_| quality.is_ok_and(|quality| quality > 0.0))
        };
        accepted?.split(',').find_map(named)
    }

    /// The name in headers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// Decompresses a body of at most `most` bytes.
    pub(crate) fn decode(self, body: &[u8], most: usize) -> Result<Bytes, Refusal> {
        let limit = most.saturating_add(1) as u64;
        let mut plain = Vec::new();
        let read = match self {
            Self::Gzip => MultiGzDecoder::new(body).take(limit).read_to_end(&mut plain),
            Self::Deflate => ZlibDecoder::new(body).take(limit).read_to_end(&mut plain),
        };
        read.map_err(|error| Refusal::because(Cause::Compression, error))?;
        if plain.len() > most {
            return Err(Refusal::because(
                Cause::BodySize,
                format_args!("more than {most} bytes after decompression"),
            ));
        }
        Ok(plain.into())
    }

    /// Compresses an answer.
    pub(crate) fn encode(self, answer: &[u8]) -> Result<Bytes, Refusal> {
        let write = || match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(answer)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(answer)?;
                encoder.finish()
            }
        };
        write().map(Bytes::from).map_err(|error| Refusal::because(Cause::Internal, error))
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Deflate].into_iter().find(|encoding| name.eq_ignore_ascii_case(encoding.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_is_read_back_within_the_limit() {
        let text = vec![b'x'; 10_000];
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let packed = encoding.encode(&text).unwrap();
            assert!(packed.len() < 200);
            assert_eq!(encoding.decode(&packed, text.len()).unwrap(), text);
            let cause = |body: &[u8], most| encoding.decode(body, most).unwrap_err().cause();
            assert_eq!(cause(&packed, text.len() - 1), Cause::BodySize);
            assert_eq!(cause(&packed[..packed.len() - 5], text.len()), Cause::Compression);
            assert_eq!(cause(b"{\"instances\":[]}", 100), Cause::Compression);
        }
    }

    #[test]
    fn headers_name_encodings() {
        assert_eq!(Encoding::of_body(None), Ok(None));
        assert_eq!(Encoding::of_body(Some("Identity")), Ok(None));
        assert_eq!(Encoding::of_body(Some("GZIP")), Ok(Some(Encoding::Gzip)));
        assert_eq!(Encoding::of_body(Some("br")).unwrap_err().cause(), Cause::Encoding);
        assert_eq!(Encoding::of_body(Some("gzip, gzip")).unwrap_err().cause(), Cause::Encoding);
        let answer = |accepted| Encoding::of_answer(Some(accepted), SHORTEST);
        assert_eq!(answer("br, deflate;q=0.5, gzip"), Some(Encoding::Deflate));
        assert_eq!(answer("gzip;q=0, deflate"), Some(Encoding::Deflate));
        assert_eq!(answer("gzip;q=x"), None);
        assert_eq!(answer("*"), None);
        assert_eq!(Encoding::of_answer(None, SHORTEST), None);
        assert_eq!(Encoding::of_answer(Some("gzip"), SHORTEST - 1), None);
    }
}
