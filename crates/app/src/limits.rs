//! Rate limits, shared by all nodes over the store. A counter known to be full is refused from memory until it
//! has room again, without a statement.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use portcullis_core::rate::Rate;
use portcullis_core::server_key::Purpose;
use portcullis_core::time::Timestamp;
use portcullis_store::limits::{CounterKey, Take};

use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;

/// Most counters kept in memory; beyond it all are dropped, and the store is asked again.
const REMEMBERED: usize = 20_000;
/// An IPv6 /48 may have this many times as much as a /64.
const WIDE_FACTOR: u32 = 10;

/// Too many calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Which limit, as in the configuration.
    pub name: &'static str,
    /// When the next one is let through.
    pub retry_after: Duration,
    /// The limit.
    pub rate: Rate,
}

/// What a limited call may come to.
#[derive(Debug)]
pub enum LimitError {
    /// Too many calls.
    Limited(Limited),
    /// The counter cannot be reached.
    Fault(Fault),
}

/// What this node remembers of counters.
#[derive(Default)]
pub struct Memory {
    /// Full until then.
    full: Mutex<HashMap<CounterKey, Timestamp>>,
    /// Counters that only this node keeps: what they count writes nothing.
    local: Mutex<HashMap<CounterKey, Timestamp>>,
}

fn locked(
    map: &Mutex<HashMap<CounterKey, Timestamp>>,
) -> std::sync::MutexGuard<'_, HashMap<CounterKey, Timestamp>> {
    map.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Memory {
    fn full_until(&self, key: &CounterKey, now: Timestamp) -> Option<Timestamp> {
        locked(&self.full).get(key).copied().filter(|until| *until > now)
    }

    fn remember(&self, key: CounterKey, until: Timestamp) {
        let mut full = locked(&self.full);
        if full.len() >= REMEMBERED {
            full.clear();
        }
        full.insert(key, until);
    }

    /// Counts one call against `rate` in this node alone; refused, with the time until the next one.
    pub(crate) fn take_local(&self, key: CounterKey, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        let mut local = locked(&self.local);
        if local.len() >= REMEMBERED {
            local.retain(|_, full_at| *full_at > now);
            if local.len() >= REMEMBERED {
                local.clear();
            }
        }
        let full_at = local.entry(key).or_insert(now);
        let next = (*full_at).max(now) + Duration::from_micros(rate.cost().cast_unsigned());
        if next > now + rate.per {
            return Err(rate.retry_after(*full_at, now));
        }
        *full_at = next;
        Ok(())
    }

    /// Forgets what says nothing any more.
    pub(crate) fn forget(&self, now: Timestamp) {
        for map in [&self.full, &self.local] {
            let mut map = locked(map);
            map.retain(|_, until| *until > now);
            if map.is_empty() {
                map.shrink_to_fit();
            }
        }
    }
}

impl Cx {
    /// The name of a counter.
    pub(crate) fn counter(&self, name: &str, parts: &[&[u8]]) -> CounterKey {
        let mut all: Vec<&[u8]> = vec![name.as_bytes(), &[0]];
        all.extend_from_slice(parts);
        self.ring.current().mac(Purpose::Counter, &all)
    }

    /// Counts one call of `client` against the limit `name`.
    pub(crate) async fn limit(
        &self,
        name: &'static str,
        rate: Option<Rate>,
        client: &Client,
    ) -> Result<(), LimitError> {
        let Some(rate) = rate else { return Ok(()) };
        self.take(name, self.counter(name, &[&client.block]), rate).await?;
        if let Some(wide) = &client.wide_block {
            self.take(name, self.counter(name, &[wide]), rate.times(WIDE_FACTOR)).await?;
        }
        Ok(())
    }

    /// Refuses `client` if this node knows that the limit `name` is used up; counts nothing and asks nobody.
    pub(crate) fn known_limit(
        &self,
        name: &'static str,
        rate: Option<Rate>,
        client: &Client,
    ) -> Result<(), LimitError> {
        let Some(rate) = rate else { return Ok(()) };
        self.refuse_full(name, &self.counter(name, &[&client.block]), rate)?;
        match &client.wide_block {
            Some(wide) => self.refuse_full(name, &self.counter(name, &[wide]), rate.times(WIDE_FACTOR)),
            None => Ok(()),
        }
    }

    fn refuse_full(&self, name: &'static str, key: &CounterKey, rate: Rate) -> Result<(), LimitError> {
        let now = self.clock.now();
        match self.limits.full_until(key, now) {
            Some(until) => Err(limited(name, until.since(now), rate)),
            None => Ok(()),
        }
    }

    pub(crate) async fn take(
        &self,
        name: &'static str,
        key: CounterKey,
        rate: Rate,
    ) -> Result<(), LimitError> {
        self.refuse_full(name, &key, rate)?;
        let now = self.clock.now();
        match self.store.take(key, rate, now).await.map_err(|error| LimitError::Fault(error.into()))? {
            Take::Granted(_) => Ok(()),
            Take::Refused(full_at) => {
                let wait = rate.retry_after(full_at, now);
                self.limits.remember(key, now + wait);
                Err(limited(name, wait, rate))
            }
        }
    }
}

fn limited(name: &'static str, wait: Duration, rate: Rate) -> LimitError {
    let retry_after = wait.max(Duration::from_secs(1));
    LimitError::Limited(Limited { name, retry_after, rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_counter_refills() {
        let memory = Memory::default();
        let rate = Rate::per_minute(3);
        let start = Timestamp::from_seconds(1_000);
        for _ in 0..3 {
            memory.take_local([0; 16], rate, start).expect("within the rate");
        }
        let wait = memory.take_local([0; 16], rate, start).expect_err("one too many");
        assert_eq!(wait, Duration::from_secs(20));
        memory.take_local([1; 16], rate, start).expect("another counter");
        memory.take_local([0; 16], rate, start + Duration::from_secs(20)).expect("refilled by one");
    }
}
