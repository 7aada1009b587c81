//! The token response: what every sign-in and every refresh answers.
//!
//! | delivery | body | cookies |
//! |---|---|---|
//! | `body` | access, refresh and device token | none |
//! | `cookie` | access token | `pc_refresh`, `pc_device`, `csrftoken` |
//! | `cookies` | none | the same and `pc_access` |
//!
//! Of a session in which an administrator acts as another user, the cookies are `pc_act_…`.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use portcullis_app::tokens::Tokens;
use portcullis_core::session::Delivery;
use portcullis_edge::code::Code;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::private_json;
use super::user::UserBody;
use crate::extract::Admitted;
use crate::failure::Failure;
use crate::state::Web;

/// Tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenResponse)]
pub(crate) struct TokenBody {
    /// JWT for `Authorization: Bearer`. Not with delivery `cookies`.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Opaque; good for one refresh. Only with delivery `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Seconds until the refresh token expires if it is not used.
    refresh_expires_in: u64,
    session_id: Uuid,
    /// Until the password is changed only `GET /auth/me`, `password/change`, `refresh` and `logout` work.
    must_change_password: bool,
    /// Until a second factor is set up only what `must_change_password` leaves, `factors` and `step-up` work.
    must_set_up_factor: bool,
    user: UserBody,
    /// Send it along with the next login on this device: strangers who guess passwords then slow only
    /// themselves down. Only with delivery `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
}

impl From<Tokens> for TokenBody {
    /// What of `tokens` goes into the body.
    fn from(tokens: Tokens) -> Self {
        let delivery = tokens.grant.delivery;
        let if_body = |text: String| (delivery == Delivery::Body).then_some(text);
        Self {
            access_token: (delivery != Delivery::Cookies).then_some(tokens.access_token),
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: if_body(tokens.refresh_token),
            refresh_expires_in: tokens.refresh_expires_in.as_secs(),
            session_id: tokens.grant.session.uuid(),
            must_change_password: tokens.grant.must_change_password,
            must_set_up_factor: tokens.must_set_up_factor,
            user: UserBody::in_account(&tokens.user, tokens.grant.account.as_ref()),
            device_token: tokens.device_token.and_then(if_body),
        }
    }
}

/// The answer with the tokens of a session that gets them in the body, whoever asked.
pub(crate) fn in_body(status: StatusCode, tokens: Tokens) -> Response {
    answer(status, tokens, None)
}

/// The answer with the tokens in it, in the body or in cookies.
pub(crate) fn answer(status: StatusCode, tokens: Tokens, to: Option<(&Web, &Admitted)>) -> Response {
    with_cookies(tokens, to, |tokens| private_json(status, &TokenBody::from(tokens)))
}

/// The same after a rotation: also where the access token fits no cookie, the browser gets the refresh token that its
/// own was spent for.
pub(crate) fn answer_rotated(tokens: Tokens, to: (&Web, &Admitted)) -> Response {
    match cookies_of(&tokens, Some(to)) {
        Ok(cookies) => {
            let mut response = private_json(StatusCode::OK, &TokenBody::from(tokens));
            response.headers_mut().extend(cookies);
            response
        }
        Err(error) => {
            let mut response = error.failure.into_response();
            response.headers_mut().extend(*error.rest);
            response
        }
    }
}

/// What `made` makes of the tokens, with the cookies that belong to them.
pub(crate) fn with_cookies(
    tokens: Tokens,
    to: Option<(&Web, &Admitted)>,
    made: impl FnOnce(Tokens) -> Response,
) -> Response {
    let cookies = match cookies_of(&tokens, to) {
        Ok(cookies) => cookies,
        Err(error) => return error.failure.into_response(),
    };
    let mut response = made(tokens);
    response.headers_mut().extend(cookies);
    response
}

/// Why `tokens` cannot be handed over whole.
pub(crate) struct NotWhole {
    pub(crate) failure: Failure,
    /// The cookies that can be set all the same.
    pub(crate) rest: Box<HeaderMap>,
}

impl From<NotWhole> for Failure {
    /// Of a session that has just begun: it has nothing to lose.
    fn from(error: NotWhole) -> Self {
        error.failure
    }
}

/// The cookies that belong to `tokens`. A session whose tokens travel in cookies is only ever answered to a request that
/// was admitted.
pub(crate) fn cookies_of(tokens: &Tokens, to: Option<(&Web, &Admitted)>) -> Result<HeaderMap, NotWhole> {
    let mut cookies = HeaderMap::new();
    match (tokens.grant.delivery, to) {
        (Delivery::Body, _) => Ok(cookies),
        (Delivery::Cookie | Delivery::Cookies, Some((web, admitted))) => {
            let csrf_token = web.cx.csrf_token(Some(tokens.grant.session));
            let set = web.cookies.hand_over(&mut cookies, tokens, &csrf_token, admitted.brought());
            if set.is_ok() {
                return Ok(cookies);
            }
            let why = "a token is too long for a cookie: say less in tokens.claims";
            Err(NotWhole { failure: Failure::logged(Code::InternalError, why), rest: Box::new(cookies) })
        }
        (Delivery::Cookie | Delivery::Cookies, None) => {
            let why = "cookies for a request that was not admitted";
            Err(NotWhole { failure: Failure::logged(Code::InternalError, why), rest: Box::default() })
        }
    }
}

/// The delivery that was asked for; `body` where none was.
pub(crate) fn delivery(web: &Web, wanted: Option<&str>) -> Result<Delivery, Failure> {
    let refuse = |code, message| Err(Failure::field("delivery", code, message));
    match wanted.map(str::parse) {
        None => Ok(Delivery::Body),
        Some(Ok(Delivery::Cookie | Delivery::Cookies)) if !web.cookies.usable => refuse(
            "needs_https",
            "Cookies would travel in clear: set `server.public_url` to an https URL, or use `body`.",
        ),
        Some(Ok(delivery)) => Ok(delivery),
        Some(Err(_)) => refuse("invalid", "Use `body`, `cookie` or `cookies`."),
    }
}
