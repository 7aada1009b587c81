//! `/auth/passkeys/login`: signing in without a name and a password.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::login_factor::Presented;
use portcullis_app::passkeys::{PasskeyAnswer, PasskeyLogin, PasskeyLoginError, unreadable};
use portcullis_core::secret_token::Kind;
use portcullis_edge::code::Code;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::passkeys::{CeremonyBody, unavailable};
use super::token_response::{TokenBody, answer, delivery};
use super::{login, private_json};
use crate::extract::{Browser, ClientInfo, JsonBody, OptionalJson, handover};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// For whom.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = PasskeyLoginStart)]
pub(crate) struct StartBody {
    /// From the answer `second_factor_required`.
    challenge: Option<String>,
}

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

/// The passkey of a request that may show something else. In a form the credential is text.
pub(super) fn shown_in(ceremony: Option<String>, credential: Option<Value>) -> Option<PasskeyAnswer> {
    let credential = match credential? {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
        other => other,
    };
    Some(PasskeyAnswer { ceremony: ceremony?, credential })
}

/// Why nobody is signed in.
pub(crate) fn refused(web: &Web, error: PasskeyLoginError) -> Failure {
    match error {
        PasskeyLoginError::Unavailable => unavailable(),
        PasskeyLoginError::Unreadable => Failure::fields(vec![unreadable()]),
        PasskeyLoginError::NoCeremony => Failure::logged(Code::PasskeyRefused, "no such ceremony"),
        PasskeyLoginError::Challenge(error) => error.into(),
        PasskeyLoginError::Login(error) => login::refused(web, error),
    }
}

/// Begin to show a passkey. Nobody is named: the browser offers those it has. With the challenge of a sign-in that owes a
/// second factor, only those of that user.
#[utoipa::path(post, path = paths::PASSKEY_LOGIN_START, tag = "passkeys", request_body = Option<StartBody>,
    responses((status = 200, description = "What to ask the browser for", body = CeremonyBody)))]
pub(crate) async fn start(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<StartBody>,
) -> Answer {
    let challenge = match body.unwrap_or_default().challenge {
        None => None,
        Some(secret) if Kind::LoginChallenge.fits(&secret) => Some(Presented::Body(secret)),
        Some(named) => {
            let admitted = Browser::new(&web, &headers).admit_named().await?;
            let secret = admitted.brought().challenge.clone();
            Some(Presented::Browser { secret, named: Some(named) })
        }
    };
    let begun = web.cx.begin_passkey_login(challenge.as_ref(), &client).await;
    let begun = begun.map_err(|error| refused(&web, error))?;
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
        answer: PasskeyAnswer { ceremony: body.ceremony, credential: body.credential },
        handover: handover(delivery, admitted.as_ref()),
        device_token: body.device_token.or(known_device),
        audience: body.audience,
    };
    let tokens = web.cx.passkey_login(request, &client).await.map_err(|error| refused(&web, error))?;
    Ok(answer(StatusCode::OK, tokens, admitted.as_ref().map(|admitted| (&web, admitted))))
}
