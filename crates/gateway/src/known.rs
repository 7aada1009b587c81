//! What is known of sessions beside their cookies: the newest state, or that they are over. In memory, for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::session::{Age, Session};

/// That a session has ended, and a state that no browser was told of, is remembered for longer than any access token
/// lives here.
const LONG: Duration = Duration::from_hours(1);
/// Requests that were sent together with one that was refreshed need this, whatever the issuer's grace.
const LEAST: Duration = Duration::from_secs(10);
const MOST_KNOWN: u64 = 100_000;

/// What is known of a session beside its cookies.
#[derive(Clone)]
enum Known {
    Newest {
        session: Arc<Session>,
        /// Up to and with this state nobody is served by it: the password was changed, against who may have a copy.
        over: Option<Age>,
        /// An answer has carried its cookies.
        told: bool,
    },
    /// Up to and with this state. A later one is news: the issuer has handed it out since.
    Ended { upto: Age, superseded: bool },
}

/// How a session has ended, as far as this process is concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Its owner has signed out.
    Ended,
    /// Somebody has signed in in the browser that held it, which has another one now, or will have in a moment.
    Replaced,
}

/// What a session is worth now.
pub(crate) enum Standing {
    /// This is its newest state.
    Is(Arc<Session>),
    Ended {
        /// As in [`crate::issuer::Refused::Ended`].
        superseded: bool,
    },
}

/// For how long what is known is remembered.
struct Memory(Duration);

impl Expiry<String, Known> for Memory {
    fn expire_after_create(&self, _: &String, known: &Known, _: Instant) -> Option<Duration> {
        Some(match known {
            Known::Newest { told: true, .. } => self.0,
            Known::Newest { told: false, .. } | Known::Ended { .. } => LONG,
        })
    }

    fn expire_after_update(
        &self,
        sid: &String,
        known: &Known,
        at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(sid, known, at)
    }
}

/// All that is known.
pub(crate) struct Knowledge(Cache<String, Known>);

impl Knowledge {
    pub(crate) fn new(grace: Duration) -> Self {
        let memory = Memory(grace.max(LEAST));
        Self(Cache::builder().max_capacity(MOST_KNOWN).expire_after(memory).build())
    }

    /// The newest state of a session of which `session` is one.
    pub(crate) fn standing(&self, session: &Arc<Session>) -> Standing {
        match self.0.get(&session.sid) {
            Some(Known::Ended { upto, superseded }) if session.age() <= upto => {
                Standing::Ended { superseded }
            }
            Some(Known::Newest { over: Some(over), .. }) if session.age() <= over => {
                Standing::Ended { superseded: true }
            }
            Some(Known::Newest { session: newest, .. }) if newest.age() > session.age() => {
                Standing::Is(newest)
            }
            Some(Known::Newest { .. } | Known::Ended { .. }) | None => Standing::Is(session.clone()),
        }
    }

    /// The issuer has handed this out; `renewed`: and up to and with that state nobody is served any more.
    pub(crate) fn learn(&self, session: &Arc<Session>, renewed: Option<Age>) {
        let (session, age) = (session.clone(), session.age());
        self.change(&session.sid.clone(), |known| match known {
            Some(Known::Newest { session: newest, .. }) if newest.age() >= age => None,
            Some(Known::Ended { upto, .. }) if age <= upto => None,
            Some(Known::Newest { over, .. }) => {
                Some(Known::Newest { session, over: renewed.or(over), told: false })
            }
            Some(Known::Ended { upto, .. }) => {
                Some(Known::Newest { session, over: renewed.or(Some(upto)), told: false })
            }
            None => Some(Known::Newest { session, over: renewed, told: false }),
        });
    }

    /// An answer carries its cookies. From the first one on the time runs in which older ones are still served.
    pub(crate) fn told(&self, session: &Session) {
        self.change(&session.sid, |known| match known {
            Some(Known::Newest { session: newest, over, told: false }) if newest.age() == session.age() => {
                Some(Known::Newest { session: newest, over, told: true })
            }
            _ => None,
        });
    }

    /// `None` leaves what is known as it is, and for as long as it was to be remembered.
    fn change(&self, sid: &str, next: impl FnOnce(Option<Known>) -> Option<Known>) {
        self.0
            .entry(sid.to_owned())
            .and_compute_with(|known| next(known.map(moka::Entry::into_value)).map_or(Op::Nop, Op::Put));
    }

    /// It has ended, in every state.
    pub(crate) fn end(&self, sid: &str, over: Over) {
        let known = Known::Ended { upto: Age::MAX, superseded: over == Over::Replaced };
        self.0.insert(sid.to_owned(), known);
    }

    /// The issuer takes no token of this state any more. What came after it may be good: a change of password ends
    /// what was before, and we may have heard of the change first.
    pub(crate) fn refused(&self, session: &Session, superseded: bool) {
        self.change(&session.sid, |known| match known {
            Some(Known::Newest { session: newest, .. }) if newest.age() > session.age() => None,
            Some(Known::Ended { upto, .. }) if upto >= session.age() => None,
            Some(Known::Newest { .. } | Known::Ended { .. }) | None => {
                Some(Known::Ended { upto: session.age(), superseded })
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::session;

    #[test]
    fn what_no_browser_was_told_is_remembered_longest() {
        let memory = Memory(Duration::from_mins(1));
        let kept = |known: &Known| memory.expire_after_create(&"s".to_owned(), known, Instant::now());
        let newest = |told| Known::Newest { session: Arc::new(session("s", 2, 0)), over: None, told };
        assert_eq!(kept(&newest(true)), Some(Duration::from_mins(1)));
        let ended = Known::Ended { upto: Age::MAX, superseded: false };
        assert_eq!((kept(&newest(false)), kept(&ended)), (Some(LONG), Some(LONG)));
    }
}
