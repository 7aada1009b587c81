//! Many users, each with an open connection and one call a second.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;

use super::callers::refresh;
use super::tokens::Target;
use super::{Server, Session};
use crate::client::{self, Client};
use crate::driver::{Caller, Pace, Window, measure, runtime};
use crate::options::Options;
use crate::stats::{NO_ANSWER, Run, Verdict};

/// Source addresses: each has some 28,000 ports of its own.
const SOURCES: usize = 8;
/// Connections opened at a time, far below the server's backlog.
const AT_ONCE: usize = 256;

/// 95 of 100 calls are protected, 4 refresh, 1 is protected with an API token.
struct User {
    client: Client,
    request: Vec<u8>,
    verify: Vec<u8>,
    session: Session,
    step: usize,
}

impl User {
    fn new(target: Target, number: usize, session: Session) -> Self {
        let source = Ipv4Addr::new(127, 0, 0, 2 + (number % SOURCES) as u8);
        let verify = client::get("/auth/verify", &session.verify_headers());
        // Spread, so that not everybody refreshes in the same second.
        let step = number * 37 % 100;
        Self {
            client: Client::from_source(target.address, source),
            request: Vec::new(),
            verify,
            session,
            step,
        }
    }

    async fn get(client: &mut Client, request: &[u8]) -> Verdict {
        match client.send(request).await {
            Ok(reply) if reply.status == 200 => Verdict::Done,
            Ok(reply) => Verdict::Failed(reply.status),
            Err(_) => Verdict::Failed(NO_ANSWER),
        }
    }
}

impl Caller for User {
    async fn call(&mut self) -> Verdict {
        self.step = (self.step + 1) % 100;
        match self.step {
            0..95 => Self::get(&mut self.client, &self.verify).await,
            95..99 => {
                let verdict = refresh(&mut self.client, &mut self.request, &mut self.session).await;
                self.verify = client::get("/auth/verify", &self.session.verify_headers());
                verdict
            }
            _ => {
                let request = client::get("/auth/verify", &self.session.api_token_headers());
                Self::get(&mut self.client, &request).await
            }
        }
    }
}

/// What the run showed.
pub(crate) struct Crowd {
    pub(crate) run: Run,
    pub(crate) users: usize,
    /// The server's PSS with all connections open, in MiB.
    pub(crate) pss_mib: f64,
}

/// One user a session.
pub(crate) fn crowd(
    target: Target,
    server: &Server,
    sessions: Vec<Session>,
    options: &Options,
) -> Result<Crowd> {
    let users: Vec<User> = sessions
        .into_iter()
        .take(options.users())
        .enumerate()
        .map(|(number, session)| User::new(target, number, session))
        .collect();
    let count = users.len();
    runtime()?.block_on(async {
        let users = connect(users).await?;
        let period = Duration::from_secs(1);
        // The first period is the one in which everybody starts.
        let window = Window::of(period * 2, options.window() * 4);
        let (users, run) = measure(users, Pace::Every(period), window, target.watched).await;
        let pss_mib = server.pss_mib()?;
        drop(users);
        Ok(Crowd { run, users: count, pss_mib })
    })
}

async fn connect(users: Vec<User>) -> Result<Vec<User>> {
    let (mut tasks, mut connected) = (JoinSet::new(), Vec::with_capacity(users.len()));
    for mut user in users {
        if tasks.len() == AT_ONCE
            && let Some(done) = tasks.join_next().await
        {
            connected.push(done??);
        }
        tasks.spawn(async move { user.client.connect().await.map(|()| user) });
    }
    while let Some(done) = tasks.join_next().await {
        connected.push(done??);
    }
    Ok(connected)
}
