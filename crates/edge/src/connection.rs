//! What a request knows of the connection it came in by: stands in its extensions, put there by whoever accepts.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Who is at the other end of the connection: stands in the extensions of every request. Behind a proxy this is
/// the proxy; the client's address is found by [`crate::client_address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The connection's place among those that may be open at once. Stands with requests that ask for an upgrade:
/// whoever goes on speaking over the connection keeps it for as long.
#[derive(Clone)]
pub struct ConnectionSlot(Arc<dyn Any + Send + Sync>);

impl ConnectionSlot {
    /// A place that is free again once the last clone is dropped.
    pub fn new(place: Arc<impl Any + Send + Sync>) -> Self {
        Self(place)
    }
}

impl fmt::Debug for ConnectionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionSlot({} held)", Arc::strong_count(&self.0))
    }
}
