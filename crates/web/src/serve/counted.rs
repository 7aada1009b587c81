//! A request counts as under way until its answer's body is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Version;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::activity::Activity;

/// Held while a request is under way.
pub(super) struct UnderWay(Arc<Activity>);

impl UnderWay {
    pub(super) fn begin(activity: &Arc<Activity>, version: Version) -> Self {
        activity.begin(version);
        Self(Arc::clone(activity))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end(Instant::now());
    }
}

/// A response body that holds its request's mark.
pub(super) struct Counted<B> {
    pub(super) body: B,
    pub(super) _mark: UnderWay,
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
