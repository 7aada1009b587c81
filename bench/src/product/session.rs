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
}

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
        format!(
            "X-Portcullis-Forward: {FORWARD_SECRET}\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\n\
             X-Forwarded-Host: app.example\r\nX-Forwarded-Uri: /messages?limit=20\r\n{}",
            self.bearer()
        )
    }

    /// The header line that says who asks.
    pub(crate) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", String::from_utf8_lossy(&self.access))
    }
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
