//! What a sign-in or a refresh hands out. Signing happens outside of every transaction.

use std::time::Duration;

use portcullis_core::ids::AccountId;
use portcullis_core::random;
use portcullis_core::session::{ActingMode, Grant};
use portcullis_core::subscription::Status;
use portcullis_core::user::User;
use portcullis_jose::{AccessClaims, Actor};
use portcullis_store::api_tokens::Presented;
use serde_json::{Map, Value};

use crate::cx::Cx;
use crate::fault::Fault;
use crate::settings::PlanClaim;

/// `client_id` of tokens that a user got from us directly, through no client of their own (RFC 9068 §2.2).
pub const FIRST_PARTY: &str = "portcullis";

/// `client_id` of what an API token stands for, where no client of its own has exchanged it.
pub const API_TOKEN: &str = "portcullis-api-token";

/// A token response.
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// For how long it is good.
    pub expires_in: Duration,
    /// The refresh token.
    pub refresh_token: String,
    /// For how long it is good, unused.
    pub refresh_expires_in: Duration,
    /// A second factor must be set up before anything else.
    pub must_set_up_factor: bool,
    /// What the session says.
    pub grant: Grant,
    /// The user.
    pub user: User,
    /// Makes the device known, if it was not.
    pub device_token: Option<String>,
}

/// An audience was asked for that is none of ours.
#[derive(Debug)]
pub struct UnknownAudience;

impl Cx {
    /// The audiences of a token for which `wanted` was asked: that one, or all.
    pub(crate) fn audiences(&self, wanted: Option<&str>) -> Result<Vec<String>, UnknownAudience> {
        let all = &self.settings.audiences;
        match wanted {
            None => Ok(all.clone()),
            // The issuer alone is always to be had: what changes credentials takes no other.
            Some(one) if one == self.settings.issuer || all.iter().any(|audience| audience == one) => {
                Ok(vec![one.to_owned()])
            }
            Some(_) => Err(UnknownAudience),
        }
    }

    /// Signs the access token of `grant`.
    pub(crate) async fn sign_access(
        &self,
        grant: &Grant,
        audiences: Vec<String>,
    ) -> Result<(String, Duration), Fault> {
        let now = self.clock.now();
        let lifetime = self.settings.lifetimes.access.min(grant.ends_at.since(now));
        let (account, account_role) = match &grant.account {
            Some((account, role)) => (Some(account.to_string()), Some(role.as_str().to_owned())),
            None => (None, None),
        };
        let must_set_up_factor = self.must_set_up_factor(grant);
        let claims = AccessClaims {
            iss: self.settings.issuer.clone(),
            sub: grant.user.to_string(),
            aud: audiences,
            exp: (now + lifetime).seconds(),
            iat: now.seconds(),
            nbf: now.seconds(),
            jti: self.new_token_id(),
            sid: grant.session.to_string(),
            generation: u64::from(grant.generation),
            role: grant.role.as_str().to_owned(),
            account,
            account_role,
            client_id: FIRST_PARTY.to_owned(),
            // Verifiers that know only this one refuse the token, whatever is to be done first.
            pwd_change: grant.must_change_password || must_set_up_factor,
            factor_setup: must_set_up_factor && !grant.must_change_password,
            amr: grant.methods.clone(),
            // Where somebody else acts, nobody has asked who the user is.
            auth_time: grant.acting.is_none().then(|| grant.authenticated_at.seconds()),
            act: grant.acting.map(|acting| Actor { sub: acting.actor.to_string() }),
            bot: grant.acting.is_some_and(|acting| acting.mode == ActingMode::Bot),
            read_only: grant.acting.is_some_and(|acting| acting.mode == ActingMode::Read),
            status: self.token_status(grant),
            extra: self.operators_claims(grant.account.as_ref().map(|(account, _)| *account)).await?,
            ..AccessClaims::default()
        };
        self.signed(&claims)
    }

    /// The token that says `claims`, and for how long it is good.
    pub(crate) fn signed(&self, claims: &AccessClaims) -> Result<(String, Duration), Fault> {
        let token = self.signer()?.sign_claims(claims);
        let token = token.map_err(|error| Fault::Internal(format!("an access token: {error}")))?;
        Ok((token, Duration::from_secs((claims.exp - claims.iat).max(0).cast_unsigned())))
    }

    /// The claims of an API token, until it expires. Whoever signs them shortens that.
    pub(crate) async fn api_token_claims(&self, presented: &Presented) -> Result<AccessClaims, Fault> {
        let now = self.clock.now();
        let user = &presented.user;
        let account = user.account.as_ref().map(|(account, _)| *account);
        Ok(AccessClaims {
            iss: self.settings.issuer.clone(),
            sub: user.id.to_string(),
            aud: vec![self.settings.issuer.clone()],
            exp: presented.expires_at.seconds(),
            iat: now.seconds(),
            nbf: now.seconds(),
            jti: self.new_token_id(),
            sid: presented.id.to_string(),
            generation: u64::from(presented.generation),
            role: user.role.as_str().to_owned(),
            account: user.account.as_ref().map(|(id, _)| id.to_string()),
            account_role: user.account.as_ref().map(|(_, role)| role.as_str().to_owned()),
            client_id: API_TOKEN.to_owned(),
            scope: presented.scopes.as_ref().map(ToString::to_string),
            extra: self.operators_claims(account).await?,
            ..AccessClaims::default()
        })
    }

    /// The operator's claims in a token for this account. Read only if one of them says what it has subscribed to.
    async fn operators_claims(&self, account: Option<AccountId>) -> Result<Map<String, Value>, Fault> {
        let mut claims = self.settings.claims.clone();
        let Some(account) = account.filter(|_| !self.settings.plan_claims.is_empty()) else {
            return Ok(claims);
        };
        let Some(subscription) = self.store.subscription(account).await? else { return Ok(claims) };
        let status = subscription.status(self.clock.now());
        for (name, claim) in &self.settings.plan_claims {
            let value = match claim {
                // Whoever asks for a plan by its name finds none that has expired.
                PlanClaim::Plan if status == Status::Expired => continue,
                PlanClaim::Plan => subscription.plan.as_str(),
                PlanClaim::Status => status.as_str(),
            };
            claims.insert(name.clone(), value.into());
        }
        Ok(claims)
    }

    /// A new `jti`.
    pub(crate) fn new_token_id(&self) -> String {
        token_id(random::bytes(&*self.random))
    }

    /// For how long a refresh token made now is good, unused.
    pub(crate) fn refresh_lifetime(&self, grant: &Grant) -> Duration {
        self.settings.lifetimes.refresh.min(grant.ends_at.since(self.clock.now()))
    }
}

/// `jti`: 128 random bits in hex.
pub(crate) fn token_id(bytes: [u8; 16]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(HEX[usize::from(digit)])).collect()
}
