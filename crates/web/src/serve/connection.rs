//! One connection: HTTP/1 or HTTP/2 over it, its watchdog, and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::UPGRADE;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use portcullis_edge::connection::ConnectionSlot;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::activity::{Activity, Limits, Verdict};
use super::counted::{Counted, UnderWay};
use super::socket::Socket;
use super::{PeerAddress, ServeConfig};

/// Longest request head over HTTP/1, in bytes; beyond it, hyper answers 431.
const HTTP1_BUFFER: usize = 64 * 1024;

/// The same over HTTP/2, where the sizes of the decoded headers are counted.
const HTTP2_HEADERS: u32 = 64 * 1024;

/// Requests one HTTP/2 connection may have under way.
const HTTP2_STREAMS: u32 = 128;

/// Bytes of bodies a client may send ahead, per stream and per connection. Our bodies are small.
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 256 * 1024;

/// Where the server as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Running requests finish, no others begin.
    Draining,
    /// Everything ends now.
    Cut,
}

/// What all connections share.
pub(super) struct Connections<S> {
    service: S,
    spoken: Arc<Spoken>,
    limits: Limits,
    write_timeout: Duration,
    phase: watch::Receiver<Phase>,
}

impl<S, B> Connections<S>
where
    S: Service<Request<Incoming>, Response = hyper::Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(service: S, config: &ServeConfig, phase: watch::Receiver<Phase>) -> Self {
        let limits = Limits { header: config.header_timeout, keep_alive: config.keep_alive };
        Self { service, spoken: Arc::new(Spoken::new()), limits, write_timeout: config.write_timeout, phase }
    }

    /// Serves one connection in a task of its own, which holds `slot` to its end.
    pub(super) fn spawn(&self, stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit) {
        let activity = Arc::new(Activity::new(Instant::now()));
        let (spoken, service, write_timeout) =
            (Arc::clone(&self.spoken), self.service.clone(), self.write_timeout);
        let (limits, mut phase) = (self.limits, self.phase.clone());
        let slot = Arc::new(slot);
        tokio::spawn(async move {
            let (_slot, kept) = (Arc::clone(&slot), slot);
            let mut watchdog = Watchdog { activity: &activity, limits, closing_since: None };
            let http = tokio::select! {
                biased;
                http = spoken.by(&stream) => http,
                // Nothing has begun that could end gently.
                _ = watchdog.watch(&mut phase) => return,
            };
            let Some(http) = http else { return };
            let socket = TokioIo::new(Socket::new(stream, Arc::clone(&activity), write_timeout));
            let counted = Arc::clone(&activity);
            let handler = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddress(peer));
                if request.headers().contains_key(UPGRADE) {
                    request.extensions_mut().insert(ConnectionSlot::new(Arc::clone(&kept)));
                }
                let mark = UnderWay::begin(&counted, request.version());
                let answer = service.clone().oneshot(request);
                async move { answer.await.map(|response| response.map(|body| Counted { body, _mark: mark })) }
            });
            let mut connection = std::pin::pin!(http.serve_connection_with_upgrades(socket, handler));
            loop {
                let end = tokio::select! {
                    biased;
                    // Errors are the client's: a broken head, a connection gone. hyper has answered what it could.
                    _ = connection.as_mut() => return,
                    end = watchdog.watch(&mut phase) => end,
                };
                match end {
                    End::Gentle => connection.as_mut().graceful_shutdown(),
                    End::Now => return,
                }
            }
        });
    }
}

/// How a connection is to end.
enum End {
    /// The running requests finish first.
    Gentle,
    Now,
}

struct Watchdog<'a> {
    activity: &'a Activity,
    limits: Limits,
    /// Since when the client has been asked to go.
    closing_since: Option<Instant>,
}

impl Watchdog<'_> {
    /// Waits until the connection has to end, by its own fault or the server's phase.
    async fn watch(&mut self, phase: &mut watch::Receiver<Phase>) -> End {
        loop {
            let now = Instant::now();
            let state = *phase.borrow_and_update();
            let silent = match state {
                Phase::Cut => return End::Now,
                Phase::Draining if self.closing_since.is_none() => {
                    let left = self.activity.first_word_left(now);
                    if left.is_zero() {
                        return self.gently(now);
                    }
                    left
                }
                Phase::Draining | Phase::Running => Duration::MAX,
            };
            let wait = match self.activity.verdict(now, &self.limits) {
                Verdict::SlowHead => return End::Now,
                Verdict::Wait(wait) => wait,
                Verdict::Idle => match self.closing_since {
                    None => return self.gently(now),
                    // Over HTTP/2 the client answers the good-bye; it has as long as a head may take.
                    Some(since) if now < since + self.limits.header => since + self.limits.header - now,
                    Some(_) => return End::Now,
                },
            };
            tokio::select! {
                biased;
                changed = phase.changed() => if changed.is_err() { return End::Now },
                () = tokio::time::sleep(wait.min(silent)) => {}
            }
        }
    }

    fn gently(&mut self, now: Instant) -> End {
        self.closing_since = Some(now);
        End::Gentle
    }
}

/// What an HTTP/2 connection begins with. No method of HTTP/1 does (RFC 9113 section 11.6).
const HTTP2_BEGINS: &[u8; 4] = b"PRI ";

/// What connections speak. The first bytes are looked at where they are: read, they would make hyper double its buffer
/// of a connection for good.
struct Spoken {
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
    /// Reads until it knows.
    either: auto::Builder<TokioExecutor>,
}

impl Spoken {
    fn new() -> Self {
        Self { http1: http().http1_only(), http2: http().http2_only(), either: http() }
    }

    /// What the other side of `stream` speaks, once it says something. `None`: it is gone.
    async fn by(&self, stream: &TcpStream) -> Option<&auto::Builder<TokioExecutor>> {
        let mut first = [0; HTTP2_BEGINS.len()];
        let length = stream.peek(&mut first).await.ok()?;
        Some(match &first[..length] {
            [] => return None,
            first if first == HTTP2_BEGINS => &self.http2,
            first if HTTP2_BEGINS.starts_with(first) => &self.either,
            _ => &self.http1,
        })
    }
}

/// Timeouts are the watchdog's, so hyper needs no timer.
fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().header_read_timeout(None).max_buf_size(HTTP1_BUFFER);
    http.http2()
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(HTTP2_HEADERS)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW);
    http
}
