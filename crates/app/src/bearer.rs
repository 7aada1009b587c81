//! Who asks: decided from the token and from memory, without a read of the database.
//!
//! 1. A token seen before is known by its SHA-256; it was verified then, and its claims are kept a while.
//! 2. Otherwise it is verified. An unknown `kid` makes us read the key table again, at most once a second.
//! 3. Expired? Revoked? Asked every time, cached or not.
//! 4. Without news from the database for too long, nobody can say whether it was revoked: a fault of ours.
//!
//! A token that was made for a service behind a proxy opens nothing here, whatever its audience: that service has it
//! of everybody who calls it. It may be asked about, like any other.
//!
//! An API token is looked up by its digest, once, and kept in the same place. Whatever changes about it or its
//! user revokes the generation that is kept, and it is looked up again. So it is when what is kept is as old as an
//! access token gets: a revocation is forgotten a little after that, and a node that was cut off from the database
//! for longer never hears of it.

use std::sync::Arc;

use aws_lc_rs::digest;
use portcullis_core::ids::{AccountId, SessionId, UserId};
use portcullis_core::secret_token::{Kind, SecretDigest};
use portcullis_core::time::Timestamp;
use portcullis_core::user::Role;
use portcullis_jose::{AccessClaims, Checks, VerifyError, verify, verify_at_any_time};
use portcullis_store::api_tokens::Presented;
use portcullis_store::sessions::Asker;
use thiserror::Error;
use uuid::Uuid;

use crate::cx::Cx;
use crate::fault::Fault;
use crate::forward_auth::UpstreamTokens;
use crate::signing_keys::Loaded;
use crate::token_use::TokenUse;
use crate::tokens::FIRST_PARTY;

/// What somebody presents.
#[derive(Debug)]
pub enum Credential {
    /// An access token of a session.
    Session(SessionId),
    /// An API token.
    ApiToken(TokenUse),
    /// An access token that was exchanged for an API token.
    Exchanged,
    /// An access token of a service client: there is no user.
    Client,
}

/// Who asks.
#[derive(Debug)]
pub struct Caller {
    /// The user; of a service client, its id.
    pub user: UserId,
    /// With what.
    pub credential: Credential,
    /// `sid` of the token: what a revocation names.
    pub sid: Uuid,
    /// Role in the installation.
    pub role: Role,
    /// Account in use, with the role in it.
    pub account: Option<(AccountId, Role)>,
    /// The password must be changed before anything else.
    pub must_change_password: bool,
    /// A second factor must be set up before anything else.
    pub must_set_up_factor: bool,
    /// The token is for us alone: it may change credentials.
    pub own_audience: bool,
    /// The other claims.
    pub claims: AccessClaims,
    /// Tokens made for services behind a proxy.
    pub(crate) upstream: UpstreamTokens,
}

impl Caller {
    /// The session, if it is one that asks.
    pub const fn session(&self) -> Option<SessionId> {
        match self.credential {
            Credential::Session(session) => Some(session),
            _ => None,
        }
    }

    /// Who asks for what outlives the request; `None`: not a session.
    pub(crate) fn asker(&self) -> Option<Asker> {
        Some(Asker { user: self.user, session: self.session()? })
    }

    /// Who really acts: the user, unless the token names another.
    pub fn actor(&self) -> UserId {
        let actor = self.claims.act.as_ref().and_then(|actor| actor.sub.parse().ok());
        actor.unwrap_or(self.user)
    }

    /// Whether somebody else really acts: an administrator, not the owner of a bot.
    pub const fn is_acting(&self) -> bool {
        self.claims.act.is_some() && !self.claims.bot
    }
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

/// How often an API token is read that was changed since. Each round means that somebody else wrote.
const ROUNDS: usize = 5;

/// That a token may be used here.
const fn for_us(claims: &AccessClaims) -> Result<(), BearerError> {
    if claims.upstream { Err(BearerError::Invalid("made for a service behind a proxy")) } else { Ok(()) }
}

enum Verified {
    Caller(Arc<Caller>),
    UnknownKey,
}

impl Cx {
    /// Who presents `token`.
    pub async fn caller(&self, token: &str) -> Result<Arc<Caller>, BearerError> {
        let caller = self.caller_as_known(token).await?;
        self.fresh_for()?;
        Ok(caller)
    }

    /// The same by what is known here, however old: without news from the database a revocation may be missed.
    pub(crate) async fn caller_as_known(&self, token: &str) -> Result<Arc<Caller>, BearerError> {
        let caller = self.known_token(token).await?;
        for_us(&caller.claims)?;
        Ok(caller)
    }

    /// What `token` says, be it for us or for a service behind us.
    pub(crate) async fn any_token(&self, token: &str) -> Result<Arc<Caller>, BearerError> {
        let caller = self.known_token(token).await?;
        self.fresh_for()?;
        Ok(caller)
    }

    async fn known_token(&self, token: &str) -> Result<Arc<Caller>, BearerError> {
        let now = self.clock.now();
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        let key: [u8; 32] = hash.as_ref().try_into().map_err(|_| BearerError::Invalid("digest"))?;
        let mut known = self.callers.get(&key).filter(|caller| !self.is_outworn(caller, now));
        for _ in 0..ROUNDS {
            let caller = match known.take() {
                Some(caller) => caller,
                None => self.read_anew(token, key, now).await?,
            };
            if now.seconds() >= caller.claims.exp {
                return Err(BearerError::Invalid("expired"));
            }
            if !self.revoked.revokes(caller.sid, caller.claims.generation) {
                return Ok(caller);
            }
            // An API token may have been given a new generation, with another role or fewer scopes: since it was
            // remembered, or in the moment since it was read.
            let lives_on = !self.revoked.revokes(caller.sid, u64::MAX);
            if !(lives_on && matches!(caller.credential, Credential::ApiToken(_))) {
                return Err(BearerError::Invalid("revoked"));
            }
        }
        Err(Fault::StoreUnavailable("the row of the API token keeps changing".into()).into())
    }

    fn is_outworn(&self, caller: &Caller, now: Timestamp) -> bool {
        matches!(caller.credential, Credential::ApiToken(_))
            && self.is_too_old(Timestamp::from_seconds(caller.claims.iat), now)
    }

    /// Whether what was read at `read_at` is so old that its revocation may have been forgotten since.
    pub(crate) fn is_too_old(&self, read_at: Timestamp, now: Timestamp) -> bool {
        now >= read_at + self.settings.lifetimes.access
    }

    async fn read_anew(
        &self,
        token: &str,
        key: [u8; 32],
        now: Timestamp,
    ) -> Result<Arc<Caller>, BearerError> {
        if Kind::ApiToken.fits(token) {
            self.look_up(key, now).await
        } else {
            self.verify_anew(token, key, now).await
        }
    }

    /// The API token whose digest is `key`.
    async fn look_up(&self, key: [u8; 32], now: Timestamp) -> Result<Arc<Caller>, BearerError> {
        let found = self.store.presented_token(SecretDigest(key), now).await.map_err(Fault::from)?;
        let Some(presented) = found else {
            self.callers.invalidate(&key);
            return Err(BearerError::Invalid("unknown API token"));
        };
        let caller = Arc::new(self.token_caller(&presented).await?);
        self.callers.insert(key, caller.clone());
        Ok(caller)
    }

    /// What an access token exchanged for the API token would say.
    async fn token_caller(&self, presented: &Presented) -> Result<Caller, Fault> {
        let claims = self.api_token_claims(presented).await?;
        Ok(Caller {
            user: presented.user.id,
            sid: presented.id.uuid(),
            role: presented.user.role.clone(),
            account: presented.user.account.clone(),
            must_change_password: false,
            must_set_up_factor: false,
            own_audience: true,
            credential: Credential::ApiToken(TokenUse::new(presented)),
            claims,
            upstream: UpstreamTokens::default(),
        })
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
    pub(crate) async fn session_of(&self, token: &str) -> Result<Caller, BearerError> {
        let mut verified = self.verify_past(token);
        if verified == Err(VerifyError::UnknownKey) {
            self.look_for_new_keys().await?;
            verified = self.verify_past(token);
        }
        match verified {
            Ok(claims) => {
                for_us(&claims)?;
                self.read_claims(claims)
            }
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
        let sid: Uuid = claims.sid.parse().map_err(malformed)?;
        let credential = match claims.client_id.as_str() {
            FIRST_PARTY => Credential::Session(SessionId::from_uuid(sid)),
            client if client == claims.sub => Credential::Client,
            _ => Credential::Exchanged,
        };
        Ok(Caller {
            user: claims.sub.parse().map_err(malformed)?,
            credential,
            sid,
            role: Role::from_stored(claims.role.clone()),
            account,
            must_change_password: claims.pwd_change && !claims.factor_setup,
            must_set_up_factor: claims.factor_setup,
            own_audience: claims.aud == [self.settings.issuer.as_str()],
            claims,
            upstream: UpstreamTokens::default(),
        })
    }
}
