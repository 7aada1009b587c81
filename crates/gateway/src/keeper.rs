//! Keeps sessions fresh: one refresh at a time however many requests wait, and never a step back.
//!
//! - Within this process, a map says for each session what is newest. A browser whose cookies are a step behind –
//!   requests that were under way, answers that were lost – is served by it and gets the newer ones. It is forgotten
//!   the issuer's grace after an answer has carried it: from then on an older token is what it is for the issuer, a
//!   sign of theft. What no answer has carried nobody can know, and is kept for as long as any access token lives.
//! - Requests that need not wait for a refresh go on to the app at once, and their answers wait for it a moment: a
//!   browser that was not told comes back with a token of the past, maybe to a process that knows of nothing.
//! - Between processes, the issuer's rule for tokens that come twice does the same: the same successor.
//! - Only the issuer's word ends a session here. That it cannot be reached says nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use metrics::{Counter, counter};
use moka::Expiry;
use moka::ops::compute::Op;
use moka::sync::Cache;
use portcullis_core::time::Clock;

use crate::issuer::{Issuer, OnBehalf, Refused};
use crate::session::{Age, Session, Tokens};

/// An access token is renewed when this much or less of its life is left, in seconds.
pub(crate) const AHEAD: i64 = 60;
/// With less than this left, requests wait for the new one; with more they go on with the old one.
const WAIT: i64 = 10;
/// The head of an answer waits until so long after a refresh has begun.
const SETTLING: Duration = Duration::from_secs(2);
/// That a session has ended, and a state that no browser was told of, is remembered for longer than any access token
/// lives here.
const LONG: Duration = Duration::from_hours(1);
/// Requests that were sent together with one that was refreshed need this, whatever the issuer's grace.
const LEAST: Duration = Duration::from_secs(10);
const MOST_KNOWN: u64 = 100_000;

/// How long nobody is refreshed ahead after a failure, in seconds.
const QUIET: i64 = 3;

type Flight = Shared<BoxFuture<'static, Result<Arc<Session>, Refused>>>;

/// A refresh under way, and since when.
#[derive(Clone)]
struct Begun(Flight, tokio::time::Instant);

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
        /// As in [`Refused::Ended`].
        superseded: bool,
    },
}

/// All sessions that were seen of late.
pub(crate) struct Keeper {
    issuer: Arc<Issuer>,
    clock: Arc<dyn Clock>,
    audience: Arc<str>,
    known: Cache<String, Known>,
    flights: Mutex<HashMap<String, Begun>>,
    /// Until then (Unix time) nobody is refreshed ahead: the issuer has just not answered.
    quiet_until: AtomicI64,
    refreshed: [Counter; 3],
}

/// Makes room for the next flight, however this one ends.
struct Landing<'a> {
    keeper: &'a Keeper,
    sid: &'a str,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.keeper.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(self.sid);
    }
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

impl Keeper {
    pub(crate) fn new(
        issuer: Arc<Issuer>,
        clock: Arc<dyn Clock>,
        audience: Arc<str>,
        grace: Duration,
    ) -> Arc<Self> {
        let memory = Memory(grace.max(LEAST));
        let known = Cache::builder().max_capacity(MOST_KNOWN).expire_after(memory).build();
        let refreshed = ["fresh", "ended", "unavailable"]
            .map(|outcome| counter!("portcullis_gateway_refreshes_total", "outcome" => outcome));
        let (flights, quiet_until) = (Mutex::default(), AtomicI64::new(0));
        Arc::new(Self { issuer, clock, audience, known, flights, quiet_until, refreshed })
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    /// The newest state of a session of which `session` is one.
    pub(crate) fn standing(&self, session: &Arc<Session>) -> Standing {
        match self.known.get(&session.sid) {
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

    /// The issuer has handed this out.
    pub(crate) fn learn(&self, session: &Arc<Session>) {
        self.learn_beyond(session, None);
    }

    /// The issuer has handed this out against a new password: whoever has what was before is out.
    pub(crate) fn learn_renewed(&self, session: &Arc<Session>) {
        self.learn_beyond(session, Some(session.age().before()));
    }

    fn learn_beyond(&self, session: &Arc<Session>, renewed: Option<Age>) {
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
        self.known
            .entry(sid.to_owned())
            .and_compute_with(|known| next(known.map(moka::Entry::into_value)).map_or(Op::Nop, Op::Put));
    }

    /// It has ended, in every state.
    pub(crate) fn end(&self, sid: &str, over: Over) {
        let known = Known::Ended { upto: Age::MAX, superseded: over == Over::Replaced };
        self.known.insert(sid.to_owned(), known);
    }

    /// The issuer takes no token of this state any more. What came after it may be good: a change of password ends
    /// what was before, and we may have heard of the change first.
    fn refused(&self, session: &Session, superseded: bool) {
        self.change(&session.sid, |known| match known {
            Some(Known::Newest { session: newest, .. }) if newest.age() > session.age() => None,
            Some(Known::Ended { upto, .. }) if upto >= session.age() => None,
            Some(Known::Newest { .. } | Known::Ended { .. }) | None => {
                Some(Known::Ended { upto: session.age(), superseded })
            }
        });
    }

    /// A state of the session with an access token that is good for a while. Where that is not to be had, one that
    /// is good for now will do.
    pub(crate) async fn fresh(
        self: &Arc<Self>,
        session: &Arc<Session>,
        client: &OnBehalf,
    ) -> Result<Arc<Session>, Refused> {
        let session = match self.standing(session) {
            Standing::Is(session) => session,
            Standing::Ended { superseded } => return Err(Refused::Ended { superseded }),
        };
        let now = self.now();
        let left = session.left(now);
        if left > AHEAD || (left > WAIT && self.quiet_until.load(Relaxed) > now) {
            return Ok(session);
        }
        let flight = self.flight(&session, client);
        if left > WAIT {
            // The task goes on by itself, and the answer waits for it: see `settled`.
            return Ok(session);
        }
        match flight.await {
            Err(Refused::Unavailable { why, .. }) if session.left(self.now()) > 0 => {
                tracing::warn!(reason = %why, session.id = %session.sid, "a session cannot be refreshed; its access token is good still");
                Ok(session)
            }
            fresh => fresh,
        }
    }

    /// Waits a moment for the refresh of a session that is under way, if its token is about to expire.
    pub(crate) async fn settled(&self, session: &Session) {
        if session.left(self.now()) > AHEAD {
            return;
        }
        let begun = self.flights.lock().unwrap_or_else(PoisonError::into_inner).get(&session.sid).cloned();
        if let Some(Begun(flight, at)) = begun {
            let _ = tokio::time::timeout_at(at + SETTLING, flight).await;
        }
    }

    /// The state after `session`: one that is known, or by a refresh.
    pub(crate) async fn renewed(
        self: &Arc<Self>,
        session: &Arc<Session>,
        client: &OnBehalf,
    ) -> Result<Arc<Session>, Refused> {
        match self.standing(session) {
            Standing::Ended { superseded } => Err(Refused::Ended { superseded }),
            Standing::Is(newest) if newest.age() > session.age() => Ok(newest),
            Standing::Is(session) => self.flight(&session, client).await,
        }
    }

    /// The refresh that is under way, or a new one. It ends by itself, whoever waits.
    fn flight(self: &Arc<Self>, session: &Arc<Session>, client: &OnBehalf) -> Flight {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Begun(flight, _)) = flights.get(&session.sid) {
            return flight.clone();
        }
        // Whoever was faster may have landed since we looked.
        match self.standing(session) {
            Standing::Is(newest) if newest.age() > session.age() => {
                return futures_util::future::ready(Ok(newest)).boxed().shared();
            }
            Standing::Ended { superseded } => {
                return futures_util::future::ready(Err(Refused::Ended { superseded })).boxed().shared();
            }
            Standing::Is(_) => {}
        }
        let (keeper, session, client) = (self.clone(), session.clone(), client.clone());
        let sid = session.sid.clone();
        let task = tokio::spawn(async move {
            let _landing = Landing { keeper: &keeper, sid: &session.sid };
            keeper.refresh(&session, &client).await
        });
        let lost = |_| Err(Refused::Unavailable { why: "the refresh was given up".into(), retry_after: 1 });
        let flight = task.map(move |outcome| outcome.unwrap_or_else(lost)).boxed().shared();
        flights.insert(sid, Begun(flight.clone(), tokio::time::Instant::now()));
        flight
    }

    async fn refresh(&self, session: &Arc<Session>, client: &OnBehalf) -> Result<Arc<Session>, Refused> {
        match self.issuer.refresh(&session.contents.refresh, client).await {
            Ok(tokens) => {
                self.refreshed[0].increment(1);
                let fresh = self.admit(tokens, client).await?;
                self.learn(&fresh);
                Ok(fresh)
            }
            Err(Refused::Ended { superseded }) => {
                self.refreshed[1].increment(1);
                self.refused(session, superseded);
                match self.standing(session) {
                    Standing::Is(newest) if newest.age() > session.age() => Ok(newest),
                    Standing::Is(_) => Err(Refused::Ended { superseded }),
                    Standing::Ended { superseded } => Err(Refused::Ended { superseded }),
                }
            }
            Err(unavailable) => {
                self.refreshed[2].increment(1);
                self.quiet_until.store(self.now() + QUIET, Relaxed);
                Err(unavailable)
            }
        }
    }

    /// A session of what the issuer has handed out, with the token for the app if that is to be had right away.
    pub(crate) async fn admit(&self, tokens: Tokens, client: &OnBehalf) -> Result<Arc<Session>, Refused> {
        let upstream = if tokens.must_change_password {
            None
        } else {
            let exchanged = self.issuer.exchange(&tokens.access_token, &self.audience, client).await;
            exchanged.inspect_err(|error| tracing::warn!(?error, "no token for the app yet")).ok()
        };
        let session = Session::new(tokens, upstream, self.now());
        let unusable = || Refused::Unavailable { why: "an access token that is none".into(), retry_after: 2 };
        session.map(Arc::new).ok_or_else(unusable)
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
