//! A long answer ends with the session that it is for.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use portcullis_verify::{Claims, Ended, Verifier};

use crate::body::{Body, BodyError};

/// An answer of a known length below this is gone before anybody could want it back.
const SHORT: u64 = 1024 * 1024;

/// Completes when the session of a request has ended.
pub(crate) type SessionEnd = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// When the session behind `claims` has ended, by a revocation that the issuer has told of.
pub(crate) fn session_end(verifier: &Verifier, claims: &Claims) -> SessionEnd {
    Box::pin(verifier.watch_session(claims))
}

/// A body that is cut off: the client must not take what it has got for the whole.
pub(crate) struct Guarded {
    body: Incoming,
    end: SessionEnd,
}

/// The body of an answer to the holder of `claims`.
pub(crate) fn guarded(body: Incoming, who: Option<(&Verifier, &Claims)>) -> Body {
    let short = body.size_hint().upper().is_some_and(|most| most <= SHORT);
    match who {
        Some((verifier, claims)) if !short => {
            Body::guarded(Guarded { body, end: session_end(verifier, claims) })
        }
        _ => Body::upstream(body),
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the session has ended".into())));
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
