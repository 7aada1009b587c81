//! What needs a fresh sign-in: one check, whatever is asked for.

use portcullis_core::factor::{Factors, Method, has_shown_factor};
use portcullis_core::ids::UserId;
use portcullis_core::time::Timestamp;
use portcullis_store::users::Credentials;
use thiserror::Error;

use crate::bearer::Caller;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::me::FRESH;

/// Why something must wait for a fresh sign-in, or cannot be.
#[derive(Debug, Error)]
pub enum FreshError {
    /// The last sign-in is too long ago, or has shown too little: `POST /auth/step-up` by one of these.
    #[error("a fresh sign-in is needed")]
    Required(Vec<&'static str>),
    /// There is no such user any more.
    #[error("no such user")]
    NoUser,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Caller {
    /// Whether they have signed in so lately that they may do what needs that.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        let signed_in = self.claims.auth_time.map(Timestamp::from_seconds);
        signed_in.is_some_and(|at| now.since(at) <= FRESH)
    }
}

/// By what somebody can show once more that it is them: a factor if they have one, or what stands for it, else their
/// password.
pub(crate) fn step_up_methods(factors: Factors, has_password: bool) -> Vec<&'static str> {
    if factors.is_empty() {
        return if has_password { vec!["password"] } else { Vec::new() };
    }
    Method::of(factors).into_iter().map(Method::as_str).collect()
}

/// That the session has shown a second factor, if its user has one by now: what was begun without one is not ended so.
pub(crate) fn require_factor_shown(caller: &Caller, factors: Factors) -> Result<(), FreshError> {
    if factors.is_empty() || has_shown_factor(&caller.claims.amr) {
        return Ok(());
    }
    Err(FreshError::Required(step_up_methods(factors, true)))
}

impl Cx {
    /// That the caller has signed in a moment ago, with a second factor if they have one: who they are, with what
    /// proves them.
    pub(crate) async fn require_fresh(&self, caller: &Caller) -> Result<Credentials, FreshError> {
        let found = self.store.credentials(caller.user).await.map_err(Fault::from)?;
        let found = found.ok_or(FreshError::NoUser)?;
        self.is_fresh_enough(caller, &found)?;
        Ok(found)
    }

    /// By what `user` can show once more that it is them; the password, where that cannot be read now.
    pub async fn ways_to_step_up(&self, user: UserId) -> Vec<&'static str> {
        let found = self.store.credentials(user).await.ok().flatten();
        found.map_or_else(
            || vec!["password"],
            |found| step_up_methods(found.user.factors, found.password_hash.is_some()),
        )
    }

    /// The same of somebody who was read already.
    pub(crate) fn is_fresh_enough(&self, caller: &Caller, found: &Credentials) -> Result<(), FreshError> {
        let factors = found.user.factors;
        // A device that is trusted has shown none; what changes credentials is not what it is trusted for.
        let enough = factors.is_empty() || has_shown_factor(&caller.claims.amr);
        if enough && caller.is_fresh(self.clock.now()) {
            return Ok(());
        }
        Err(FreshError::Required(step_up_methods(factors, found.password_hash.is_some())))
    }
}
