//! The product: its release binary in a process of its own, called over HTTP as its clients do.

mod callers;
pub(crate) mod enumeration;
pub(crate) mod feed;
pub(crate) mod footprint;
pub(crate) mod gateway;
pub(crate) mod login;
pub(crate) mod revocation;
pub(crate) mod server;
mod session;
pub(crate) mod tokens;
pub(crate) mod users;

use anyhow::{Context as _, Result, ensure};

use crate::bare::server::Captured;
use crate::client::{self, Client};
use crate::driver::{Caller, Pace, Window, measure, runtime};
use crate::options::Options;
use crate::proc::Watched;
use crate::stats::Runs;

pub(crate) use server::{Server, Setting};
pub(crate) use session::{Session, make_api_tokens, register};

/// Callers and whose CPU time their calls cost.
pub(crate) struct Side<C> {
    callers: Vec<C>,
    watched: Watched,
    pub(crate) runs: Runs,
}

impl<C: Caller> Side<C> {
    pub(crate) fn new(callers: Vec<C>, watched: Watched) -> Self {
        Self { callers, watched, runs: Runs::default() }
    }

    pub(crate) async fn repeat(&mut self, options: &Options) {
        for _ in 0..options.repeats() {
            self.once(options).await;
        }
    }

    pub(crate) async fn once(&mut self, options: &Options) {
        let callers = std::mem::take(&mut self.callers);
        let (callers, run) = measure(callers, Pace::Closed, Window::next(options), self.watched).await;
        self.callers = callers;
        self.runs.0.push(run);
    }
}

/// Measures two servers in turn, so that what else the machine does falls on both.
fn in_turn<A: Caller, B: Caller>(ours: &mut Side<A>, bare: &mut Side<B>, options: &Options) -> Result<()> {
    runtime()?.block_on(async {
        for _ in 0..options.repeats() {
            ours.once(options).await;
            bare.once(options).await;
        }
    });
    Ok(())
}

/// Whose CPU time calls of the product cost. `database`: PostgreSQL's first process.
pub(crate) fn watched(server: &Server, database: Option<u32>) -> Watched {
    Watched { server: Some(server.pid()), database }
}

/// What the product answers a protected call, for the bare framework to repeat.
pub(crate) fn capture(options: &Options) -> Result<Captured> {
    let dir = tempfile::tempdir()?;
    let server = Server::start(&Setting {
        binary: &options.server,
        dir: dir.path(),
        database_url: None,
        cheap_passwords: true,
        verified_only: false,
        gateway: None,
    })?;
    let captured = runtime()?.block_on(async {
        let sessions = register(server.address, 0..1).await?;
        let session = sessions.first().context("one session")?;
        let request = client::get("/auth/verify", &session.verify_headers());
        let mut client = Client::new(server.address);
        let reply = client.send(&request).await?;
        let head = std::str::from_utf8(reply.head)?;
        ensure!(reply.status == 200, "GET /auth/verify: {head}{}", String::from_utf8_lossy(reply.body));
        Ok(Captured::new(head, std::str::from_utf8(reply.body)?))
    })?;
    server.stop()?;
    Ok(captured)
}
