//! An administrator acts as another user: with a reason, for a limited time, to look unless asked otherwise.
//!
//! 1. Only from a session of an administrator's own; never as another administrator, a bot or oneself.
//! 2. The session is the user's, with the administrator as its actor. The insert holds the administrator's row and
//!    session: if either loses what it takes in between, there is no session.
//! 3. It ends after `impersonation.max_duration`, whatever is refreshed, and with the administrator's session or
//!    role.

use portcullis_core::audit::EventKind;
use portcullis_core::ids::UserId;
use portcullis_core::session::{Acting, ActingMode, Delivery, EndCause};
use portcullis_core::validation::{FieldError, line};
use portcullis_store::audit;
use portcullis_store::sessions::End;
use serde_json::Value;
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::sign_in::{ActingFrom, Proof, SignInError, Wish};
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
    /// Not an administrator, or as an administrator or a bot.
    #[error("{0}")]
    Forbidden(&'static str),
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
        let Some(session) = caller.session().filter(|_| caller.role.is_admin()) else {
            return Err(ImpersonateError::Forbidden("not an administrator"));
        };
        let reason = line("reason", &request.reason, LONGEST_REASON);
        let reason = reason.map_err(|error| ImpersonateError::Invalid(vec![error]))?;
        let user = self.store.user(request.user).await.map_err(Fault::from)?;
        let user = user.filter(|user| user.disabled_at.is_none()).ok_or(ImpersonateError::NotFound)?;
        if user.role.is_admin() || user.is_bot() {
            return Err(ImpersonateError::Forbidden("an administrator or a bot"));
        }
        // 2.
        let now = self.clock.now();
        let acting = Acting { actor: caller.user, mode: request.mode };
        let ends_at = Some(now + self.settings.impersonation);
        let from = ActingFrom { acting, session: Some(session), ends_at };
        let proof = Proof { acting: Some(from), ..Proof::own(user, &[]) };
        let wish = Wish { delivery: Delivery::Body, audiences: self.settings.audiences.clone() };
        let mut event = self.event(EventKind::ImpersonationStarted);
        (event.user, event.actor, event.address) =
            (Some(request.user), Some(caller.user), Some(client.address));
        event.detail.insert("reason".into(), Value::from(reason));
        event.detail.insert("mode".into(), Value::from(request.mode.as_str()));
        // Who means to act stands in the log before they can.
        let noted = self.store.write_one(move |tx| {
            let event = event.clone();
            Box::pin(async move { audit::append(tx, &event).await })
        });
        noted.await.map_err(Fault::from)?;
        Ok(self.sign_in(proof, wish, client).await?)
    }

    /// Stops acting; `false`: the caller does not act as another.
    pub async fn stop_impersonating(&self, caller: &Caller, client: &Client) -> Result<bool, Fault> {
        let Some(session) = caller.session().filter(|_| caller.is_acting()) else { return Ok(false) };
        let mut event = self.event(EventKind::SessionEnded);
        event.session = Some(session);
        event.actor = caller.claims.act.as_ref().and_then(|actor| actor.sub.parse().ok());
        event.address = Some(client.address);
        event.detail.insert("cause".into(), EndCause::ActingEnded.as_str().into());
        let which = End::Own(session, caller.user);
        self.end_one(which, session, EndCause::ActingEnded, event).await?;
        Ok(true)
    }
}
