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
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use metrics::{Counter, counter};
use portcullis_core::time::Clock;

use crate::issuer::{Issuer, OnBehalf, Refused};
use crate::known::Knowledge;
pub(crate) use crate::known::{Over, Standing};
use crate::session::{Session, Tokens};

/// An access token is renewed when this much or less of its life is left, in seconds.
pub(crate) const AHEAD: i64 = 60;
/// With less than this left, requests wait for the new one; with more they go on with the old one.
const WAIT: i64 = 10;
/// The head of an answer waits until so long after a refresh has begun.
const SETTLING: Duration = Duration::from_secs(2);
/// How long nobody is refreshed ahead after a failure, in seconds.
const QUIET: i64 = 3;

type Flight = Shared<BoxFuture<'static, Result<Arc<Session>, Refused>>>;

/// A refresh under way, and since when.
#[derive(Clone)]
struct Begun(Flight, tokio::time::Instant);

/// All sessions that were seen of late.
pub(crate) struct Keeper {
    issuer: Arc<Issuer>,
    clock: Arc<dyn Clock>,
    audience: Arc<str>,
    known: Knowledge,
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

impl Keeper {
    pub(crate) fn new(
        issuer: Arc<Issuer>,
        clock: Arc<dyn Clock>,
        audience: Arc<str>,
        grace: Duration,
    ) -> Arc<Self> {
        let known = Knowledge::new(grace);
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
        self.known.standing(session)
    }

    /// The issuer has handed this out.
    pub(crate) fn learn(&self, session: &Arc<Session>) {
        self.known.learn(session, None);
    }

    /// The issuer has handed this out against a new password: whoever has what was before is out.
    pub(crate) fn learn_renewed(&self, session: &Arc<Session>) {
        self.known.learn(session, Some(session.age().before()));
    }

    /// An answer carries its cookies.
    pub(crate) fn told(&self, session: &Session) {
        self.known.told(session);
    }

    /// It has ended, in every state.
    pub(crate) fn end(&self, sid: &str, over: Over) {
        self.known.end(sid, over);
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
                self.known.refused(session, superseded);
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
        let upstream = if tokens.must_change_password || tokens.must_set_up_factor {
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
