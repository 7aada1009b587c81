//! Refresh and the protected call, each beside the bare framework.

use std::net::SocketAddr;

use anyhow::Result;

use super::callers::Refresher;
use super::{Side, in_turn};
use crate::bare::{self, Child, Fixed};
use crate::client::{self, Client};
use crate::options::{CALLERS, Options};
use crate::proc::Watched;
use crate::stats::Runs;

use super::Session;

/// A server's callers' address, and whose CPU time they cost.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) watched: Watched,
}

/// The product and the bare framework, measured in turn.
pub(crate) struct Beside {
    pub(crate) ours: Runs,
    pub(crate) bare: Runs,
}

/// `POST /auth/refresh` beside `POST /echo`: 64 callers over all sessions, which come back.
pub(crate) fn refresh(
    target: Target,
    sessions: Vec<Session>,
    bare: &Child,
    options: &Options,
) -> Result<(Beside, Vec<Session>)> {
    let mut ours = Side::new(Refresher::deal(target.address, sessions, CALLERS), target.watched);
    let mut theirs = Side::new(bare::echo(bare.address), bare.watched());
    in_turn(&mut ours, &mut theirs, options)?;
    let beside = Beside { ours: ours.runs, bare: theirs.runs };
    Ok((beside, Refresher::collect(ours.callers)))
}

/// `GET /auth/verify` beside `GET /hello`, with the same headers both ways: those that `headers` makes of a session.
pub(crate) fn protected(
    target: Target,
    sessions: &[Session],
    headers: fn(&Session) -> String,
    bare: &Child,
    options: &Options,
) -> Result<Beside> {
    let caller = |session: &Session| {
        Fixed::new(Client::new(target.address), client::get("/auth/verify", &headers(session)))
    };
    let mut ours = Side::new(sessions.iter().take(CALLERS).map(caller).collect(), target.watched);
    let headers = sessions.first().map(headers).unwrap_or_default();
    let mut theirs = Side::new(bare::hello(bare.address, &headers), bare.watched());
    in_turn(&mut ours, &mut theirs, options)?;
    Ok(Beside { ours: ours.runs, bare: theirs.runs })
}
