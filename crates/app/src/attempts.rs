//! Attempts at a password, counted in the store.
//!
//! 1. Take turns: on one node, one attempt at a time for one bucket. A right password starts the bucket afresh,
//!    so people who sign in many times at once are let in one after the other, however few guesses are free.
//! 2. A bucket in which nothing is counted, which is what most people have who sign in, costs no write: the
//!    attempt counts once it has turned out wrong, before that is said. So each node may have one attempt under
//!    way that nobody has counted yet, and no more: as long as there are no more nodes than free attempts, that
//!    gives nobody a guess beyond them.
//! 3. In any other bucket the attempt is reserved before the password is looked at. If it is closed, the guess
//!    is neither evaluated nor counted: the caller answers as for a wrong one, after the time that an evaluation
//!    takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_store::limits::CounterKey;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::timeout;

use crate::cx::Cx;
use crate::fault::Fault;

/// Longest wait for one's turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whose turn it is, for every bucket that somebody is at.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<CounterKey, Arc<Turn<()>>>>);

impl Turns {
    fn map(&self) -> MutexGuard<'_, HashMap<CounterKey, Arc<Turn<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody at a bucket: waiting, or having their turn.
pub(crate) struct Attempt<'a> {
    turns: &'a Turns,
    key: CounterKey,
    counted: bool,
    bucket: Option<Arc<Turn<()>>>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Attempt<'_> {
    /// The bucket that a right password starts afresh; `None`: nothing is counted in it.
    pub(crate) fn to_forgive(&self) -> Option<CounterKey> {
        self.counted.then_some(self.key)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.turn = None;
        let mut map = self.turns.map();
        self.bucket = None;
        // Nobody else is at it: forget it.
        if map.get(&self.key).is_some_and(|bucket| Arc::strong_count(bucket) == 1) {
            map.remove(&self.key);
        }
    }
}

impl Cx {
    /// An attempt; `None`: the bucket is closed, and the time of an evaluation has passed.
    pub(crate) async fn attempt(&self, key: CounterKey) -> Result<Option<Attempt<'_>>, Fault> {
        let bucket = self.turns.map().entry(key).or_default().clone();
        let mut attempt =
            Attempt { turns: &self.turns, key, counted: false, bucket: Some(bucket.clone()), turn: None };
        let turn = timeout(PATIENCE, bucket.lock_owned()).await;
        attempt.turn = Some(turn.map_err(|_| Fault::HashingBusy { retry_after: Duration::from_secs(1) })?);
        if self.store.is_clean(key).await? {
            return Ok(Some(attempt));
        }
        attempt.counted = self.store.reserve_attempt(key, self.clock.now()).await?;
        if attempt.counted {
            return Ok(Some(attempt));
        }
        drop(attempt);
        tokio::time::sleep(self.hasher.recent_duration()).await;
        Ok(None)
    }

    /// The password was wrong.
    pub(crate) async fn count(&self, attempt: Attempt<'_>) -> Result<(), Fault> {
        if !attempt.counted {
            // Closed by another node meanwhile: then it is closed.
            self.store.reserve_attempt(attempt.key, self.clock.now()).await?;
        }
        Ok(())
    }

    /// The password was never looked at.
    pub(crate) async fn return_attempt(&self, attempt: Attempt<'_>) -> Result<(), Fault> {
        if attempt.counted {
            self.store.return_attempt(attempt.key).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_forgotten_with_the_last_one_at_it() {
        let turns = Turns::default();
        let at = || {
            let bucket = turns.map().entry([0; 16]).or_default().clone();
            Attempt { turns: &turns, key: [0; 16], counted: false, bucket: Some(bucket), turn: None }
        };
        let (one, other) = (at(), at());
        drop(one);
        assert_eq!(turns.map().len(), 1);
        drop(other);
        assert_eq!(turns.map().len(), 0);
    }
}
