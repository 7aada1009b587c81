//! Who asks, from `Authorization`. Decided without a read of the database.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method};
use portcullis_app::bearer::{BearerError, Caller, Credential};
use portcullis_edge::authorization::{Presented, presented};
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;

use super::client::address;
use crate::failure::Failure;
use crate::state::Web;

/// A user, with whatever credential, who has nothing to do first.
pub(crate) struct Acting(pub(crate) Arc<Caller>);

/// The same, and also somebody who must change their password first.
pub(crate) struct MustChangeToo(pub(crate) Arc<Caller>);

/// A user in a session of their own: neither a bot nor anything but a session, and nobody who acts as another.
pub(crate) struct OwnSession(pub(crate) Arc<Caller>);

/// The same, and also somebody who must change their password first.
pub(crate) struct OwnSessionMustChangeToo(pub(crate) Arc<Caller>);

/// The same as [`OwnSession`], with a token for us alone: they may change credentials.
pub(crate) struct Own(pub(crate) Arc<Caller>);

/// The same, and also somebody who must change their password first.
pub(crate) struct OwnMustChangeToo(pub(crate) Arc<Caller>);

/// Somebody in a session, of whatever kind.
pub(crate) struct AnySession(pub(crate) Arc<Caller>);

/// Whoever the token of a request speaks for.
async fn caller(web: &Web, headers: &HeaderMap) -> Result<Arc<Caller>, Failure> {
    match presented(headers).map_err(Problem::from)? {
        Presented::None => Err(Failure::new(Code::MissingToken)),
        Presented::Bearer(token) => web.cx.caller(token).await.map_err(|error| match error {
            BearerError::Invalid(why) => Failure::logged(Code::InvalidToken, why),
            BearerError::Fault(fault) => fault.into(),
        }),
    }
}

/// The user behind a request.
async fn user(parts: &Parts, web: &Web) -> Result<Arc<Caller>, Failure> {
    let caller = caller(web, &parts.headers).await?;
    match &caller.credential {
        Credential::Client => return Err(Failure::new(Code::SessionRequired)),
        Credential::ApiToken(_) => web.cx.note_use(&caller, address(parts, web)),
        Credential::Session(_) | Credential::Exchanged => {}
    }
    Ok(caller)
}

/// What the password must be changed before.
fn settled(caller: &Caller) -> Result<(), Failure> {
    if caller.must_change_password {
        return Err(Failure::new(Code::PasswordChangeRequired));
    }
    Ok(())
}

/// What a session is needed for, and nobody but its user may do.
fn own_session(caller: &Caller) -> Result<(), Failure> {
    if caller.session().is_none() || caller.claims.bot {
        return Err(Failure::new(Code::SessionRequired));
    }
    if caller.is_acting() {
        return Err(Failure::new(Code::NotWhileActing));
    }
    Ok(())
}

fn own_audience(caller: &Caller) -> Result<(), Failure> {
    if caller.own_audience { Ok(()) } else { Err(Failure::new(Code::WrongAudience)) }
}

/// What somebody who may only look may not do.
fn may_write(caller: &Caller, method: &Method) -> Result<(), Failure> {
    if caller.claims.read_only && !method.is_safe() {
        return Err(Failure::new(Code::ReadOnlySession));
    }
    Ok(())
}

/// Makes an extractor of its checks.
macro_rules! caller_who {
    ($($name:ident: |$caller:ident, $parts:ident| $checks:block)+) => {$(
        impl FromRequestParts<Web> for $name {
            type Rejection = Failure;

            async fn from_request_parts($parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
                let caller = user($parts, web).await?;
                let $caller = &*caller;
                $checks
                Ok(Self(caller))
            }
        }
    )+};
}

caller_who! {
    Acting: |caller, parts| {
        settled(caller)?;
        may_write(caller, &parts.method)?;
    }
    MustChangeToo: |caller, parts| {
        may_write(caller, &parts.method)?;
    }
    AnySession: |caller, parts| {
        caller.session().ok_or_else(|| Failure::new(Code::SessionRequired))?;
    }
    OwnSession: |caller, parts| {
        settled(caller)?;
        may_write(caller, &parts.method)?;
        own_session(caller)?;
    }
    OwnSessionMustChangeToo: |caller, parts| {
        may_write(caller, &parts.method)?;
        own_session(caller)?;
    }
    Own: |caller, parts| {
        settled(caller)?;
        may_write(caller, &parts.method)?;
        own_session(caller)?;
        own_audience(caller)?;
    }
    OwnMustChangeToo: |caller, parts| {
        may_write(caller, &parts.method)?;
        own_session(caller)?;
        own_audience(caller)?;
    }
}
