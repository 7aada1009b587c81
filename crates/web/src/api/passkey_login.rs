//! `/auth/passkeys/login`: signing in without a name and a password.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::passkeys::{PasskeyLogin, PasskeyLoginError, unreadable};
use portcullis_edge::code::Code;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::passkeys::{CeremonyBody, unavailable};
use super::{login, private_json};
use super::token_response::{TokenBody, answer, delivery};
use crate::extract::{Browser, ClientInfo, JsonBody, handover};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// A passkey that is shown.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasskeyLoginBody {
    /// What `login/start` gave out.
    ceremony: String,
    /// What `PublicKeyCredential.toJSON()` returns.
    credential: Value,
    /// `body` (the default), `cookie` (the refresh token as a cookie) or `cookies` (both tokens).
    delivery: Option<String>,
    /// From an earlier sign-in on this device.
    device_token: Option<String>,
    /// Only for this audience; absent: for all.
    audience: Option<String>,
}

/// Why nobody is signed in.
pub(crate) fn refused(web: &Web, error: PasskeyLoginError) -> Failure {
    match error {
        PasskeyLoginError::Unavailable => unavailable(),
        PasskeyLoginError::Unreadable => Failure::fields(vec![unreadable()]),
        PasskeyLoginError::NoCeremony => Failure::logged(Code::PasskeyRefused, "no such ceremony"),
        PasskeyLoginError::Login(error) => login::refused(web, error),
    }
}

/// Begin to sign in with a passkey. Nobody is named: the browser offers those it has.
#[utoipa::path(post, path = paths::PASSKEY_LOGIN_START, tag = "passkeys",
    responses((status = 200, description = "What to ask the browser for", body = CeremonyBody)))]
pub(crate) async fn start(State(web): State<Web>, ClientInfo(client): ClientInfo) -> Answer {
    let begun = web.cx.begin_passkey_login(&client).await.map_err(|error| refused(&web, error))?;
    Ok(private_json(StatusCode::OK, &CeremonyBody::from(begun)))
}

/// Sign in with a passkey. No second factor is owed: the passkey has verified the user. With delivery `cookie` or
/// `cookies` as `POST /auth/login`.
#[utoipa::path(post, path = paths::PASSKEY_LOGIN_FINISH, tag = "passkeys", request_body = PasskeyLoginBody,
    responses((status = 200, description = "Signed in", body = TokenBody)))]
pub(crate) async fn finish(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    JsonBody(body): JsonBody<PasskeyLoginBody>,
) -> Answer {
    let delivery = delivery(&web, body.delivery.as_deref())?;
    let admitted = Browser::new(&web, &headers).admit_for(delivery, None).await?;
    let known_device = admitted.as_ref().and_then(|admitted| admitted.brought().device.clone());
    let request = PasskeyLogin {
        ceremony: body.ceremony,
        credential: body.credential,
        handover: handover(delivery, admitted.as_ref()),
        device_token: body.device_token.or(known_device),
        audience: body.audience,
    };
    let tokens = web.cx.passkey_login(request, &client).await.map_err(|error| refused(&web, error))?;
    Ok(answer(StatusCode::OK, tokens, admitted.as_ref().map(|admitted| (&web, admitted))))
}
