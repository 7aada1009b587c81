//! Forward-auth: may this request pass to the service behind the proxy, and with which token?
//!
//! 1. Who asks: the bearer, or the cookie. A bearer that is no good is refused whatever is asked for; a cookie
//!    that is no good counts as none, which is enough where the rules ask for nobody.
//! 2. What the rules ask for ([`portcullis_core::access`]).
//! 3. A token that was narrowed to one service opens no other (RFC 9068 section 4).
//! 4. A token for the service behind: the same claims for that audience alone, for two minutes at the most, of the
//!    same session and generation, so that it dies with them (RFC 8693 section 1.1 calls this impersonation). It
//!    says that it is one, and opens nothing here, also where `tokens.audience` names the service, too.
//!    It is kept for as long as it is fresh: a call costs neither a statement nor a signature.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::access::{AudienceId, Decision, Identity, Lack, Rules, Target};
use portcullis_core::session::Carrier;
use portcullis_core::time::Timestamp;
use portcullis_jose::AccessClaims;
use thiserror::Error;

use crate::bearer::{self, BearerError, Caller};
use crate::browser::belongs;
use crate::cx::Cx;
use crate::fault::Fault;

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
    /// An access token in a cookie, and in which.
    Cookie(&'a str, Carrier),
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
    /// A second factor must be set up first.
    #[error("a second factor must be set up first")]
    FactorSetup,
    /// Acting as another, only to look.
    #[error("the session is read-only")]
    ReadOnly,
    /// The token is for another service.
    #[error("the token is for another audience")]
    WrongAudience,
    /// The token has scopes, and none of them is any.
    #[error("the token has no scope")]
    NoScope,
    /// The user lacks something.
    #[error("lacks the {0:?}")]
    Lacks(Lack),
    /// The sign-in is too old.
    #[error("the sign-in is too old")]
    Stale {
        /// How old it may be.
        max_age: Duration,
        /// By what it is renewed.
        methods: Vec<&'static str>,
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

/// What the service behind is told. Empty: there is no such thing.
#[derive(Default)]
pub struct Passed {
    /// The user's id.
    pub user: String,
    /// Their role.
    pub role: String,
    /// Their account's id.
    pub account: String,
    /// Who really acts.
    pub actor: String,
    /// The scopes, separated by spaces; empty: unrestricted.
    pub scopes: String,
    /// `Bearer` and the token for the service, held once: also by what is rendered of it.
    pub authorization: Bytes,
    /// What the HTTP face has made of this: once, and not at every request.
    pub rendered: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// The tokens that were made for a caller, by audience. They go when what is known of the caller goes.
#[derive(Default)]
pub(crate) struct UpstreamTokens(Mutex<Vec<(AudienceId, Timestamp, Arc<Passed>)>>);

impl fmt::Debug for UpstreamTokens {
    /// Without the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamTokens(..)")
    }
}

impl UpstreamTokens {
    fn get(&self, audience: AudienceId, now: Timestamp) -> Option<Arc<Passed>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(of, until, _)| *of == audience && now < *until).map(|(.., passed)| passed.clone())
    }

    fn keep(&self, audience: AudienceId, until: Timestamp, passed: Arc<Passed>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(of, ..)| *of != audience);
        kept.push((audience, until, passed));
    }
}

impl Cx {
    /// Whether a request may pass. `changes`: whether it may change something, by its method or as a stream both
    /// ways. `address`: of the client. Both are asked only where they matter.
    pub async fn forward(
        &self,
        target: &Target<'_>,
        credential: Credential<'_>,
        changes: impl FnOnce() -> bool + Send,
        address: impl FnOnce() -> IpAddr + Send,
    ) -> Result<Arc<Passed>, ForwardError> {
        let (token, carrier) = match credential {
            Credential::None => return self.forward_nobody(target, ForwardError::Missing),
            Credential::Bearer(token) => (token, Carrier::Body),
            Credential::Cookie(token, carrier) if is_jwt(token) => (token, carrier),
            // No API token: cookies go wherever the browser does, and hold nothing that lives for months.
            Credential::Cookie(..) => {
                return self.forward_nobody(target, ForwardError::Invalid("no access token"));
            }
        };
        let caller = match self.forwarded_caller(token, carrier, changes).await {
            Ok(caller) => caller,
            // A fault says nothing about the cookie, and a session that may only look is a good one.
            Err(error @ (ForwardError::Fault(_) | ForwardError::ReadOnly)) => return Err(error),
            Err(error) if carrier != Carrier::Body => return self.forward_nobody(target, error),
            Err(error) => return Err(error),
        };
        if let bearer::Credential::ApiToken(_) = &caller.credential {
            self.note_use(&caller, address());
        }
        let now = self.clock.now();
        match self.settings.forward_auth.rules.decide(target, Some(&identity(&caller.claims, now))) {
            Decision::Allow(audience) => self.passed(&caller, audience, now),
            Decision::Forbidden(lack) => Err(ForwardError::Lacks(lack)),
            Decision::Fresh { max_age } => {
                let methods = self.ways_to_step_up(caller.user).await;
                Err(ForwardError::Stale { max_age, methods })
            }
            Decision::SignIn => Err(ForwardError::Missing),
        }
    }

    fn forward_nobody(
        &self,
        target: &Target<'_>,
        refusal: ForwardError,
    ) -> Result<Arc<Passed>, ForwardError> {
        match self.settings.forward_auth.rules.decide(target, None) {
            Decision::Allow(_) => Ok(Arc::default()),
            Decision::SignIn | Decision::Forbidden(_) | Decision::Fresh { .. } => Err(refusal),
        }
    }

    async fn forwarded_caller(
        &self,
        token: &str,
        carrier: Carrier,
        changes: impl FnOnce() -> bool + Send,
    ) -> Result<Arc<Caller>, ForwardError> {
        let caller = match self.settings.forward_auth.stale {
            Stale::Refuse => self.caller(token).await?,
            Stale::Serve => self.caller_as_known(token).await?,
        };
        belongs(&caller, carrier)?;
        if caller.must_set_up_factor {
            return Err(ForwardError::FactorSetup);
        }
        if caller.claims.pwd_change {
            return Err(ForwardError::PasswordChange);
        }
        if caller.claims.read_only && changes() {
            return Err(ForwardError::ReadOnly);
        }
        // The service could not tell this from a token without restrictions.
        if caller.claims.scope.as_deref().is_some_and(|scope| scope.trim().is_empty()) {
            return Err(ForwardError::NoScope);
        }
        Ok(caller)
    }

    fn passed(
        &self,
        caller: &Caller,
        audience: AudienceId,
        now: Timestamp,
    ) -> Result<Arc<Passed>, ForwardError> {
        if !caller.own_audience && !self.is_meant_for(&caller.claims, audience) {
            return Err(ForwardError::WrongAudience);
        }
        if let Some(passed) = caller.upstream.get(audience, now) {
            return Ok(passed);
        }
        let (authorization, until) = self.sign_upstream(&caller.claims, audience, now)?;
        let passed = Arc::new(passed(&caller.claims, authorization));
        caller.upstream.keep(audience, until, passed.clone());
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
            jti: self.new_token_id(),
            upstream: true,
            ..claims.clone()
        };
        let token = self.signer()?.sign_claims(&upstream);
        let token = token.map_err(|error| Fault::Internal(format!("a token for a service: {error}")))?;
        // Where the caller's own token ends first, a new one would not live longer.
        let until =
            if upstream.exp == claims.exp { Timestamp::from_seconds(claims.exp) } else { now + FRESH };
        Ok((Bytes::from(["Bearer ", &token].concat().into_bytes().into_boxed_slice()), until))
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
    Passed {
        user: claims.sub.clone(),
        role: claims.role.clone(),
        account: claims.account.clone().unwrap_or_default(),
        actor: claims.act.as_ref().map_or_else(String::new, |actor| actor.sub.clone()),
        scopes: claims.scope.clone().unwrap_or_default(),
        authorization,
        rendered: OnceLock::new(),
    }
}
