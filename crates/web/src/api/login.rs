//! `POST /auth/login`

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::login::{LoginError, LoginRequest};
use portcullis_core::password::Password;
use portcullis_core::user::Login;
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::second_factor::second_factor_required;
use super::token_response::{TokenBody, answer, delivery};
use crate::extract::{BodyOrForm, Browser, ClientInfo, handover};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// Who signs in: exactly one of `email`, `username` and `login`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LoginBody {
    email: Option<String>,
    username: Option<String>,
    /// An e-mail address or a user name.
    login: Option<String>,
    password: String,
    /// `body` (the default), `cookie` (the refresh token as a cookie) or `cookies` (both tokens).
    delivery: Option<String>,
    /// From an earlier sign-in on this device.
    device_token: Option<String>,
    /// Only for this audience; absent: for all.
    audience: Option<String>,
    /// In a form, in the place of the header `X-CSRFToken`.
    csrf_token: Option<String>,
}

/// Why nobody is signed in.
pub(crate) fn refused(web: &Web, error: LoginError) -> Failure {
    match error {
        LoginError::InvalidCredentials(why) => Failure::logged(Code::InvalidCredentials, why),
        LoginError::EmailNotVerified => Failure::new(Code::EmailNotVerified),
        LoginError::FactorOwed(owed) => second_factor_required(web, &owed),
        LoginError::UnknownAudience => unknown_audience(),
        LoginError::Limited(limited) => limited.into(),
        LoginError::Fault(fault) => fault.into(),
    }
}

/// The one name of who signs in.
pub(crate) fn one_name(names: [&Option<String>; 3]) -> Result<Login, Failure> {
    let mut given = names.into_iter().flatten();
    if let (Some(name), None) = (given.next(), given.next()) {
        return Ok(Login::new(name));
    }
    let message = "Give exactly one of `email`, `username` and `login`.";
    Err(Failure::field("login", "required", message))
}

pub(crate) fn unknown_audience() -> Failure {
    Failure::field("audience", "unknown", "Use one of `tokens.audience`, or leave it out for all.")
}

/// Sign in. With delivery `cookie` or `cookies` only from a page of ours or of `csrf.trusted_origins`, with its CSRF
/// token if a session's cookie comes along; that session ends.
#[utoipa::path(post, path = paths::LOGIN, tag = "auth",
    request_body(content((LoginBody = "application/json"), (LoginBody = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "Signed in", body = TokenBody)))]
pub(crate) async fn login(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    BodyOrForm(body): BodyOrForm<LoginBody>,
) -> Answer {
    let delivery = delivery(&web, body.delivery.as_deref())?;
    let admitted = Browser::new(&web, &headers).admit_for(delivery, body.csrf_token.as_deref()).await?;
    let known_device = admitted.as_ref().and_then(|admitted| admitted.brought().device.clone());
    let request = LoginRequest {
        login: one_name([&body.email, &body.username, &body.login])?,
        password: Password::presented(&body.password),
        handover: handover(delivery, admitted.as_ref()),
        device_token: body.device_token.or(known_device),
        audience: body.audience,
    };
    let tokens = web.cx.login(request, &client).await.map_err(|error| refused(&web, error))?;
    Ok(answer(StatusCode::OK, tokens, admitted.as_ref().map(|admitted| (&web, admitted))))
}
