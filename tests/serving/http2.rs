//! A client of HTTP/2 that sends the frames that it is told to, and nothing else.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The kinds of frames.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// The headers of a request of gRPC.
pub const GRPC: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

/// The paths of gRPC.
pub const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
pub const LIVE: &str = "/inference.GRPCInferenceService/ServerLive";

/// The flags of frames.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A connection.
#[derive(Debug)]
pub struct Http2 {
    stream: TcpStream,
}

/// A frame of the server.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Http2 {
    /// Connects, and sends the preface and settings: of how many bytes of an answer may be sent before they are asked for.
    pub fn open(address: SocketAddr, window: u32) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        let mut connection = Self { stream };
        connection.stream.write_all(PREFACE).expect("the preface");
        let setting = [&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat();
        connection.send(SETTINGS, 0, 0, &setting).expect("the settings");
        // Of all streams together, any number of bytes may be sent.
        connection.send(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()).expect("a window");
        connection
    }

    /// Sends a frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(kind, flags, stream, payload))
    }

    /// Begins a request.
    pub fn ask(
        &mut self,
        stream: u32,
        path: &str,
        headers: &[(&str, &str)],
        has_body: bool,
    ) -> io::Result<()> {
        let method = if has_body { "POST" } else { "GET" };
        let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test")];
        let block = fields(pseudo.iter().chain(headers));
        let flags = if has_body { END_HEADERS } else { END_HEADERS | END_STREAM };
        self.send(HEADERS, flags, stream, &block)
    }

    /// The next frame; an error if the connection has ended.
    pub fn next(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & (u32::MAX >> 1);
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The first frame of which this holds; an error if the connection has ended before.
    pub fn find(&mut self, holds: impl Fn(&Frame) -> bool) -> io::Result<Frame> {
        loop {
            let frame = self.next()?;
            if holds(&frame) {
                return Ok(frame);
            }
        }
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Header fields as literals.
fn fields<'a>(fields: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text");
        [&[length], text.as_bytes()].concat()
    };
    fields.into_iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}
