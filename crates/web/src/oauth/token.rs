//! `POST /oauth/token` (RFC 6749 section 3.2, RFC 8693)

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use portcullis_app::oauth::{
    ClientCredentials, Exchange, Grant, Impersonation, Issued, RefreshGrant, TokenType,
};
use portcullis_core::client::GrantType;
use portcullis_core::session::ActingMode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Parameters;
use super::credentials::credentials;
use super::failure::{ErrorBody, OAuthFailure};
use super::{answer, given};
use crate::extract::ClientInfo;
use crate::paths;
use crate::state::Web;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
/// `grant_type` of RFC 6749 section 6.
pub(crate) const REFRESH_GRANT: &str = "refresh_token";

/// Parameters of the token endpoint. Which are needed, `grant_type` says; an empty one is an absent one.
#[derive(Deserialize, ToSchema)]
#[schema(as = OAuthTokenRequest)]
pub(crate) struct TokenRequest {
    /// `refresh_token`, `client_credentials` or `urn:ietf:params:oauth:grant-type:token-exchange`.
    #[serde(default, deserialize_with = "given")]
    grant_type: Option<String>,
    #[serde(default, deserialize_with = "given")]
    client_id: Option<String>,
    /// Unless the client authenticates by `Authorization: Basic`.
    #[serde(default, deserialize_with = "given")]
    client_secret: Option<String>,
    /// Fewer scopes than there could be, separated by blanks.
    #[serde(default, deserialize_with = "given")]
    scope: Option<String>,
    /// Only for this audience.
    #[serde(default, deserialize_with = "given")]
    audience: Option<String>,
    /// The same as `audience` (RFC 8707).
    #[serde(default, deserialize_with = "given")]
    resource: Option<String>,
    /// To refresh.
    #[serde(default, deserialize_with = "given")]
    refresh_token: Option<String>,
    /// To exchange: an API token, or an administrator's access token.
    #[serde(default, deserialize_with = "given")]
    subject_token: Option<String>,
    /// `urn:ietf:params:oauth:token-type:access_token`.
    #[serde(default, deserialize_with = "given")]
    subject_token_type: Option<String>,
    /// `urn:ietf:params:oauth:token-type:access_token`, or absent.
    #[serde(default, deserialize_with = "given")]
    requested_token_type: Option<String>,
    /// Not supported: who acts is who holds the subject token.
    #[serde(default, deserialize_with = "given")]
    actor_token: Option<String>,
    #[serde(default, deserialize_with = "given")]
    actor_token_type: Option<String>,
    /// The user as whom an administrator wants to act: id, e-mail address or user name.
    #[serde(default, deserialize_with = "given")]
    requested_subject: Option<String>,
    /// Why, with `requested_subject`.
    #[serde(default, deserialize_with = "given")]
    reason: Option<String>,
    /// With `requested_subject`: `read` (the default) or `full`.
    #[serde(default, deserialize_with = "given")]
    mode: Option<String>,
}

/// Tokens (RFC 6749 section 5.1, RFC 8693 section 2.2.1).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthTokenResponse)]
pub(crate) struct TokenAnswer {
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    /// Absent: unrestricted.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// After an exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    /// Of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Seconds until the refresh token expires if it is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<Uuid>,
    /// Until the password is changed nothing but that works.
    #[serde(skip_serializing_if = "Option::is_none")]
    must_change_password: Option<bool>,
}

impl From<Issued> for TokenAnswer {
    fn from(issued: Issued) -> Self {
        let session = issued.session.as_ref();
        Self {
            access_token: issued.access_token,
            token_type: "Bearer",
            expires_in: issued.expires_in.as_secs(),
            scope: issued.scope,
            issued_token_type: issued.exchanged.then_some(ACCESS_TOKEN),
            refresh_expires_in: session.map(|session| session.refresh_expires_in.as_secs()),
            session_id: session.map(|session| session.session.uuid()),
            must_change_password: session.map(|session| session.must_change_password),
            refresh_token: issued.session.map(|session| session.refresh_token),
        }
    }
}

/// Get an access token: for a refresh token, for a client's credentials, or in exchange for an API token.
#[utoipa::path(post, path = paths::OAUTH_TOKEN, tag = "OAuth", security((), ("client" = [])),
    request_body(content((TokenRequest = "application/x-www-form-urlencoded"), (TokenRequest = "application/json"))),
    responses((status = 200, description = "Tokens", body = TokenAnswer),
        (status = 400, description = "Refused", body = ErrorBody)))]
pub(crate) async fn token(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    Parameters(mut request): Parameters<TokenRequest>,
) -> Result<Response, OAuthFailure> {
    let credentials = credentials(&headers, request.client_id.take(), request.client_secret.take())?;
    let issued = web.cx.grant(grant(request)?, &credentials, &client).await?;
    Ok(answer(&TokenAnswer::from(issued)))
}

fn grant(request: TokenRequest) -> Result<Grant, OAuthFailure> {
    let Some(grant_type) = request.grant_type.as_deref() else {
        return Err(OAuthFailure::request("grant_type is missing."));
    };
    if grant_type == GrantType::TokenExchange.as_str() {
        return exchange(request).map(Grant::Exchange);
    }
    let client_credentials = grant_type == GrantType::ClientCredentials.as_str();
    if !client_credentials && grant_type != REFRESH_GRANT {
        return Err(OAuthFailure::grant_type());
    }
    let audience = audience(request.audience, request.resource)?;
    let scope = request.scope;
    if client_credentials {
        return Ok(Grant::ClientCredentials(ClientCredentials { scope, audience }));
    }
    let token = request.refresh_token.ok_or_else(|| OAuthFailure::request("refresh_token is missing."))?;
    Ok(Grant::Refresh(RefreshGrant { token, scope, audience }))
}

/// Two names for one thing.
fn audience(audience: Option<String>, resource: Option<String>) -> Result<Option<String>, OAuthFailure> {
    match (audience, resource) {
        (Some(one), Some(other)) if one != other => {
            Err(OAuthFailure::request("audience and resource name two audiences; ask for one."))
        }
        (one, other) => Ok(one.or(other)),
    }
}

fn exchange(request: TokenRequest) -> Result<Exchange, OAuthFailure> {
    if request.actor_token.is_some() || request.actor_token_type.is_some() {
        return Err(OAuthFailure::request("actor_token is not supported."));
    }
    if request.requested_token_type.as_deref().is_some_and(|wanted| wanted != ACCESS_TOKEN) {
        return Err(OAuthFailure::request("requested_token_type is not supported; ask for an access_token."));
    }
    let missing = |text| move || OAuthFailure::request(text);
    let subject_token = request.subject_token.ok_or_else(missing("subject_token is missing."))?;
    let subject_type = request.subject_token_type.ok_or_else(missing("subject_token_type is missing."))?;
    let subject_type = match subject_type.as_str() {
        ACCESS_TOKEN => TokenType::AccessToken,
        REFRESH_TOKEN => TokenType::RefreshToken,
        _ => return Err(OAuthFailure::request("subject_token_type is not supported.")),
    };
    let mode = match request.mode.as_deref() {
        None | Some("read") => ActingMode::Read,
        Some("full") => ActingMode::Full,
        Some(_) => return Err(OAuthFailure::request("mode is neither read nor full.")),
    };
    let acting = match (request.requested_subject, request.reason) {
        (None, _) => None,
        (Some(_), None) => return Err(OAuthFailure::request("reason is missing.")),
        (Some(user), Some(reason)) => Some(Impersonation { user, reason, mode }),
    };
    let audience = audience(request.audience, request.resource)?;
    Ok(Exchange { subject_token, subject_type, acting, scope: request.scope, audience })
}
