//! Accepting connections, whatever happens.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::overloaded::Refusals;
use super::throttle::Throttle;

/// How long to wait after an error that will not go away by itself, such as no free file descriptor: long enough
/// not to spin, short enough that clients in the backlog hardly notice.
const PAUSE: Duration = Duration::from_millis(100);

/// The accept loop of one listener.
pub(super) struct Loop {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    refusals: Refusals,
    failing: Throttle,
    full: Throttle,
}

impl Loop {
    pub(super) fn new(listener: TcpListener, slots: Arc<Semaphore>) -> Self {
        let (failing, full) = (Throttle::default(), Throttle::default());
        Self { listener, slots, refusals: Refusals::new(), failing, full }
    }

    /// Hands each connection, with the slot it holds while it lives, to `spawn`; until `shutdown`.
    pub(super) async fn run(
        mut self,
        shutdown: impl Future<Output = ()>,
        spawn: impl Fn(TcpStream, SocketAddr, OwnedSemaphorePermit),
    ) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let (stream, peer) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = self.next() => accepted,
            };
            self.admit(stream, peer, &spawn);
        }
        // Who stands in the backlog has connected, and perhaps sent a request, before we were asked to stop:
        // closing the listener under them would reset that.
        while let Some((stream, peer)) = self.waiting().await {
            self.admit(stream, peer, &spawn);
        }
    }

    fn admit(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        spawn: &impl Fn(TcpStream, SocketAddr, OwnedSemaphorePermit),
    ) {
        // Answers are written whole: waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => spawn(stream, peer, slot),
            Err(_) => self.refuse(stream),
        }
    }

    /// One that need not be waited for.
    async fn waiting(&self) -> Option<(TcpStream, SocketAddr)> {
        let look = poll_fn(|cx| match self.listener.poll_accept(cx) {
            Poll::Ready(Ok(accepted)) => Poll::Ready(Some(accepted)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
        });
        // There may be thousands, more than a task may do in one go.
        tokio::task::unconstrained(look).await
    }

    async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if let Some(silent) = self.failing.pass(Instant::now()) {
                        tracing::warn!(%error, silent, "cannot accept connections; is the open-file limit too low?");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn refuse(&mut self, stream: TcpStream) {
        if let Some(silent) = self.full.pass(Instant::now()) {
            tracing::warn!(silent, "server.max_connections is reached; new connections are refused");
        }
        self.refusals.answer(stream);
    }
}

/// The client was gone before we came to it (accept(2)): nothing is wrong with us.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
