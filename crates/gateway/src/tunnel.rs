//! A WebSocket (RFC 6455): after both sides have agreed, bytes in both directions until one of them, or the session,
//! has ended.
//!
//! Only WebSockets are upgraded. What else there is, `h2c` for one, is a way round whatever reads the requests.

use http::header::{CONNECTION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use portcullis_edge::connection::ConnectionSlot;

use crate::guard::SessionEnd;
use crate::headers;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const BUFFER: usize = 16 * 1024;

/// What is needed of a request to go on over its connection.
pub(crate) struct Upgrading {
    client: OnUpgrade,
    slot: Option<ConnectionSlot>,
}

/// Whether a request asks for a WebSocket.
pub(crate) fn wanted(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11
        && headers::upgrade(&parts.headers).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

impl Upgrading {
    /// Takes the client's side out of a request that asks for a WebSocket.
    pub(crate) fn of(parts: &mut Parts) -> Option<Self> {
        let client = parts.extensions.remove::<OnUpgrade>()?;
        Some(Self { client, slot: parts.extensions.remove() })
    }

    /// Joins both sides once the app has agreed.
    pub(crate) fn join(self, response: &mut http::Response<Incoming>, end: Option<SessionEnd>) {
        let app = hyper::upgrade::on(response);
        tokio::spawn(async move {
            let _slot = self.slot;
            match tokio::try_join!(self.client, app) {
                Ok((client, app)) => copy(client, app, end).await,
                Err(error) => tracing::debug!(%error, "an upgrade has come to nothing"),
            }
        });
    }
}

async fn copy(client: Upgraded, app: Upgraded, end: Option<SessionEnd>) {
    let (mut client, mut app) = (TokioIo::new(client), TokioIo::new(app));
    let copying = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut app, BUFFER, BUFFER);
    match end {
        None => drop(copying.await),
        Some(end) => tokio::select! {
            // Errors are an end like any other.
            _ = copying => {}
            why = end => tracing::debug!(?why, "a WebSocket was closed with its session"),
        },
    }
}

/// Asks for the upgrade again, which belongs to one connection only.
pub(crate) fn ask(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

/// Whether the app has agreed.
pub(crate) fn agreed(response: &http::Response<Incoming>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        && response.headers().get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
