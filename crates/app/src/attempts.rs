//! Attempts at a password, reserved in the store before the password is looked at.
//!
//! 1. Reserve. If the bucket is closed while an attempt of this node on the same bucket is under way, wait for
//!    it: a right password opens the bucket again, and people who sign in several times at once are not turned
//!    away.
//! 2. Closed all the same: the guess is neither evaluated nor counted. The caller answers as for a wrong one,
//!    after the time that an evaluation takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_store::limits::CounterKey;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::cx::Cx;
use crate::fault::Fault;

/// How long to wait for attempts under way.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Flight {
    under_way: usize,
    landed: Arc<Notify>,
}

/// Attempts of this node that are under way.
#[derive(Default)]
pub struct Flights(Mutex<HashMap<CounterKey, Flight>>);

/// An attempt that is under way.
pub(crate) struct Attempt<'a> {
    flights: &'a Flights,
    pub(crate) key: CounterKey,
}

impl Flights {
    fn begin(&self, key: CounterKey) -> Attempt<'_> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.entry(key).or_default().under_way += 1;
        Attempt { flights: self, key }
    }

    fn landing(&self, key: CounterKey) -> Option<Arc<Notify>> {
        let flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.get(&key).map(|flight| flight.landed.clone())
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get_mut(&self.key) {
            flight.under_way -= 1;
            flight.landed.notify_waiters();
            if flight.under_way == 0 {
                flights.remove(&self.key);
            }
        }
    }
}

impl Cx {
    /// Reserves an attempt; `None`: the bucket is closed, and the time of an evaluation has passed.
    pub(crate) async fn attempt(&self, key: CounterKey) -> Result<Option<Attempt<'_>>, Fault> {
        let until = Instant::now() + PATIENCE;
        loop {
            let landing = self.flights.landing(key);
            // Listen before asking, so that a landing in between is not missed.
            let landed = landing.as_ref().map(|landing| {
                let mut landed = Box::pin(landing.notified());
                landed.as_mut().enable();
                landed
            });
            if self.store.reserve_attempt(key, self.clock.now()).await? {
                return Ok(Some(self.flights.begin(key)));
            }
            let waited = match landed {
                Some(landed) => timeout_at(until, landed).await.is_ok(),
                None => false,
            };
            if !waited {
                tokio::time::sleep(self.hasher.recent_duration()).await;
                return Ok(None);
            }
        }
    }
}
