//! Connections: how many, how long, with or without TLS, and how they end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::app::App;
use crate::tls::Tls;

/// The most bytes of a request's head.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// The most requests at a time on a connection of HTTP/2.
const MOST_STREAMS: u32 = 256;

/// How long a failing `accept` waits before it is tried again: with too many open files, trying at once would keep failing.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a connection that is one too many is answered.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) app: Arc<App>,
    pub(crate) tls: Option<Arc<Tls>>,
    /// One permit for each connection.
    pub(crate) room: Arc<Semaphore>,
    /// Whether the server is ending.
    pub(crate) stop: watch::Receiver<bool>,
    /// A connection that is open holds one of these.
    #[expect(dead_code, reason = "the end waits until every connection has dropped its own")]
    pub(crate) open: mpsc::Sender<()>,
}

impl Connections {
    /// Accepts connections until the server ends.
    pub(crate) async fn accept(mut self, listener: TcpListener, router: Router) {
        loop {
            let accepted = tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = self.room.clone().try_acquire_owned() else {
                self.app.metrics.refused_connections.inc();
                if self.tls.is_none() {
                    tokio::spawn(turn_away(stream));
                }
                continue;
            };
            let (connections, router) = (self.clone(), router.clone());
            tokio::spawn(async move {
                connections.app.metrics.connections.inc();
                connections.handle(stream, peer, router).await;
                connections.app.metrics.connections.dec();
                drop(permit);
            });
        }
    }

    async fn handle(&self, stream: TcpStream, peer: SocketAddr, router: Router) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "cannot set TCP_NODELAY");
        }
        let limit = self.app.options.limits.header_time;
        match &self.tls {
            None => self.serve(stream, router).await,
            Some(tls) => match timeout(limit, tls.acceptor().accept(stream)).await {
                Ok(Ok(stream)) => self.serve(stream, router).await,
                Ok(Err(error)) => tracing::debug!(%error, %peer, "the TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
            },
        }
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
        let limits = &self.app.options.limits;
        let phase = Arc::new(Phase::default());
        let stream = TokioIo::new(Watched::new(stream, phase.clone(), limits.header_time));
        let service = Noted { inner: TowerToHyperService::new(router), phase };
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // The time that a connection may wait for its next request; `Watched` has the time for a head that has begun.
            .header_read_timeout(limits.idle_time)
            .half_close(true)
            .max_buf_size(MOST_HEAD_BYTES)
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(MOST_HEAD_BYTES as u32)
            .keep_alive_interval(limits.idle_time)
            .keep_alive_timeout(limits.header_time);
        let connection = builder.serve_connection(stream, service);
        let mut connection = std::pin::pin!(connection);
        let mut stop = self.stop.clone();
        let mut is_ending = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended with an error");
                    }
                    return;
                }
                _ = stop.wait_for(|stop| *stop), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Answers a connection that is one too many, as far as the client takes the answer at once.
async fn turn_away(mut stream: TcpStream) {
    let answer = async {
        stream.write_all(TOO_MANY).await?;
        stream.shutdown().await
    };
    // The client may have gone away.
    let _ = timeout(Duration::from_secs(1), answer).await;
}

/// What a connection of HTTP/1 is doing.
#[derive(Debug, Default)]
struct Phase(AtomicU8);

impl Phase {
    /// It waits for a request.
    const IDLE: u8 = 0;
    /// A part of the head has arrived.
    const HEAD: u8 = 1;
    /// The head is complete, and the answer has not begun.
    const ANSWERING: u8 = 2;
    /// It is HTTP/2, whose heads are frames.
    const HTTP2: u8 = 3;

    fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }

    /// Notes that these bytes of an answer are sent: what is read next is a head, unless the client only waited to send a body.
    fn wrote(&self, bytes: &[u8]) {
        if !bytes.starts_with(b"HTTP/1.1 100") {
            self.set(Self::IDLE);
        }
    }

    /// Sets the phase, unless the connection is one of HTTP/2.
    fn set(&self, phase: u8) {
        if self.get() != Self::HTTP2 {
            self.0.store(phase, Ordering::Release);
        }
    }
}

/// Notes when the head of a request is complete.
struct Noted {
    inner: TowerToHyperService<Router>,
    phase: Arc<Phase>,
}

impl Service<Request<Incoming>> for Noted {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.phase.set(Phase::ANSWERING);
        self.inner.call(request)
    }
}

/// A stream that ends if the head of a request has begun and does not become complete in time. Waiting for a request takes
/// longer than sending one, so the two have different limits.
struct Watched<S> {
    inner: S,
    phase: Arc<Phase>,
    limit: Duration,
    deadline: Pin<Box<Sleep>>,
    is_first: bool,
}

impl<S> Watched<S> {
    fn new(inner: S, phase: Arc<Phase>, limit: Duration) -> Self {
        Self { inner, phase, limit, deadline: Box::pin(sleep(limit)), is_first: true }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(context, buffer) {
            Poll::Ready(read) => {
                let new = &buffer.filled()[before..];
                if self.is_first && !new.is_empty() {
                    self.is_first = false;
                    if new.starts_with(b"PRI") {
                        self.phase.set(Phase::HTTP2);
                    }
                }
                if self.phase.get() == Phase::IDLE && !new.is_empty() {
                    self.phase.set(Phase::HEAD);
                    let deadline = Instant::now() + self.limit;
                    self.deadline.as_mut().reset(deadline);
                }
                Poll::Ready(read)
            }
            Poll::Pending if self.phase.get() == Phase::HEAD => {
                ready!(self.deadline.as_mut().poll(context));
                Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the head of a request took too long",
                )))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.phase.wrote(bytes);
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.phase.wrote(bytes.first().map_or(&[], |bytes| bytes));
        Pin::new(&mut self.inner).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
