//! Connections: how many, how long, with or without TLS, and how they end.

mod activity;
mod noted;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::admission::Room;
use crate::app::App;
use crate::clients::Client;
use crate::tls::Tls;
use activity::{Activity, Due, Times};
use noted::Noted;

/// The most bytes of a request's head.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// The most requests at a time on a connection of HTTP/2.
const MOST_STREAMS: u32 = 256;

/// How long a failing `accept` waits before it is tried again: with too many open files, trying at once would keep failing.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The most connections beyond the limit, on which probes are answered.
pub(crate) const SPARE: usize = 64;

/// How long each of them may be open.
const SPARE_TIME: Duration = Duration::from_secs(2);

/// How long a connection without a request may take to end when the server does: clients of HTTP/2 are told first.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a connection that is one too many even for probes is answered.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) app: Arc<App>,
    pub(crate) tls: Option<Arc<Tls>>,
    /// Room for connections beyond the limit.
    pub(crate) spare: Arc<Room>,
    /// Whether the server is ending.
    pub(crate) stop: watch::Receiver<bool>,
    /// A connection that is open holds one of these.
    #[expect(dead_code, reason = "the end waits until every connection has dropped its own")]
    pub(crate) open: mpsc::Sender<()>,
}

/// A connection that was accepted.
struct Accepted {
    peer: SocketAddr,
    client: Arc<Client>,
    /// Whether it is one too many, and only probes are answered.
    is_spare: bool,
}

impl Connections {
    /// Accepts connections until the server ends.
    pub(crate) async fn accept(mut self, listener: TcpListener, routes: Router) {
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
            let client = self.app.clients.of(peer.ip());
            let place = client.connect();
            let (connections, routes) = (self.clone(), routes.clone());
            if place.is_none() {
                self.app.metrics.refused_connections.inc();
            }
            let spare = if place.is_none() { self.spare.take(1) } else { None };
            if place.is_none() && spare.is_none() {
                if self.tls.is_none() {
                    tokio::spawn(turn_away(stream));
                }
                continue;
            }
            let accepted = Accepted { peer, client, is_spare: spare.is_some() };
            tokio::spawn(async move {
                connections.app.metrics.connections.inc();
                if spare.is_some() {
                    // Whether the client has finished does not matter.
                    let _ = timeout(SPARE_TIME, connections.handle(stream, accepted, routes)).await;
                } else {
                    connections.handle(stream, accepted, routes).await;
                }
                connections.app.metrics.connections.dec();
                drop((place, spare));
            });
        }
    }

    async fn handle(&self, stream: TcpStream, accepted: Accepted, routes: Router) {
        let peer = accepted.peer;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "cannot set TCP_NODELAY");
        }
        let limit = self.app.options.limits.header_time;
        match &self.tls {
            None => self.serve(stream, accepted, routes).await,
            Some(tls) => match timeout(limit, tls.acceptor().accept(stream)).await {
                Ok(Ok(stream)) => self.serve(stream, accepted, routes).await,
                Ok(Err(error)) => tracing::debug!(%error, %peer, "the TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
            },
        }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        accepted: Accepted,
        routes: Router,
    ) {
        let limits = &self.app.options.limits;
        let Accepted { peer, client, is_spare } = accepted;
        let activity = Activity::new(Times {
            head: limits.header_time,
            idle: limits.idle_time,
            answer: limits.answer_time,
        });
        let stream = TokioIo::new(Watched { inner: stream, activity: activity.clone() });
        let routes = TowerToHyperService::new(routes);
        let service = Noted { routes, activity: activity.clone(), client, only_probes: is_spare };
        let mut builder = Builder::new(TokioExecutor::new());
        // The times are those of `activity`: hyper has none before it knows which HTTP it is, for idle connections of HTTP/2, and for
        // answers that are not taken.
        builder
            .http1()
            .half_close(true)
            .max_buf_size(MOST_HEAD_BYTES)
            .http2()
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(MOST_HEAD_BYTES as u32);
        let mut connection = std::pin::pin!(builder.serve_connection(stream, service));
        let mut timer = std::pin::pin!(sleep(activity.shortest()));
        let mut stop = self.stop.clone();
        let mut is_ending = false;
        // When an idle connection must be gone that was asked to end.
        let mut last = None;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, %peer, "a connection ended with an error");
                    }
                    return;
                }
                _ = stop.wait_for(|stop| *stop), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                    timer.as_mut().reset(Instant::now() + FAREWELL);
                }
                () = timer.as_mut() => {
                    let now = Instant::now();
                    if is_ending && activity.is_idle() {
                        return;
                    }
                    match activity.due() {
                        Some(Due { at, what, is_idle }) if at <= now => {
                            if !is_idle || last.is_some_and(|last| last <= now) {
                                tracing::debug!(%peer, what, "ended a connection");
                                return;
                            }
                            if last.is_none() {
                                last = Some(now + limits.header_time);
                                connection.as_mut().graceful_shutdown();
                            }
                            timer.as_mut().reset(last.unwrap_or(now));
                        }
                        due => {
                            // What begins from now on is not due before that.
                            let next = now + if is_ending { FAREWELL } else { activity.shortest() };
                            timer.as_mut().reset(due.map_or(next, |due| due.at.min(next)));
                        }
                    }
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

/// A stream whose activity is noted.
struct Watched<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let new = &buffer.filled()[before..];
        if !new.is_empty() {
            self.activity.read(new);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
