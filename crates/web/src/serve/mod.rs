//! The accept loop: from a listening socket to requests, for many connections with little memory each.
//!
//! `axum::serve` has no limits of its own; here a connection cannot be held for nothing:
//!
//! 1. `accept`: a connection beyond the cap is answered 503 and closed; running out of file descriptors
//!    makes the loop pause, never end or spin.
//! 2. `connection`: HTTP/1 or HTTP/2 (by its preface). A head must be complete within `header_timeout`, a
//!    connection without a request is closed after `keep_alive`, and one that reads nothing of its answer
//!    after `write_timeout`.
//! 3. On shutdown: nothing new is accepted, running requests finish, and what still runs after
//!    `shutdown_grace` is cut.
//!
//! A connection that is upgraded (WebSockets, behind the gateway) is the service's from there on; it keeps its slot.
//!
//! How long one *request* may take is not decided here: its 408 must carry what the layers add.

mod accept;
mod activity;
mod connection;
mod counted;
mod overloaded;
mod socket;
mod throttle;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body, Bytes, Incoming};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use tower::Service;

use connection::Phase;
pub use portcullis_edge::connection::PeerAddress;

/// How many connections the kernel holds for us until we accept them. It takes the smaller of this and
/// `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// After the grace, cut connections are given this long to notice.
const CUT_WAIT: Duration = Duration::from_secs(1);

/// The limits of the server's connections.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// `server.header_timeout`: from the first byte of a head (of the first one: from the connection) to its end.
    pub header_timeout: Duration,
    /// How long a connection without a request under way is kept.
    pub keep_alive: Duration,
    /// How long a client may take nothing of what we send.
    pub write_timeout: Duration,
    /// `server.shutdown_grace`: how long running requests may go on after the shutdown began.
    pub shutdown_grace: Duration,
    /// `server.max_connections`: how many connections may be open at once, at least 1.
    pub max_connections: u32,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(20),
            max_connections: 10_000,
        }
    }
}

/// Listens on `address` with a backlog that stands a rush of connections.
///
/// # Errors
/// The address is in use, is not ours, or needs rights we lack.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server must not wait for the old one's connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `service` (an `axum::Router`) until `shutdown` completes and the connections have ended. Answers how
/// many had to be cut because they outlasted the grace.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    config: ServeConfig,
    shutdown: impl Future<Output = ()>,
) -> usize
where
    S: Service<Request<Incoming>, Response = hyper::Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let max = config.max_connections.max(1);
    let slots = Arc::new(Semaphore::new(max as usize));
    let (phase, phases) = watch::channel(Phase::Running);
    let accepting = accept::Loop::new(listener, Arc::clone(&slots));
    let connections = connection::Connections::new(service, &config, phases);
    // The listener goes with the loop, so that new connections are refused from here on.
    accepting.run(shutdown, |stream, peer, slot| connections.spawn(stream, peer, slot)).await;

    phase.send_replace(Phase::Draining);
    // Every connection holds one slot: all of them back means that none is left.
    if tokio::time::timeout(config.shutdown_grace, slots.acquire_many(max)).await.is_ok() {
        return 0;
    }
    let cut = max as usize - slots.available_permits();
    phase.send_replace(Phase::Cut);
    let _ = tokio::time::timeout(CUT_WAIT, slots.acquire_many(max)).await;
    cut
}
