//! An outside world that answers as a test says.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use portcullis_app::outbound::{Fetched, Outbound, OutboundError};

/// Answers by URL; where there is none, nobody answers.
#[derive(Default)]
pub struct FakeOutbound {
    state: Mutex<(HashMap<String, Bytes>, usize)>,
}

impl FakeOutbound {
    /// From now on `url` answers `body`.
    pub fn answer(&self, url: &str, body: impl Into<Bytes>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.insert(url.to_owned(), body.into());
    }

    /// From now on nobody answers at `url`.
    pub fn fall_silent(&self, url: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.remove(url);
    }

    /// How often somebody has asked.
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

impl Outbound for FakeOutbound {
    fn get<'a>(&'a self, url: &'a str, most: usize) -> Fetched<'a> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 += 1;
        let found = state.0.get(url).filter(|body| body.len() <= most).cloned();
        Box::pin(std::future::ready(found.ok_or_else(|| OutboundError::Failed("nobody answers".into()))))
    }
}
