//! An outside world that answers as a test says.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use portcullis_app::outbound::{Fetched, Outbound, OutboundError};
use tokio::sync::watch;

/// Answers by URL; where there is none, nobody answers.
#[derive(Default)]
pub struct FakeOutbound {
    state: Mutex<State>,
    /// Answers wait while this says so.
    held: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Bytes>,
    asked: usize,
}

impl FakeOutbound {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `url` answers `body`.
    pub fn answer(&self, url: &str, body: impl Into<Bytes>) {
        self.state().answers.insert(url.to_owned(), body.into());
    }

    /// From now on nobody answers at `url`.
    pub fn fall_silent(&self, url: &str) {
        self.state().answers.remove(url);
    }

    /// From now on every answer waits for [`Self::release`].
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Lets the answers come.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// How often somebody has asked.
    pub fn asked(&self) -> usize {
        self.state().asked
    }
}

impl Outbound for FakeOutbound {
    fn get<'a>(&'a self, url: &'a str, most: usize) -> Fetched<'a> {
        let mut held = self.held.subscribe();
        self.state().asked += 1;
        Box::pin(async move {
            // Never closed: the sender is here.
            let _ = held.wait_for(|held| !held).await;
            let found = self.state().answers.get(url).filter(|body| body.len() <= most).cloned();
            found.ok_or_else(|| OutboundError::Failed("nobody answers".into()))
        })
    }
}
