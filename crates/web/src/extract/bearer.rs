//! Who asks: from `Authorization`, else from the cookie `pc_access`. Decided without a read of the database.
//!
//! A request that is known by cookie and may change something is held to the CSRF rules right here, where its
//! identity comes from: what takes one of these extractors cannot forget them.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method};
use portcullis_app::administration::REGISTERS;
use portcullis_app::bearer::{BearerError, Caller, Credential};
use portcullis_app::own::NotOwn;
use portcullis_core::scope::Scopes;
use portcullis_edge::authorization::{Presented, is_of_another_scheme, presented};
use portcullis_edge::code::Code;
use portcullis_edge::csrf::is_unsafe;
use portcullis_edge::problem::Problem;

use super::browser::{Admitted, Browser};
use super::client::address;
use crate::failure::Failure;
use crate::state::Web;

/// Somebody who has shown who they are.
pub(crate) struct Known {
    caller: Arc<Caller>,
    by: By,
}

/// How they have shown it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// By a header, which no page can make a browser send.
    Header,
    /// By a cookie, and a page that may do so has made the request.
    Cookie,
    /// By a cookie, to look: any page may have made the request.
    CookieToLook,
}

impl Deref for Known {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// A user, with whatever credential, who has nothing to do first.
pub(crate) struct Acting(pub(crate) Known);

/// The same, and also somebody who must change their password first.
pub(crate) struct MustChangeToo(pub(crate) Known);

/// A user in a session of their own: neither a bot nor anything but a session, and nobody who acts as another.
pub(crate) struct OwnSession(pub(crate) Known);

/// The same, and also somebody who must change their password first.
pub(crate) struct OwnSessionMustChangeToo(pub(crate) Known);

/// The same as [`OwnSession`], with a token for us alone: they may change credentials.
pub(crate) struct Own(pub(crate) Known);

/// The same, and also somebody who must change their password first.
pub(crate) struct OwnMustChangeToo(pub(crate) Known);

/// The same as [`Own`], and also somebody who must set up a second factor first.
pub(crate) struct OwnFactorToo(pub(crate) Known);

/// Somebody in a session, of whatever kind.
pub(crate) struct AnySession(pub(crate) Known);

impl Known {
    /// Proof that the answer may set cookies, to whoever asks to change something; `None`: they only look.
    pub(crate) async fn admitted(&self, web: &Web, headers: &HeaderMap) -> Option<Admitted> {
        match self.by {
            By::Header | By::Cookie => Some(Browser::new(web, headers).admitted().await),
            By::CookieToLook => None,
        }
    }

    /// The same, where the browser that asks holds the cookies of the session that asks.
    pub(crate) async fn holder(&self, web: &Web, headers: &HeaderMap) -> Option<Admitted> {
        let admitted = self.admitted(web, headers).await?;
        let holds = self.by == By::Cookie || self.session().is_some_and(|session| admitted.holds(session));
        holds.then_some(admitted)
    }
}

async fn caller(web: &Web, token: &str) -> Result<Arc<Caller>, Failure> {
    web.cx.caller(token).await.map_err(refused)
}

fn refused(error: BearerError) -> Failure {
    match error {
        BearerError::Invalid(why) => Failure::logged(Code::InvalidToken, why),
        BearerError::Fault(fault) => fault.into(),
    }
}

/// Whoever a request speaks for.
async fn known(web: &Web, parts: &Parts) -> Result<Known, Failure> {
    match presented(&parts.headers) {
        Ok(Presented::Bearer(token)) => Ok(Known { caller: caller(web, token).await?, by: By::Header }),
        Ok(Presented::None) => by_cookie(web, parts, Code::MissingToken).await,
        Err(_) if is_of_another_scheme(&parts.headers) => {
            by_cookie(web, parts, Code::MalformedAuthorization).await
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

/// Whoever the cookie speaks for; without one, `otherwise`.
async fn by_cookie(web: &Web, parts: &Parts, otherwise: Code) -> Result<Known, Failure> {
    let browser = Browser::new(web, &parts.headers);
    let (token, carrier) = browser.access_token()?.ok_or_else(|| Failure::new(otherwise))?;
    let changes = is_unsafe(&parts.method);
    if changes {
        browser.check_origin()?;
    }
    let caller = web.cx.caller_by_cookie(token, carrier).await.map_err(refused)?;
    let session = caller.session().ok_or_else(|| Failure::logged(Code::InvalidToken, "no access token"))?;
    if changes {
        browser.check_token(session, None).await?;
    }
    Ok(Known { caller, by: if changes { By::Cookie } else { By::CookieToLook } })
}

/// The user behind a request.
async fn user(parts: &Parts, web: &Web) -> Result<Known, Failure> {
    let known = known(web, parts).await?;
    match &known.credential {
        Credential::Client => return Err(Failure::new(Code::SessionRequired)),
        Credential::ApiToken(_) => web.cx.note_use(&known, address(parts, web)),
        Credential::Session(_) | Credential::Exchanged => {}
    }
    Ok(known)
}

/// Whoever opens a page, by the cookie alone: pages are opened without `Authorization`. `None`: nobody, or nobody any
/// more. What they may change, [`may_end_sessions`] and [`may_change_credentials`] say.
pub(crate) async fn visitor(web: &Web, headers: &HeaderMap) -> Result<Option<Arc<Caller>>, Failure> {
    let Some((token, carrier)) = Browser::new(web, headers).access_token()? else { return Ok(None) };
    match web.cx.caller_by_cookie(token, carrier).await {
        Ok(caller) => Ok(Some(caller)),
        Err(BearerError::Invalid(_)) => Ok(None),
        Err(BearerError::Fault(fault)) => Err(fault.into()),
    }
}

/// What [`OwnSession`] asks for, of somebody who presses a button.
pub(crate) fn may_end_sessions(caller: &Caller) -> Result<(), Failure> {
    caller.settled()?;
    may_write(caller, &Method::POST)?;
    caller.own_session()?;
    Ok(())
}

/// What [`OwnMustChangeToo`] asks for, of somebody who presses a button.
pub(crate) fn may_change_credentials(caller: &Caller) -> Result<(), Failure> {
    may_write(caller, &Method::POST)?;
    caller.own_session()?;
    caller.for_us_alone()?;
    Ok(())
}

/// What [`OwnFactorToo`] asks for, of somebody who presses a button.
pub(crate) fn may_change_factors(caller: &Caller) -> Result<(), Failure> {
    caller.has_own_password()?;
    may_change_credentials(caller)
}

impl From<NotOwn> for Failure {
    fn from(why: NotOwn) -> Self {
        Self::new(match why {
            NotOwn::MustChangePassword => Code::PasswordChangeRequired,
            NotOwn::MustSetUpFactor => Code::FactorSetupRequired,
            NotOwn::NoSession => Code::SessionRequired,
            NotOwn::Acting => Code::NotWhileActing,
            NotOwn::OtherAudience => Code::WrongAudience,
        })
    }
}

/// What somebody who may only look may not do.
fn may_write(caller: &Caller, method: &Method) -> Result<(), Failure> {
    if caller.claims.read_only && !method.is_safe() {
        return Err(Failure::new(Code::ReadOnlySession));
    }
    Ok(())
}

/// A user in a session of their own, who may be an administrator, or a service client with the scope to register users;
/// with a token for us alone.
pub(crate) struct Registrar(pub(crate) Known);

impl FromRequestParts<Web> for Registrar {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let known = known(web, parts).await?;
        if known.asks_as_user() {
            let Own(known) = Own::from_request_parts(parts, web).await?;
            return Ok(Self(known));
        }
        let needed = Scopes::from_stored(REGISTERS);
        let has =
            known.claims.scope.as_deref().is_some_and(|text| needed.is_within(&Scopes::from_stored(text)));
        if !has {
            return Err(Problem::insufficient_scope(REGISTERS).into());
        }
        known.for_us_alone()?;
        Ok(Self(known))
    }
}

/// Whoever looks after all accounts: an administrator as with [`Own`], or a service client with a token for us alone and
/// the scope for it: `accounts:write`, or to look `accounts:read`.
pub(crate) struct Steward(Known);

impl FromRequestParts<Web> for Steward {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let caller = known(web, parts).await?;
        if matches!(caller.credential, Credential::Client) {
            caller.for_us_alone()?;
            let scopes = caller.claims.scope.as_deref().unwrap_or_default();
            let has = |wanted: &str| scopes.split(' ').any(|scope| scope == wanted);
            let wanted = if parts.method.is_safe() { "accounts:read" } else { "accounts:write" };
            let may = has(wanted) || has("accounts:write");
            return if may { Ok(Self(caller)) } else { Err(Problem::insufficient_scope(wanted).into()) };
        }
        Own::from_request_parts(parts, web).await.map(|Own(caller)| Self(caller))
    }
}

impl Steward {
    /// That it is no other user. Asked when the request has been read, as everywhere.
    pub(crate) fn checked(self) -> Result<Known, Failure> {
        let is_client = matches!(self.0.credential, Credential::Client);
        if is_client || self.0.role.is_admin() { Ok(self.0) } else { Err(Failure::new(Code::Forbidden)) }
    }
}

/// Makes an extractor of its checks.
macro_rules! caller_who {
    ($($name:ident: |$caller:ident, $parts:ident| $checks:block)+) => {$(
        impl FromRequestParts<Web> for $name {
            type Rejection = Failure;

            async fn from_request_parts($parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
                let caller = user($parts, web).await?;
                let $caller: &Caller = &caller;
                $checks
                Ok(Self(caller))
            }
        }
    )+};
}

caller_who! {
    Acting: |caller, parts| {
        caller.settled()?;
        may_write(caller, &parts.method)?;
    }
    MustChangeToo: |caller, parts| {
        may_write(caller, &parts.method)?;
    }
    AnySession: |caller, parts| {
        caller.session().ok_or_else(|| Failure::new(Code::SessionRequired))?;
    }
    OwnSession: |caller, parts| {
        caller.settled()?;
        may_write(caller, &parts.method)?;
        caller.own_session()?;
    }
    OwnSessionMustChangeToo: |caller, parts| {
        may_write(caller, &parts.method)?;
        caller.own_session()?;
    }
    Own: |caller, parts| {
        caller.settled()?;
        may_write(caller, &parts.method)?;
        caller.own_session()?;
        caller.for_us_alone()?;
    }
    OwnFactorToo: |caller, parts| {
        caller.has_own_password()?;
        may_write(caller, &parts.method)?;
        caller.own_session()?;
        caller.for_us_alone()?;
    }
    OwnMustChangeToo: |caller, parts| {
        may_write(caller, &parts.method)?;
        caller.own_session()?;
        caller.for_us_alone()?;
    }
}
