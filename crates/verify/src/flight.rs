//! One question for many who ask the same at the same time.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The questions under way.
pub(crate) struct Flights<T> {
    running: Arc<Running<T>>,
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
    pub(crate) fn new() -> Self {
        Self { running: Arc::new(Running(Mutex::default())) }
    }

    /// What `work` answers, or the work that was started for `key` before and has not ended. Runs to its end even if
    /// everyone who asked goes away. None if it panicked.
    pub(crate) async fn join<F>(&self, key: &str, work: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut answer = self.board(key, work);
        answer.wait_for(Option::is_some).await.ok()?.clone()
    }

    fn board<F>(&self, key: &str, work: impl FnOnce() -> F) -> watch::Receiver<Option<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut running = self.running.lock();
        if let Some(answer) = running.get(key) {
            return answer.clone();
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
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_wait_for_one() {
        let (flights, runs, go) = (Flights::new(), Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
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
        assert_eq!((one, two), (Some(0), Some(0)));
        go.notify_one();
        assert_eq!(ask("a").await, Some(1), "what has ended is asked again");
        assert!(flights.running.lock().is_empty());
    }

    #[tokio::test]
    async fn a_panic_leaves_nothing_behind() {
        let flights: Flights<u8> = Flights::new();
        assert_eq!(flights.join("a", || async { panic!("as told") }).await, None);
        assert_eq!(flights.join("a", || async { 1 }).await, Some(1));
    }
}
