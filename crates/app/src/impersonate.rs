//! An administrator acts as another user: with a reason, for a limited time, to look unless asked otherwise.
//!
//! 1. Only from a session of an administrator's own; never as another administrator, a bot or oneself.
//! 2. The session is the user's, with the administrator as its actor. The insert holds the administrator's row and
//!    session: if either loses what it takes in between, there is no session. Beginning and reason stand in the
//!    audit log with it.
//! 3. It ends after `impersonation.max_duration`, whatever is refreshed, and with the administrator's session or
//!    role ([`portcullis_store::sessions::create`]).

use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::refresh_token::RefreshToken;
use portcullis_core::session::{Acting, ActingMode, Delivery, EndCause};
use portcullis_core::validation::{FieldError, line};
use portcullis_store::sessions::{ActingFrom, End};
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::own::NotOwn;
use crate::sign_in::{Actor, Handover, Proof, SignInError, Wish};
use crate::tokens::Tokens;

const LONGEST_REASON: usize = 500;

/// What an administrator asks for.
#[derive(Debug)]
pub struct ImpersonationRequest {
    /// As whom.
    pub user: UserId,
    /// Why: for the audit log.
    pub reason: String,
    /// To look, or to do.
    pub mode: ActingMode,
    /// How the tokens travel.
    pub delivery: Delivery,
}

/// Why somebody may act as nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MayNot {
    /// Not in a session of their own.
    #[error("{0:?}")]
    NotOwn(NotOwn),
    /// Not an administrator.
    #[error("not an administrator")]
    NotAdministrator,
}

impl Caller {
    /// The session from which they may act as another.
    pub fn may_impersonate(&self) -> Result<SessionId, MayNot> {
        let session = self.own().map_err(MayNot::NotOwn)?;
        if self.role.is_admin() { Ok(session) } else { Err(MayNot::NotAdministrator) }
    }
}

/// Why there is no session.
#[derive(Debug, Error)]
pub enum ImpersonateError {
    /// Fields are wrong.
    #[error("wrong fields")]
    Invalid(Vec<FieldError>),
    /// Nobody to act as: unknown or disabled.
    #[error("no such user")]
    NotFound,
    /// As an administrator or a bot.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Whoever asks may act as nobody.
    #[error("may act as nobody: {0:?}")]
    MayNot(#[from] MayNot),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<SignInError> for ImpersonateError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::NotFound,
            // Whoever looks on a user's behalf owes none of the user's proofs.
            SignInError::Unverified | SignInError::FactorOwed(_) => {
                Self::Forbidden("the user may not sign in")
            }
            SignInError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Cx {
    /// Begins to act as another user.
    pub async fn impersonate(
        &self,
        caller: &Caller,
        request: ImpersonationRequest,
        client: &Client,
    ) -> Result<Tokens, ImpersonateError> {
        // 1.
        let session = caller.may_impersonate()?;
        let reason = line("reason", &request.reason, LONGEST_REASON);
        let reason = reason.map_err(|error| ImpersonateError::Invalid(vec![error]))?;
        let user = self.store.user(request.user).await.map_err(Fault::from)?;
        let user = user.filter(|user| user.disabled_at.is_none()).ok_or(ImpersonateError::NotFound)?;
        if user.role.is_admin() || user.is_bot() {
            return Err(ImpersonateError::Forbidden("an administrator or a bot"));
        }
        // 2. and 3.
        let acting = Acting { actor: caller.user, mode: request.mode };
        let actor = Actor { from: ActingFrom { acting, session }, reason: Some(reason) };
        let proof = Proof { acting: Some(actor), ..Proof::own(user, &[]) };
        let handover = Handover { delivery: request.delivery, replaces: Vec::new() };
        let wish = Wish { handover, audiences: self.settings.audiences.clone() };
        Ok(self.sign_in(proof, wish, client).await?)
    }

    /// How the tokens of the caller's session travel: whoever acts from it does so in the same browser.
    pub async fn delivery_of(&self, caller: &Caller) -> Result<Delivery, Fault> {
        let Some(session) = caller.session() else { return Ok(Delivery::Body) };
        Ok(self.store.judged(session).await?.map_or(Delivery::Body, |judged| judged.grant.delivery))
    }

    /// Stops acting; `false`: the caller does not act as another.
    pub async fn stop_impersonating(&self, caller: &Caller, client: &Client) -> Result<bool, Fault> {
        let Some(session) = caller.session().filter(|_| caller.is_acting()) else { return Ok(false) };
        let mut event = self.ended(session, EndCause::ActingEnded, client);
        event.actor = Some(caller.actor());
        let which = End::Own(session, caller.user);
        self.end_one(which, session, EndCause::ActingEnded, event).await?;
        Ok(true)
    }

    /// The same for whoever holds a refresh token of the session, of whatever generation. One that has ended is no error.
    pub async fn stop_impersonating_with(&self, token: &RefreshToken, client: &Client) -> Result<(), Fault> {
        let event = self.ended(token.session, EndCause::ActingEnded, client);
        let which = End::BySecret(token.session, token.secret.hash());
        self.end_one(which, token.session, EndCause::ActingEnded, event).await.map(drop)
    }
}
