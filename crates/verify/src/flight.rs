//! One question for many who ask the same at the same time, and only so many questions.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The questions under way.
pub(crate) struct Flights<T> {
    running: Arc<Running<T>>,
    most: usize,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// As many are under way as may be.
    Full,
    /// The work panicked.
    Lost,
}

struct Running<T>(Mutex<HashMap<Box<str>, watch::Receiver<Option<T>>>>);

impl<T> Running<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, watch::Receiver<Option<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the flight however the work ends, a panic included.
struct Landing<T> {
    running: Arc<Running<T>>,
    key: Box<str>,
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        self.running.lock().remove(&self.key);
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// At most `most` at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self { running: Arc::new(Running(Mutex::default())), most }
    }

    /// What `work` answers, or the work that was started for `key` before and has not ended. Runs to its end even if
    /// everyone who asked goes away.
    pub(crate) async fn join<F>(&self, key: &str, work: impl FnOnce() -> F) -> Result<T, NoAnswer>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut answer = self.board(key, work).ok_or(NoAnswer::Full)?;
        let value = answer.wait_for(Option::is_some).await.map_err(|_| NoAnswer::Lost)?.clone();
        value.ok_or(NoAnswer::Lost)
    }

    fn board<F>(&self, key: &str, work: impl FnOnce() -> F) -> Option<watch::Receiver<Option<T>>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut running = self.running.lock();
        if let Some(answer) = running.get(key) {
            return Some(answer.clone());
        }
        if running.len() >= self.most {
            return None;
        }
        let (sender, answer) = watch::channel(None);
        running.insert(key.into(), answer.clone());
        let landing = Landing { running: self.running.clone(), key: key.into() };
        let work = work();
        tokio::spawn(async move {
            let value = work.await;
            // Who comes after this must find the value where the work has put it.
            drop(landing);
            sender.send_replace(Some(value));
        });
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_wait_for_one() {
        let (flights, runs, go) = (Flights::new(1), Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let ask = |key: &'static str| {
            let (runs, go) = (runs.clone(), go.clone());
            flights.join(key, move || async move {
                let run = runs.fetch_add(1, Ordering::Relaxed);
                go.notified().await;
                run
            })
        };
        let open = async {
            tokio::task::yield_now().await;
            go.notify_one();
        };
        let (one, two, ()) = tokio::join!(ask("a"), ask("a"), open);
        assert_eq!((one, two), (Ok(0), Ok(0)));
        go.notify_one();
        assert_eq!(ask("a").await, Ok(1), "what has ended is asked again");
        assert!(flights.running.lock().is_empty());
    }

    #[tokio::test]
    async fn beyond_the_most_nobody_waits() {
        let (flights, go) = (Flights::new(1), Arc::new(Notify::new()));
        let ask = |key: &'static str| {
            let go = go.clone();
            flights.join(key, move || async move { go.notified().await })
        };
        let other = async {
            tokio::task::yield_now().await;
            assert_eq!(ask("b").await, Err(NoAnswer::Full));
            go.notify_one();
        };
        assert_eq!(tokio::join!(ask("a"), ask("a"), other), (Ok(()), Ok(()), ()));
        go.notify_one();
        assert_eq!(ask("b").await, Ok(()));
    }

    #[tokio::test]
    async fn a_panic_leaves_nothing_behind() {
        let flights: Flights<u8> = Flights::new(1);
        assert_eq!(flights.join("a", || async { panic!("as told") }).await, Err(NoAnswer::Lost));
        assert_eq!(flights.join("a", || async { 1 }).await, Ok(1));
    }
}
