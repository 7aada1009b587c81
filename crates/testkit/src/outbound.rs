//! An outside world that answers as a test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use portcullis_app::outbound::{Answer, Answered, Content, Outbound, OutboundError, Request};
use tokio::sync::watch;
use tower::ServiceExt as _;

/// Tells a server in this process that its answer may have [`SILENT`] instead of never coming.
pub(crate) const IN_PROCESS: &str = "x-in-process";
/// On an answer that is to be taken for none.
pub(crate) const SILENT: &str = "x-silent";

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
    places: Vec<(String, Place)>,
    posted: Vec<Posted>,
    asked: usize,
}

/// Who answers for a place.
#[derive(Clone)]
enum Place {
    Here(Router),
    Elsewhere(Arc<dyn Outbound>),
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

    /// From now on a server in this process answers whatever is asked of URLs that begin with `base`.
    pub fn place(&self, base: &str, server: Router) {
        self.state().places.push((base.to_owned(), Place::Here(server)));
    }

    /// From now on another client asks URLs that begin with `base`.
    pub fn ask_by(&self, base: &str, client: Arc<dyn Outbound>) {
        self.state().places.push((base.to_owned(), Place::Elsewhere(client)));
    }

    fn known(&self, request: &Request<'_>) -> Option<Answer> {
        let state = self.state();
        match request.content {
            Content::Nothing => {
                state.answers.get(request.url).map(|body| Answer { status: 200, body: body.clone() })
            }
            Content::Json(_) | Content::Form(_) => state.responses.get(request.url).cloned(),
        }
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
    fn send<'a>(&'a self, request: Request<'a>) -> Answered<'a> {
        let mut held = self.held.subscribe();
        self.state().asked += 1;
        Box::pin(async move {
            // Never closed: the sender is here.
            let _ = held.wait_for(|held| !held).await;
            let somewhere =
                self.state().places.iter().find(|place| request.url.starts_with(&place.0)).cloned();
            let answer = match somewhere {
                Some((_, Place::Here(server))) => ask(server, &request).await?,
                Some((_, Place::Elsewhere(client))) => client.send(request.clone()).await?,
                None => self.known(&request).ok_or_else(|| OutboundError::Failed("nobody answers".into()))?,
            };
            if request.most > 0 && answer.body.len() > request.most {
                return Err(OutboundError::Failed("length limit exceeded".into()));
            }
            if let Some(body) = body(&request.content) {
                self.state().posted.push(Posted {
                    url: request.url.to_owned(),
                    headers: request.headers.to_vec(),
                    body,
                    status: answer.status,
                });
            }
            Ok(answer)
        })
    }
}

fn body(content: &Content) -> Option<Bytes> {
    match content {
        Content::Nothing => None,
        Content::Json(body) => Some(body.clone()),
        Content::Form(form) => Some(form.clone().into()),
    }
}

/// The answer of a server in this process.
async fn ask(server: Router, request: &Request<'_>) -> Result<Answer, OutboundError> {
    let failed = |error: &dyn std::fmt::Display| OutboundError::Failed(error.to_string());
    let mut asked = http::Request::builder().uri(request.url).header(IN_PROCESS, "1");
    asked = match &request.content {
        Content::Nothing => asked,
        Content::Json(_) => asked.method("POST").header("content-type", "application/json"),
        Content::Form(_) => asked.method("POST").header("content-type", "application/x-www-form-urlencoded"),
    };
    for (name, value) in request.headers {
        asked = asked.header(*name, value);
    }
    let body = body(&request.content).unwrap_or_default();
    let asked = asked.body(Body::from(body)).map_err(|error| failed(&error))?;
    let response = server.oneshot(asked).await.unwrap_or_else(|never| match never {});
    if response.headers().contains_key(SILENT) {
        return Err(OutboundError::Failed("no answer in time".into()));
    }
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| failed(&error))?;
    Ok(Answer { status, body: body.to_bytes() })
}
