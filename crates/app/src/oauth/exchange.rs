//! Token exchange (RFC 8693): an API token becomes a short access token, or an administrator another user.
//!
//! 1. The subject token says who asks; what is wrong with it is `invalid_request` (section 2.2.2), whether it is
//!    unknown, expired or of a kind that may not be exchanged.
//! 2. With `requested_subject` its session begins to act as that user, under the rules of
//!    [`Cx::impersonate`]. The token must be the administrator's own, for us alone.
//! 3. An API token becomes an access token. What comes of it has the token's id as `sid` and its generation, and so
//!    ends with it; it never lives longer, and never may more.
//! 4. A session's access token that is good for our own API, alone or among others, is narrowed to one that is not:
//!    what the gateway hands to the service behind it. Everything else about it stays: session and generation, so
//!    that it dies with them, role, actor, what it may not do, and when it ends.
//!
//! Never the other way: whoever holds a copy of a narrow token, a service behind us for instance, could make itself
//! one for our own API. The refresh token does that, with `audience`.

use portcullis_core::client::{GrantType, ServiceClient};
use portcullis_core::scope::Scopes;
use portcullis_core::session::{ActingMode, Delivery};
use portcullis_jose::AccessClaims;

use super::client_credentials::asked_scopes;
use super::{Issued, OAuthError};
use crate::bearer::{BearerError, Caller, Credential};
use crate::client::Client;
use crate::cx::Cx;
use crate::impersonate::{ImpersonateError, ImpersonationRequest, MayNot};
use crate::operator::OperatorError;
use crate::own::NotOwn;

/// What a subject token is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// `urn:ietf:params:oauth:token-type:access_token`
    AccessToken,
    /// `urn:ietf:params:oauth:token-type:refresh_token`
    RefreshToken,
}

/// An exchange that is asked for. Holds a token, and so has no `Debug`.
pub struct Exchange {
    /// The token.
    pub subject_token: String,
    /// What it is.
    pub subject_type: TokenType,
    /// As whom to act.
    pub acting: Option<Impersonation>,
    /// Only these scopes.
    pub scope: Option<String>,
    /// Only this audience.
    pub audience: Option<String>,
}

/// As whom an administrator wants to act.
pub struct Impersonation {
    /// Id, e-mail address or user name.
    pub user: String,
    /// Why: for the audit log.
    pub reason: String,
    /// To look, or to do.
    pub mode: ActingMode,
}

impl Cx {
    pub(super) async fn exchange(
        &self,
        wanted: Exchange,
        by: Option<&ServiceClient>,
        client: &Client,
    ) -> Result<Issued, OAuthError> {
        if by.is_some_and(|by| !by.grant_types.contains(GrantType::TokenExchange)) {
            return Err(OAuthError::UnauthorizedClient("This client may not use token exchange."));
        }
        if wanted.subject_type == TokenType::RefreshToken {
            let text = "Old refresh tokens are not exchanged in this version; those of ours are refreshed.";
            return Err(OAuthError::request(text));
        }
        // 1.
        let caller = self.caller(&wanted.subject_token).await.map_err(|error| match error {
            BearerError::Invalid(why) => OAuthError::SubjectToken(why),
            BearerError::Fault(fault) => fault.into(),
        })?;
        match (wanted.acting, &caller.credential) {
            // 2.
            (Some(acting), _) if wanted.scope.is_none() && wanted.audience.is_none() => {
                self.act_as(&caller, acting, client).await
            }
            (Some(_), _) => Err(OAuthError::request("Leave scope and audience out with requested_subject.")),
            // 3.
            (None, Credential::ApiToken(_)) => {
                let issued = self.exchange_api_token(
                    &caller,
                    by,
                    wanted.scope.as_deref(),
                    wanted.audience.as_deref(),
                )?;
                self.note_use_from(&caller, by.is_none().then_some(client.address));
                Ok(issued)
            }
            // 4.
            (None, Credential::Session(_)) if by.is_none() && wanted.scope.is_none() => {
                self.narrow_session(&caller, wanted.audience.as_deref())
            }
            (None, Credential::Session(_)) => Err(OAuthError::request(
                "The token of a session is exchanged without client credentials and without scope.",
            )),
            (None, Credential::Exchanged | Credential::Client) => Err(OAuthError::request(
                "This token was issued for an exchange or to a client; exchange ends there.",
            )),
        }
    }

    fn exchange_api_token(
        &self,
        caller: &Caller,
        by: Option<&ServiceClient>,
        scope: Option<&str>,
        audience: Option<&str>,
    ) -> Result<Issued, OAuthError> {
        let own = caller.claims.scope.as_deref().map(Scopes::from_stored);
        let scope = match scope {
            Some(text) => Some(asked_scopes(text, own.as_ref())?),
            None => own,
        };
        let now = self.clock.now();
        let exp = caller.claims.exp.min((now + self.settings.lifetimes.access).seconds());
        let aud = self.audiences_for(by, audience)?;
        let claims = AccessClaims {
            // For what stands behind a proxy of ours alone: it opens nothing here, whatever else has that name.
            upstream: aud.iter().all(|audience| self.is_upstream_audience(audience)),
            aud,
            exp,
            iat: now.seconds(),
            nbf: now.seconds(),
            jti: self.new_token_id(),
            client_id: by.map_or_else(|| caller.claims.client_id.clone(), |by| by.id.to_string()),
            scope: scope.as_ref().map(ToString::to_string),
            ..caller.claims.clone()
        };
        let (access_token, expires_in) = self.signed(&claims)?;
        Ok(Issued { access_token, expires_in, scope: claims.scope, exchanged: true, session: None })
    }

    /// The same token for one service that is not us.
    fn narrow_session(&self, caller: &Caller, audience: Option<&str>) -> Result<Issued, OAuthError> {
        if !caller.claims.aud.contains(&self.settings.issuer) {
            return Err(OAuthError::request(
                "This token is for another service already; exchange one whose aud names the issuer.",
            ));
        }
        let audience = audience.ok_or_else(|| {
            OAuthError::request("Name the service in audience; without it the token stays what it is.")
        })?;
        let other = audience != self.settings.issuer;
        if !(other && (self.is_upstream_audience(audience) || self.is_audience(audience))) {
            return Err(OAuthError::InvalidTarget);
        }
        let now = self.clock.now();
        let claims = AccessClaims {
            aud: vec![audience.to_owned()],
            iat: now.seconds(),
            nbf: now.seconds(),
            jti: self.new_token_id(),
            upstream: true,
            ..caller.claims.clone()
        };
        let (access_token, expires_in) = self.signed(&claims)?;
        Ok(Issued { access_token, expires_in, scope: None, exchanged: true, session: None })
    }

    async fn act_as(
        &self,
        caller: &Caller,
        acting: Impersonation,
        client: &Client,
    ) -> Result<Issued, OAuthError> {
        // Whoever may not is not told who there is.
        caller.may_impersonate().map_err(|refusal| OAuthError::request(why(refusal)))?;
        let nobody = || OAuthError::request("requested_subject names nobody as whom you may act.");
        let user = self.find_user(&acting.user).await.map_err(|error| match error {
            OperatorError::Fault(fault) => OAuthError::Fault(fault),
            _ => nobody(),
        })?;
        let Impersonation { reason, mode, .. } = acting;
        let request = ImpersonationRequest { user: user.id, reason, mode, delivery: Delivery::Body };
        match self.impersonate(caller, request, client).await {
            Ok(tokens) => Ok(Issued { exchanged: true, ..tokens.into() }),
            Err(ImpersonateError::Invalid(errors)) => {
                let texts: Vec<_> = errors.into_iter().map(|error| error.message).collect();
                Err(OAuthError::request(texts.join(" ")))
            }
            Err(ImpersonateError::NotFound | ImpersonateError::Forbidden(_)) => Err(nobody()),
            Err(ImpersonateError::MayNot(refusal)) => Err(OAuthError::request(why(refusal))),
            Err(ImpersonateError::Fault(fault)) => Err(fault.into()),
        }
    }
}

/// For the caller: they hold the token.
const fn why(refusal: MayNot) -> &'static str {
    match refusal {
        MayNot::NotOwn(NotOwn::MustChangePassword) => "password_change_required: change the password first.",
        MayNot::NotOwn(NotOwn::MustSetUpFactor) => {
            "factor_setup_required: set up a second factor at POST /auth/factors/totp first."
        }
        MayNot::NotOwn(NotOwn::NoSession) => {
            "session_required: API tokens, bots and service clients cannot act as somebody."
        }
        MayNot::NotOwn(NotOwn::Acting) => {
            "not_while_acting: stop acting at POST /auth/impersonation/stop first."
        }
        MayNot::NotOwn(NotOwn::OtherAudience) => {
            "wrong_audience: refresh with audience set to the issuer, and use that token here."
        }
        MayNot::NotAdministrator => "forbidden: only administrators act as somebody.",
    }
}
