//! The token response: what every sign-in and every refresh answers.

use axum::response::Response;
use http::StatusCode;
use portcullis_app::tokens::Tokens;
use portcullis_core::session::Delivery;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::private_json;
use super::user::UserBody;
use crate::failure::Failure;

/// Tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenResponse)]
pub(crate) struct TokenBody {
    /// JWT for `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Opaque; good for one refresh. Only with delivery `body`.
    refresh_token: String,
    /// Seconds until the refresh token expires if it is not used.
    refresh_expires_in: u64,
    session_id: Uuid,
    /// Until the password is changed only `GET /auth/me`, `password/change`, `refresh` and `logout` work.
    must_change_password: bool,
    user: UserBody,
    /// Send it along with the next login on this device: strangers who guess passwords then slow only
    /// themselves down.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
}

impl From<Tokens> for TokenBody {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh_token,
            refresh_expires_in: tokens.refresh_expires_in.as_secs(),
            session_id: tokens.grant.session.uuid(),
            must_change_password: tokens.grant.must_change_password,
            user: UserBody::from(&tokens.user),
            device_token: tokens.device_token,
        }
    }
}

/// The answer with the tokens in it.
pub(crate) fn answer(status: StatusCode, tokens: Tokens) -> Response {
    private_json(status, &TokenBody::from(tokens))
}

/// The delivery that was asked for. Cookies come with the browser part; until then they are refused, so that
/// nobody believes to have what is not there.
pub(crate) fn delivery(wanted: Option<&str>) -> Result<Delivery, Failure> {
    let refuse = |message| Err(Failure::field("delivery", "invalid", message));
    match wanted.map(str::parse) {
        None | Some(Ok(Delivery::Body)) => Ok(Delivery::Body),
        Some(Ok(Delivery::Cookie | Delivery::Cookies)) => {
            refuse("Delivery by cookie is not part of this version; use `body`.")
        }
        Some(Err(_)) => refuse("Use `body`."),
    }
}
