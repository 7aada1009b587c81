//! The body of a request on its way to the app.
//!
//! It is never collected: each piece goes on as it comes in, and a reference to it is kept beside until there are
//! more than `gateway.replay_limit` bytes. So what is small can be sent once more, and what is large costs nothing.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::body::BodyError;
use crate::headers;

/// How long a client may send nothing of a body that it has begun.
const IDLE: Duration = Duration::from_mins(1);

/// How much of a body may come.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// In all; `None`: any.
    pub(crate) most: Option<u64>,
    /// To be kept for a second time.
    pub(crate) replay: usize,
    /// How long one may take that is for us; those for an app may take as long as they go on coming.
    pub(crate) patience: Duration,
}

/// The body as it is sent.
pub(crate) struct Upload(Source);

enum Source {
    Empty,
    Live(Live),
    Again { pieces: std::vec::IntoIter<Bytes>, trailers: Option<HeaderMap>, left: u64 },
}

struct Live {
    body: Incoming,
    limits: Limits,
    progress: Arc<Progress>,
    idle: Option<Pin<Box<Sleep>>>,
    /// When something came last.
    last: Instant,
}

/// What is known of a body while it is on its way.
#[derive(Default)]
pub(crate) struct Progress {
    seen: AtomicU64,
    too_large: AtomicBool,
    idle: AtomicBool,
    broken: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    pieces: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    size: usize,
    whole: bool,
    too_much: bool,
}

/// What the sender can know of the upload; `None`: there is no body.
pub(crate) type Watched = Option<Arc<Progress>>;

impl Upload {
    /// The body of a request, and how to follow it.
    pub(crate) fn new(body: Incoming, limits: Limits) -> (Self, Watched) {
        if body.is_end_stream() {
            return (Self(Source::Empty), None);
        }
        let progress = Arc::new(Progress::default());
        let live = Live { body, limits, progress: progress.clone(), idle: None, last: Instant::now() };
        (Self(Source::Live(live)), Some(progress))
    }

    /// The same body once more, if all of it is at hand.
    pub(crate) fn again(watched: &Watched) -> Option<Self> {
        let Some(progress) = watched else { return Some(Self(Source::Empty)) };
        let kept = progress.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.whole && !kept.too_much).then(|| {
            let (pieces, trailers) = (kept.pieces.clone().into_iter(), kept.trailers.clone());
            Self(Source::Again { pieces, trailers, left: kept.size as u64 })
        })
    }
}

impl Progress {
    /// Bytes that have come so far.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Relaxed)
    }

    /// Nothing more comes.
    pub(crate) fn is_whole(&self) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).whole
    }

    /// There was more than may come.
    pub(crate) fn was_too_large(&self) -> bool {
        self.too_large.load(Relaxed)
    }

    /// The client has stopped sending.
    pub(crate) fn was_idle(&self) -> bool {
        self.idle.load(Relaxed)
    }

    /// The client has gone, or sends what is no body.
    pub(crate) fn was_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    fn keep(&self, frame: &Frame<Bytes>, most: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(data) = frame.data_ref() {
            kept.size += data.len();
            if kept.size > most && !kept.too_much {
                kept.too_much = true;
                kept.pieces = Vec::new();
            }
            if !kept.too_much {
                kept.pieces.push(data.clone());
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            kept.trailers = Some(trailers.clone());
        }
    }

    fn end(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).whole = true;
    }
}

impl Live {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.poll_idle(cx));
            self.progress.idle.store(true, Relaxed);
            return Poll::Ready(Some(Err("the client has stopped sending".into())));
        };
        self.last = Instant::now();
        Poll::Ready(match frame {
            None => {
                self.progress.end();
                None
            }
            Some(Err(error)) => {
                self.progress.broken.store(true, Relaxed);
                Some(Err(error.into()))
            }
            Some(Ok(frame)) => Some(self.take(frame)),
        })
    }

    /// One timer for the whole body, set anew when it goes off too early.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.last + IDLE;
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        loop {
            ready!(idle.as_mut().poll(cx));
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            idle.as_mut().reset(until);
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let seen = self.progress.seen.fetch_add(length, Relaxed) + length;
        if self.limits.most.is_some_and(|most| seen > most) {
            self.progress.too_large.store(true, Relaxed);
            return Err("the body is too large".into());
        }
        let frame = match frame.into_trailers() {
            Ok(mut trailers) => {
                headers::clean_trailers(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(data) => data,
        };
        self.progress.keep(&frame, self.limits.replay);
        // hyper does not ask again after the last frame of a body whose length was told.
        if self.body.is_end_stream() {
            self.progress.end();
        }
        Ok(frame)
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Source::Empty => Poll::Ready(None),
            Source::Live(live) => live.poll(cx),
            Source::Again { pieces, trailers, left } => {
                let piece = pieces.next().map(|piece| {
                    *left -= piece.len() as u64;
                    Frame::data(piece)
                });
                Poll::Ready(piece.or_else(|| trailers.take().map(Frame::trailers)).map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Empty => true,
            Source::Live(live) => live.body.is_end_stream(),
            Source::Again { left, trailers, .. } => *left == 0 && trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Empty => SizeHint::with_exact(0),
            Source::Live(live) => live.body.size_hint(),
            // With a length told, trailers would not be sent.
            Source::Again { trailers: Some(_), .. } => SizeHint::new(),
            Source::Again { left, .. } => SizeHint::with_exact(*left),
        }
    }
}
