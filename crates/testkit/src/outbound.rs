//! An outside world that answers as a test says.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use portcullis_app::outbound::{Answer, Answered, Fetched, Outbound, OutboundError, Post};
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
    responses: HashMap<String, Answer>,
    posted: Vec<Posted>,
    asked: usize,
}

/// Something that was sent, and answered.
#[derive(Clone, Debug)]
pub struct Posted {
    /// To whom.
    pub url: String,
    /// The headers that were given.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// What was answered.
    pub status: u16,
}

impl Posted {
    /// A header's value.
    ///
    /// # Panics
    /// If it was not sent.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| *known == name);
        found.map_or_else(|| panic!("no {name}"), |(_, value)| value.as_str())
    }
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

    /// From now on a `POST` to `url` is answered so.
    pub fn respond(&self, url: &str, status: u16, body: impl Into<Bytes>) {
        self.state().responses.insert(url.to_owned(), Answer { status, body: body.into() });
    }

    /// From now on nobody answers a `POST` to `url`.
    pub fn go_down(&self, url: &str) {
        self.state().responses.remove(url);
    }

    /// All that was sent and answered.
    pub fn posted(&self) -> Vec<Posted> {
        self.state().posted.clone()
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

    fn post<'a>(&'a self, request: Post<'a>) -> Answered<'a> {
        let mut held = self.held.subscribe();
        self.state().asked += 1;
        Box::pin(async move {
            let _ = held.wait_for(|held| !held).await;
            let mut state = self.state();
            let found = state.responses.get(request.url).cloned();
            let answer = found.ok_or_else(|| OutboundError::Failed("nobody answers".into()))?;
            state.posted.push(Posted {
                url: request.url.to_owned(),
                headers: request.headers.to_vec(),
                body: request.body,
                status: answer.status,
            });
            Ok(answer)
        })
    }
}
