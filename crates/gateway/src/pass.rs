//! Who asks, and what the app is told of them: `X-Auth-…` and a token for its audience.
//!
//! The token is made once per access token and audience, by exchange at the issuer, and kept beside the claims. It
//! never is the issuer's own: what an app is handed must open nothing but the app.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::access::Identity;
use portcullis_core::secret_token::Kind;
use portcullis_verify::Claims;

use crate::issuer::{Issuer, OnBehalf, Refused};

const USER: HeaderName = HeaderName::from_static("x-auth-user");
const ROLE: HeaderName = HeaderName::from_static("x-auth-role");
const ACCOUNT: HeaderName = HeaderName::from_static("x-auth-account");
const ACTOR: HeaderName = HeaderName::from_static("x-auth-actor");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");

/// A token this close to its end is made anew rather than sent.
const MARGIN: i64 = 2;

/// Somebody, as a verified token says.
pub(crate) struct Principal {
    /// What is exchanged: the session's access token, or a bearer.
    subject: String,
    pub(crate) claims: Claims,
    identity: Vec<(HeaderName, HeaderValue)>,
    kept: Mutex<Vec<(Arc<str>, Pass)>>,
    /// Held by whoever asks for a token, so that the others wait for the answer.
    turn: tokio::sync::Mutex<()>,
}

/// A token for one app.
#[derive(Clone)]
pub(crate) struct Pass {
    authorization: HeaderValue,
    expires_at: i64,
}

impl Pass {
    /// For a token that expires at that second. `None`: no header can hold it.
    pub(crate) fn new(token: &str, expires_at: i64) -> Option<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        authorization.set_sensitive(true);
        Some(Self { authorization, expires_at })
    }
}

impl Principal {
    /// `None`: an identity that no header can hold.
    pub(crate) fn new(subject: String, claims: Claims) -> Option<Self> {
        let scopes = claims.as_access_claims().scope.as_deref();
        let told = [
            (USER, Some(claims.user_id())),
            (ROLE, Some(claims.role())),
            (ACCOUNT, claims.account()),
            (ACTOR, claims.actor()),
            (SCOPES, scopes),
        ];
        let mut identity = Vec::with_capacity(told.len());
        for (name, text) in told {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                identity.push((name, HeaderValue::from_str(text).ok()?));
            }
        }
        let (kept, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Some(Self { subject, claims, identity, kept, turn })
    }

    /// Whether an API token stands behind, which is exchanged for any audience.
    pub(crate) fn is_api_token(&self) -> bool {
        Kind::ApiToken.fits(&self.subject)
    }

    /// As far as rules care.
    pub(crate) fn as_rules_see(&self, now: i64) -> Identity<'_> {
        let claims = &self.claims;
        let ago = |at: i64| Duration::from_secs(u64::try_from(now.saturating_sub(at)).unwrap_or(0));
        Identity {
            role: claims.role(),
            scopes: claims.as_access_claims().scope.as_deref(),
            signed_in_ago: claims.authenticated_at().map(ago),
        }
    }

    /// A token without any scope: an app could not tell it from one without restrictions.
    pub(crate) fn lacks_all_scopes(&self) -> bool {
        self.claims.as_access_claims().scope.as_deref().is_some_and(|scope| scope.trim().is_empty())
    }

    /// Remembers a token that was had on another way.
    pub(crate) fn keep(&self, audience: &Arc<str>, pass: Pass) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(of, _)| of != audience);
        kept.push((audience.clone(), pass));
    }

    fn kept(&self, audience: &str, now: i64) -> Option<Pass> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(of, pass): &&(Arc<str>, Pass)| **of == *audience && pass.expires_at - MARGIN > now;
        kept.iter().find(fits).map(|(_, pass)| pass.clone())
    }

    /// The token for `audience`, from memory or from the issuer.
    pub(crate) async fn pass(
        &self,
        audience: &Arc<str>,
        issuer: &Issuer,
        (now, client): (i64, &OnBehalf),
    ) -> Result<Pass, Refused> {
        if let Some(pass) = self.kept(audience, now) {
            return Ok(pass);
        }
        let _turn = self.turn.lock().await;
        if let Some(pass) = self.kept(audience, now) {
            return Ok(pass);
        }
        let token = issuer.exchange(&self.subject, audience, client).await?;
        let unusable =
            || Refused::Unavailable { why: "a token that no header can hold".into(), retry_after: 2 };
        // It never outlives what it was made of.
        let pass = Pass::new(&token, self.claims.expires_at()).ok_or_else(unusable)?;
        self.keep(audience, pass.clone());
        Ok(pass)
    }

    /// Tells the app who asks.
    pub(crate) fn tell(&self, pass: &Pass, headers: &mut HeaderMap) {
        for (name, value) in &self.identity {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(AUTHORIZATION, pass.authorization.clone());
    }
}
