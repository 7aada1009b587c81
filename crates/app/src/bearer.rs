//! Who asks: decided from the token and from memory, without a read of the database.
//!
//! 1. A token seen before is known by its SHA-256; it was verified then, and its claims are kept a while.
//! 2. Otherwise it is verified. An unknown `kid` makes us read the key table again, at most once a second.
//! 3. Expired? Revoked? Asked every time, cached or not.
//! 4. Without news from the database for too long, nobody can say whether it was revoked: a fault of ours.

use std::sync::Arc;

use aws_lc_rs::digest;
use portcullis_core::ids::{AccountId, SessionId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_core::user::Role;
use portcullis_jose::{AccessClaims, Checks, VerifyError, verify, verify_at_any_time};
use thiserror::Error;

use crate::cx::Cx;
use crate::fault::Fault;
use crate::forward_auth::UpstreamTokens;
use crate::signing_keys::Loaded;

/// Who asks.
#[derive(Debug)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// Their session.
    pub session: SessionId,
    /// Role in the installation.
    pub role: Role,
    /// Account in use, with the role in it.
    pub account: Option<(AccountId, Role)>,
    /// The password must be changed before anything else.
    pub must_change_password: bool,
    /// The token is for us alone: it may change credentials.
    pub own_audience: bool,
    /// The other claims.
    pub claims: AccessClaims,
    /// Tokens made for services behind a proxy.
    pub(crate) upstream: UpstreamTokens,
}

/// Why a token is not accepted.
#[derive(Debug, Error)]
pub enum BearerError {
    /// Unknown, expired, revoked, forged: told apart in the log only.
    #[error("{0}")]
    Invalid(&'static str),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Seconds that the clocks of two nodes may differ before `nbf` is taken seriously.
const CLOCK_LEEWAY: u32 = 10;

enum Verified {
    Caller(Arc<Caller>),
    UnknownKey,
}

impl Cx {
    /// Who presents `token`.
    pub async fn caller(&self, token: &str) -> Result<Arc<Caller>, BearerError> {
        let caller = self.caller_as_known(token).await?;
        if self.revoked.staleness() > self.settings.max_staleness {
            return Err(Fault::Stale.into());
        }
        Ok(caller)
    }

    /// The same by what is known here, however old: without news from the database a revocation may be missed.
    pub(crate) async fn caller_as_known(&self, token: &str) -> Result<Arc<Caller>, BearerError> {
        let now = self.clock.now();
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        let key: [u8; 32] = hash.as_ref().try_into().map_err(|_| BearerError::Invalid("digest"))?;
        let caller = match self.callers.get(&key) {
            Some(caller) => caller,
            None => self.verify_anew(token, key, now).await?,
        };
        if now.seconds() >= caller.claims.exp {
            return Err(BearerError::Invalid("expired"));
        }
        if self.revoked.revokes(caller.session.uuid(), caller.claims.generation) {
            return Err(BearerError::Invalid("revoked"));
        }
        Ok(caller)
    }

    async fn verify_anew(
        &self,
        token: &str,
        key: [u8; 32],
        now: Timestamp,
    ) -> Result<Arc<Caller>, BearerError> {
        let mut keys = self.loaded_keys();
        let caller = match self.verify_once(token, &keys, now)? {
            Verified::Caller(caller) => caller,
            Verified::UnknownKey => {
                // Another node may have made a key a moment ago.
                self.look_for_new_keys().await?;
                keys = self.loaded_keys();
                match self.verify_once(token, &keys, now)? {
                    Verified::Caller(caller) => caller,
                    Verified::UnknownKey => return Err(self.unknown_key()),
                }
            }
        };
        self.callers.insert(key, caller.clone());
        // Read anew in between, they may have lost the one this was verified with.
        if !Arc::ptr_eq(&keys, &self.loaded_keys()) {
            self.callers.invalidate(&key);
        }
        Ok(caller)
    }

    /// The session of a token that we signed, even if it has expired since: enough to end that session.
    pub(crate) async fn session_of(&self, token: &str) -> Result<(SessionId, UserId), BearerError> {
        let mut verified = self.verify_past(token);
        if verified == Err(VerifyError::UnknownKey) {
            self.look_for_new_keys().await?;
            verified = self.verify_past(token);
        }
        match verified {
            Ok(claims) => self.read_claims(claims).map(|caller| (caller.session, caller.user)),
            Err(VerifyError::UnknownKey) => Err(self.unknown_key()),
            Err(_) => Err(BearerError::Invalid("malformed")),
        }
    }

    fn verify_past(&self, token: &str) -> Result<AccessClaims, VerifyError> {
        let loaded = self.loaded_keys();
        match verify_at_any_time(token, &loaded.verifying, &self.checks()) {
            Err(VerifyError::UnknownKey) => verify_at_any_time(token, &loaded.past, &self.checks()),
            verified => verified,
        }
    }

    fn checks(&self) -> Checks {
        let settings = &self.settings;
        let audiences = settings.audiences.iter().chain([&settings.issuer]).cloned();
        let checks = Checks::new(settings.issuer.clone(), audiences);
        // The node that signed may be ahead of us; what has expired is refused to the second by the caller.
        checks.with_leeway(CLOCK_LEEWAY)
    }

    /// Garbage, unless there is a key that only this node cannot read.
    fn unknown_key(&self) -> BearerError {
        match self.unverifiable_key() {
            Some(kid) => Fault::SigningKeyMissing(format!("{kid} is sealed under another server key")).into(),
            None => BearerError::Invalid("unknown key"),
        }
    }

    fn verify_once(&self, token: &str, loaded: &Loaded, now: Timestamp) -> Result<Verified, BearerError> {
        match verify(token, &loaded.verifying, &self.checks(), now.seconds()) {
            Ok(claims) => self.read_claims(claims).map(|caller| Verified::Caller(Arc::new(caller))),
            Err(VerifyError::UnknownKey) => Ok(Verified::UnknownKey),
            Err(VerifyError::Expired) => Err(BearerError::Invalid("expired")),
            Err(VerifyError::Signature) => Err(BearerError::Invalid("signature")),
            Err(_) => Err(BearerError::Invalid("malformed")),
        }
    }

    fn read_claims(&self, claims: AccessClaims) -> Result<Caller, BearerError> {
        let malformed = |_| BearerError::Invalid("malformed id");
        let account = match (&claims.account, &claims.account_role) {
            (Some(id), Some(role)) => Some((id.parse().map_err(malformed)?, Role::from_stored(role.clone()))),
            _ => None,
        };
        Ok(Caller {
            user: claims.sub.parse().map_err(malformed)?,
            session: claims.sid.parse().map_err(malformed)?,
            role: Role::from_stored(claims.role.clone()),
            account,
            must_change_password: claims.pwd_change,
            own_audience: claims.aud == [self.settings.issuer.as_str()],
            claims,
            upstream: UpstreamTokens::default(),
        })
    }
}
