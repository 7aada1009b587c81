//! Those who call the product.

use std::net::SocketAddr;

use super::session::{PASSWORD, Session};
use crate::client::{self, Client};
use crate::driver::Caller;
use crate::options::CALLERS;
use crate::stats::{NO_ANSWER, Verdict};

/// Refreshes its sessions in turn, each always with the token that it got last.
pub(crate) struct Refresher {
    client: Client,
    request: Vec<u8>,
    sessions: Vec<Session>,
    next: usize,
}

impl Refresher {
    /// Deals the sessions out to `count` callers.
    pub(crate) fn deal(target: SocketAddr, sessions: Vec<Session>, count: usize) -> Vec<Self> {
        let mut callers: Vec<Self> = (0..count.min(sessions.len()))
            .map(|_| Self { client: Client::new(target), request: Vec::new(), sessions: Vec::new(), next: 0 })
            .collect();
        let hands = callers.len();
        for (index, session) in sessions.into_iter().enumerate() {
            callers[index % hands].sessions.push(session);
        }
        callers
    }

    /// The sessions back from their callers.
    pub(crate) fn collect(callers: Vec<Self>) -> Vec<Session> {
        callers.into_iter().flat_map(|caller| caller.sessions).collect()
    }
}

impl Caller for Refresher {
    async fn call(&mut self) -> Verdict {
        let at = self.next;
        self.next = (at + 1) % self.sessions.len();
        refresh(&mut self.client, &mut self.request, &mut self.sessions[at]).await
    }
}

/// One `POST /auth/refresh`.
pub(crate) async fn refresh(client: &mut Client, request: &mut Vec<u8>, session: &mut Session) -> Verdict {
    client::post(request, "/auth/refresh", &[br#"{"refresh_token":""#, &session.refresh, br#""}"#]);
    match client.send(request).await {
        Ok(reply) if reply.status == 200 && session.accept(reply.body) => Verdict::Done,
        Ok(reply) => Verdict::Failed(reply.status),
        Err(_) => Verdict::Failed(NO_ANSWER),
    }
}

/// Signs in again and again.
pub(crate) struct Login {
    client: Client,
    request: Vec<u8>,
    session: Session,
    /// Whether it presents the device token that it got.
    known: bool,
}

impl Login {
    /// One a session; of each `strangers_each`th the device is unknown (0: of none).
    pub(crate) fn all(target: SocketAddr, sessions: &[Session], strangers_each: usize) -> Vec<Self> {
        let sessions = sessions.iter().take(CALLERS).enumerate();
        let caller = |(index, session): (usize, &Session)| Self {
            client: Client::new(target),
            request: Vec::new(),
            session: session.clone(),
            known: strangers_each == 0 || index % strangers_each != 0,
        };
        sessions.map(caller).collect()
    }
}

impl Caller for Login {
    async fn call(&mut self) -> Verdict {
        let Session { email, device, .. } = &self.session;
        let start = format!(r#"{{"email":"{email}","password":"{PASSWORD}""#);
        let device: [&[u8]; 3] = if self.known && !device.is_empty() {
            [br#","device_token":""#, device, br#""}"#]
        } else {
            [b"}", b"", b""]
        };
        let [name, token, end] = device;
        client::post(&mut self.request, "/auth/login", &[start.as_bytes(), name, token, end]);
        match self.client.send(&self.request).await {
            Ok(reply) if reply.status == 200 && self.session.accept(reply.body) => Verdict::Done,
            // As much work as a right password.
            Ok(reply) if reply.status == 401 => Verdict::Done,
            Ok(reply) if reply.status == 503 => Verdict::Busy,
            Ok(reply) => Verdict::Failed(reply.status),
            Err(_) => Verdict::Failed(NO_ANSWER),
        }
    }
}
