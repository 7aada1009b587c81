//! What a provider publishes, kept for a while.
//!
//! Whoever comes while it is fetched waits for that one answer, which is kept even if who needed it has gone away. While
//! the provider is down the last good answer serves on; one that says what it must not is not covered up by an old one.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::time::Timestamp;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::ProviderFault;

/// How long an answer is good.
const KEPT: Duration = Duration::from_hours(1);
/// How soon somebody is asked again, whatever happens.
const AGAIN: Duration = Duration::from_secs(10);

/// One published thing.
pub(super) struct Cached<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    value: Option<Arc<T>>,
    /// Of the value; none: it is in doubt.
    fetched_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    /// Of the last try.
    fault: Option<ProviderFault>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { value: None, fetched_at: None, asked_at: None, fault: None })))
    }
}

impl<T> State<T> {
    fn fresh(&self, now: Timestamp) -> Option<&Arc<T>> {
        self.value.as_ref().filter(|_| self.fetched_at.is_some_and(|at| now < at + KEPT))
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        self.asked_at.is_none_or(|at| now >= at + AGAIN)
    }

    /// What there is, good or old.
    fn answer(&self) -> Result<Arc<T>, ProviderFault> {
        let none = || ProviderFault::Unavailable("it was asked a moment ago".into());
        self.value.clone().ok_or_else(|| self.fault.clone().unwrap_or_else(none))
    }
}

impl<T: Send + Sync + 'static> Cached<T> {
    /// What is published; by `fetch` if nothing good is kept.
    pub(super) async fn get<F>(&self, now: Timestamp, fetch: F) -> Result<Arc<T>, ProviderFault>
    where
        F: Future<Output = Result<T, ProviderFault>> + Send + 'static,
    {
        let state = self.0.clone().lock_owned().await;
        if let Some(value) = state.fresh(now) {
            return Ok(value.clone());
        }
        if !state.may_ask(now) {
            return state.answer();
        }
        let fetching = tokio::spawn(renew(state, now, fetch));
        let state = fetching.await.map_err(|_| ProviderFault::Unavailable("the fetch panicked".into()))?;
        state.answer()
    }

    /// What is kept may not be true any more: the next one who needs it asks.
    pub(super) async fn doubt(&self) {
        self.0.lock().await.fetched_at = None;
    }
}

async fn renew<T, F>(
    mut state: OwnedMutexGuard<State<T>>,
    now: Timestamp,
    fetch: F,
) -> OwnedMutexGuard<State<T>>
where
    F: Future<Output = Result<T, ProviderFault>>,
{
    state.asked_at = Some(now);
    match fetch.await {
        Ok(value) => {
            state.value = Some(Arc::new(value));
            state.fetched_at = Some(now);
            state.fault = None;
        }
        Err(fault) => {
            if matches!(fault, ProviderFault::Refused(_)) {
                state.value = None;
            }
            state.fault = Some(fault);
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const DOWN: fn() -> ProviderFault = || ProviderFault::Unavailable("down".into());
    const WRONG: ProviderFault = ProviderFault::Refused("wrong");

    async fn get(
        cached: &Cached<u32>,
        after: u64,
        answer: Result<u32, ProviderFault>,
    ) -> Result<u32, ProviderFault> {
        let got = cached.get(START + Duration::from_secs(after), async { answer }).await;
        got.map(|value| *value)
    }

    #[tokio::test]
    async fn an_answer_is_good_for_an_hour_unless_it_is_doubted() {
        let cached = Cached::default();
        assert_eq!(get(&cached, 0, Ok(1)).await, Ok(1));
        assert_eq!(get(&cached, 3_599, Ok(2)).await, Ok(1));
        assert_eq!(get(&cached, 3_600, Ok(2)).await, Ok(2));
        cached.doubt().await;
        assert_eq!(get(&cached, 3_609, Ok(3)).await, Ok(2), "asked a moment ago");
        assert_eq!(get(&cached, 3_610, Ok(3)).await, Ok(3));
    }

    #[tokio::test]
    async fn the_last_good_answer_outlives_a_provider_that_is_down_but_not_a_wrong_one() {
        let cached = Cached::default();
        assert_eq!(get(&cached, 0, Err(DOWN())).await, Err(DOWN()));
        assert_eq!(get(&cached, 9, Ok(1)).await, Err(DOWN()), "not asked again so soon");
        assert_eq!(get(&cached, 10, Ok(1)).await, Ok(1));
        assert_eq!(get(&cached, 4_000, Err(DOWN())).await, Ok(1));
        assert_eq!(get(&cached, 4_010, Err(WRONG)).await, Err(WRONG));
        assert_eq!(get(&cached, 4_011, Ok(2)).await, Err(WRONG));
        assert_eq!(get(&cached, 4_020, Ok(2)).await, Ok(2));
    }

    #[tokio::test]
    async fn many_who_come_at_once_ask_once() {
        let (cached, asked) = (Arc::new(Cached::default()), Arc::new(AtomicU32::new(0)));
        let (open, door) = tokio::sync::watch::channel(false);
        let one = |_| {
            let (cached, asked, mut door) = (cached.clone(), asked.clone(), door.clone());
            tokio::spawn(async move {
                let fetch = async move {
                    asked.fetch_add(1, Ordering::SeqCst);
                    let _ = door.wait_for(|open| *open).await;
                    Ok(7)
                };
                cached.get(START, fetch).await.map(|value| *value)
            })
        };
        let mut all: Vec<_> = (0..8).map(one).collect();
        // Whoever fetches is gone before the answer comes; it is kept all the same.
        tokio::task::yield_now().await;
        all.swap_remove(0).abort();
        open.send(true).expect("somebody waits");
        for waiting in all {
            assert_eq!(waiting.await.expect("no panic"), Ok(7));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
