//! Somebody signed in, and how they come to be.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use super::server::FORWARD_SECRET;
use crate::client::{self, Client};
use crate::json;
use crate::options::CALLERS;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "the quiet harbour at noon";

/// When somebody who was turned away tries again.
const LATER: Duration = Duration::from_millis(200);
/// How long everybody together may take to register.
const PATIENCE: Duration = Duration::from_mins(5);

/// A session with the tokens it got last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) email: String,
    pub(crate) access: Vec<u8>,
    pub(crate) refresh: Vec<u8>,
    pub(crate) device: Vec<u8>,
    /// An API token, once it has been asked for.
    pub(crate) api_token: Vec<u8>,
}

/// What a proxy asks with: the family of headers that the product reads by default.
const ASKED: &str = "X-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: app.example.org\r\n\
    X-Forwarded-Uri: /orders/17\r\n";

impl Session {
    /// Takes the tokens of a token response; `false`: it has none.
    pub(crate) fn accept(&mut self, body: &[u8]) -> bool {
        let (Some(access), Some(refresh)) =
            (json::text(body, "access_token"), json::text(body, "refresh_token"))
        else {
            return false;
        };
        replace(&mut self.access, access);
        replace(&mut self.refresh, refresh);
        if let Some(device) = json::text(body, "device_token") {
            replace(&mut self.device, device);
        }
        true
    }

    /// The header lines of a forward-auth call.
    pub(crate) fn verify_headers(&self) -> String {
        Self::asked_with(&self.access)
    }

    /// The same with the API token.
    pub(crate) fn api_token_headers(&self) -> String {
        Self::asked_with(&self.api_token)
    }

    fn asked_with(token: &[u8]) -> String {
        let token = String::from_utf8_lossy(token);
        format!("X-Portcullis-Forward: {FORWARD_SECRET}\r\n{ASKED}Authorization: Bearer {token}\r\n")
    }

    /// The header line that says who asks.
    pub(crate) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", String::from_utf8_lossy(&self.access))
    }
}

/// Makes an API token for each of `sessions`, over as many connections as there are callers otherwise.
pub(crate) async fn make_api_tokens(target: SocketAddr, sessions: Vec<Session>) -> Result<Vec<Session>> {
    let mut hands: Vec<Vec<Session>> = (0..CALLERS).map(|_| Vec::new()).collect();
    for (at, session) in sessions.into_iter().enumerate() {
        hands[at % CALLERS].push(session);
    }
    let mut tasks = JoinSet::new();
    for hand in hands {
        tasks.spawn(make_some_api_tokens(target, hand));
    }
    let mut made = Vec::new();
    while let Some(done) = tasks.join_next().await {
        made.extend(done??);
    }
    Ok(made)
}

async fn make_some_api_tokens(target: SocketAddr, mut sessions: Vec<Session>) -> Result<Vec<Session>> {
    let mut client = Client::new(target);
    for session in &mut sessions {
        let request = client::post_as("/auth/tokens", &session.bearer(), br#"{"name":"bench"}"#);
        let reply = client.send(&request).await.context("POST /auth/tokens")?;
        let token = json::text(reply.body, "token").filter(|_| reply.status == 201);
        let token = token.with_context(|| format!("POST /auth/tokens: {}", reply.status))?;
        replace(&mut session.api_token, token);
    }
    Ok(sessions)
}

fn replace(held: &mut Vec<u8>, new: &[u8]) {
    held.clear();
    held.extend_from_slice(new);
}

/// Registers users of these numbers, over as many connections as there are callers otherwise.
pub(crate) async fn register(target: SocketAddr, numbers: Range<usize>) -> Result<Vec<Session>> {
    let mut tasks = JoinSet::new();
    for first in numbers.clone().take(CALLERS) {
        tasks.spawn(register_some(target, (first..numbers.end).step_by(CALLERS).collect()));
    }
    let all = async {
        let mut sessions = Vec::with_capacity(numbers.len());
        while let Some(done) = tasks.join_next().await {
            sessions.extend(done??);
        }
        Ok(sessions)
    };
    tokio::time::timeout(PATIENCE, all).await.context("registering takes too long")?
}

async fn register_some(target: SocketAddr, numbers: Vec<usize>) -> Result<Vec<Session>> {
    let (mut client, mut request, mut sessions) = (Client::new(target), Vec::new(), Vec::new());
    for number in numbers {
        let mut session = Session { email: format!("u{number}@bench.example.org"), ..Session::default() };
        let body = format!(r#"{{"email":"{}","password":"{PASSWORD}","delivery":"body"}}"#, session.email);
        client::post(&mut request, "/auth/register", &[body.as_bytes()]);
        let mut reply = client.send(&request).await.context("POST /auth/register")?;
        while reply.status == 503 {
            // The hashing queue is full: its real bound, and no fault.
            tokio::time::sleep(LATER).await;
            reply = client.send(&request).await.context("POST /auth/register")?;
        }
        let complete = reply.status == 201 && session.accept(reply.body);
        ensure!(complete, "POST /auth/register: {} {}", reply.status, String::from_utf8_lossy(reply.body));
        sessions.push(session);
    }
    Ok(sessions)
}

#[cfg(test)]
mod tests {
    use super::Session;

    #[test]
    fn tokens_are_taken_and_a_device_token_stays() {
        let mut session = Session { device: b"d".to_vec(), ..Session::default() };
        assert!(session.accept(br#"{"access_token":"a1","x":1,"refresh_token":"r1"}"#));
        assert!(session.accept(br#"{"access_token":"a2","refresh_token":"r2"}"#));
        assert_eq!((&session.access[..], &session.refresh[..]), (&b"a2"[..], &b"r2"[..]));
        assert_eq!(session.device, b"d");
        assert!(!session.accept(br#"{"access_token":"a3"}"#));
        assert_eq!(session.access, b"a2");
    }
}
