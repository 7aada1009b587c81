//! Forward-auth: may this request pass to the service behind the proxy, and with which token?
//!
//! 1. Who asks: the bearer, or the cookie. A bearer that is no good is refused whatever is asked for; a cookie
//!    that is no good counts as none, which is enough where the rules ask for nobody.
//! 2. What the rules ask for ([`portcullis_core::access`]).
//! 3. A token that was narrowed to one service opens no other (RFC 9068 section 4).
//! 4. A token for the service behind: the same claims for that audience alone, for two minutes at the most, of the
//!    same session and generation, so that it dies with them (RFC 8693 section 1.1 calls this impersonation).
//!    It is kept for as long as it is fresh: a call costs neither a statement nor a signature.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::access::{AudienceId, Decision, Identity, Lack, Rules, Target};
use portcullis_core::random;
use portcullis_core::time::Timestamp;
use portcullis_jose::AccessClaims;
use thiserror::Error;

use crate::bearer::{BearerError, Caller};
use crate::cx::Cx;
use crate::fault::Fault;
use crate::tokens::token_id;

/// Longest life of a token for the service behind.
const LIFETIME: Duration = Duration::from_mins(2);
/// Age at which it is replaced: whoever gets it can use it for as long again.
const FRESH: Duration = Duration::from_mins(1);

/// Settings of forward-auth.
#[derive(Clone, Debug)]
pub struct ForwardAuth {
    /// Who may ask for what.
    pub rules: Rules,
    /// What happens without news of revocations.
    pub stale: Stale,
}

/// What happens when the database has not been heard of for `revocations.max_staleness`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// By what is known: a revocation may be missed until the database is back.
    Serve,
    /// A fault.
    Refuse,
}

/// What a request presents.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// Nothing.
    None,
    /// A token in `Authorization`.
    Bearer(&'a str),
    /// An access token in a cookie.
    Cookie(&'a str),
}

/// Why a request may not pass.
#[derive(Debug, Error)]
pub enum ForwardError {
    /// Nobody asks.
    #[error("no token")]
    Missing,
    /// The token is not accepted; why is for the log.
    #[error("{0}")]
    Invalid(&'static str),
    /// The password must be changed first.
    #[error("the password must be changed first")]
    PasswordChange,
    /// Acting as another, only to look.
    #[error("the session is read-only")]
    ReadOnly,
    /// The token is for another service.
    #[error("the token is for another audience")]
    WrongAudience,
    /// The user lacks something.
    #[error("lacks the {0:?}")]
    Lacks(Lack),
    /// The sign-in is too old.
    #[error("the sign-in is too old")]
    Stale {
        /// How old it may be.
        max_age: Duration,
    },
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<BearerError> for ForwardError {
    fn from(error: BearerError) -> Self {
        match error {
            BearerError::Invalid(why) => Self::Invalid(why),
            BearerError::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// What the service behind is told, ready to be sent. Empty: there is no such thing.
#[derive(Clone, Default)]
pub struct Passed {
    /// The user's id.
    pub user: Bytes,
    /// Their role.
    pub role: Bytes,
    /// Their account's id.
    pub account: Bytes,
    /// Who really acts.
    pub actor: Bytes,
    /// The scopes, separated by spaces; empty: unrestricted.
    pub scopes: Bytes,
    /// `Bearer` and the token for the service.
    pub authorization: Bytes,
}

/// A token for a service, and whom it was made for.
pub(crate) struct Upstream {
    caller: Arc<Caller>,
    until: Timestamp,
    passed: Passed,
}

/// Where the caller lies in memory, and the audience. What is kept holds the caller, so that no other can come to
/// lie there meanwhile.
pub(crate) type UpstreamKey = (usize, AudienceId);

impl Cx {
    /// Whether a request may pass. `changes`: it may change something, by its method or as a stream both ways.
    pub async fn forward(
        &self,
        target: &Target<'_>,
        credential: Credential<'_>,
        changes: bool,
    ) -> Result<Passed, ForwardError> {
        let (token, from_cookie) = match credential {
            Credential::None => return self.forward_nobody(target, ForwardError::Missing),
            Credential::Bearer(token) => (token, false),
            Credential::Cookie(token) if is_jwt(token) => (token, true),
            // No API token: cookies go wherever the browser does, and hold nothing that lives for months.
            Credential::Cookie(_) => {
                return self.forward_nobody(target, ForwardError::Invalid("no access token"));
            }
        };
        let caller = match self.forwarded_caller(token, changes).await {
            Ok(caller) => caller,
            // A fault says nothing about the cookie, and a session that may only look is a good one.
            Err(error @ (ForwardError::Fault(_) | ForwardError::ReadOnly)) => return Err(error),
            Err(error) if from_cookie => return self.forward_nobody(target, error),
            Err(error) => return Err(error),
        };
        let now = self.clock.now();
        match self.settings.forward_auth.rules.decide(target, Some(&identity(&caller.claims, now))) {
            Decision::Allow(audience) => self.passed(caller, audience, now),
            Decision::Forbidden(lack) => Err(ForwardError::Lacks(lack)),
            Decision::Fresh { max_age } => Err(ForwardError::Stale { max_age }),
            Decision::SignIn => Err(ForwardError::Missing),
        }
    }

    fn forward_nobody(&self, target: &Target<'_>, refusal: ForwardError) -> Result<Passed, ForwardError> {
        match self.settings.forward_auth.rules.decide(target, None) {
            Decision::Allow(_) => Ok(Passed::default()),
            Decision::SignIn | Decision::Forbidden(_) | Decision::Fresh { .. } => Err(refusal),
        }
    }

    async fn forwarded_caller(&self, token: &str, changes: bool) -> Result<Arc<Caller>, ForwardError> {
        let caller = match self.settings.forward_auth.stale {
            Stale::Refuse => self.caller(token).await?,
            Stale::Serve => self.caller_as_known(token).await?,
        };
        if caller.claims.pwd_change {
            return Err(ForwardError::PasswordChange);
        }
        if caller.claims.read_only && changes {
            return Err(ForwardError::ReadOnly);
        }
        // The service could not tell this from a token without restrictions.
        if caller.claims.scope.as_deref().is_some_and(|scope| scope.trim().is_empty()) {
            return Err(ForwardError::Lacks(Lack::Scope));
        }
        Ok(caller)
    }

    fn passed(
        &self,
        caller: Arc<Caller>,
        audience: AudienceId,
        now: Timestamp,
    ) -> Result<Passed, ForwardError> {
        if !caller.own_audience && !self.is_meant_for(&caller.claims, audience) {
            return Err(ForwardError::WrongAudience);
        }
        let key = (Arc::as_ptr(&caller) as usize, audience);
        if let Some(kept) = self.upstream.get(&key).filter(|kept| Arc::ptr_eq(&kept.caller, &caller))
            && now < kept.until
        {
            return Ok(kept.passed.clone());
        }
        let (authorization, until) = self.sign_upstream(&caller.claims, audience, now)?;
        let passed = passed(&caller.claims, authorization);
        self.upstream.insert(key, Arc::new(Upstream { caller, until, passed: passed.clone() }));
        Ok(passed)
    }

    /// Not narrowed to another service: for us, for this one, or for all there are.
    fn is_meant_for(&self, claims: &AccessClaims, audience: AudienceId) -> bool {
        let settings = &self.settings;
        let wanted = settings.forward_auth.rules.audience(audience);
        claims.aud.iter().any(|aud| *aud == settings.issuer || aud == wanted)
            || claims.aud == settings.audiences
    }

    fn sign_upstream(
        &self,
        claims: &AccessClaims,
        audience: AudienceId,
        now: Timestamp,
    ) -> Result<(Bytes, Timestamp), Fault> {
        let upstream = AccessClaims {
            aud: vec![self.settings.forward_auth.rules.audience(audience).to_owned()],
            exp: claims.exp.min((now + LIFETIME).seconds()),
            iat: now.seconds(),
            nbf: now.seconds(),
            jti: token_id(random::bytes(&*self.random)),
            ..claims.clone()
        };
        let token = self.signer()?.sign_claims(&upstream);
        let token = token.map_err(|error| Fault::Internal(format!("a token for a service: {error}")))?;
        // Where the caller's own token ends first, a new one would not live longer.
        let until =
            if upstream.exp == claims.exp { Timestamp::from_seconds(claims.exp) } else { now + FRESH };
        Ok((format!("Bearer {token}").into(), until))
    }
}

fn is_jwt(text: &str) -> bool {
    text.bytes().filter(|b| *b == b'.').count() == 2
}

fn identity(claims: &AccessClaims, now: Timestamp) -> Identity<'_> {
    Identity {
        role: &claims.role,
        scopes: claims.scope.as_deref(),
        signed_in_ago: claims.auth_time.map(|at| now.since(Timestamp::from_seconds(at))),
    }
}

fn passed(claims: &AccessClaims, authorization: Bytes) -> Passed {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Passed {
        user: bytes(&claims.sub),
        role: bytes(&claims.role),
        account: bytes(claims.account.as_deref().unwrap_or_default()),
        actor: bytes(claims.act.as_ref().map_or("", |actor| &actor.sub)),
        scopes: bytes(claims.scope.as_deref().unwrap_or_default()),
        authorization,
    }
}
