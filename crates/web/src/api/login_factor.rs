//! `POST /auth/login/factor`

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use portcullis_app::login_factor::{FactorLogin, FactorLoginError, Presented};
use portcullis_app::show_factor::Showing;
use portcullis_core::secret_token::Kind;
use portcullis_core::session::Delivery;
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::token_response::{TokenBody, answer, delivery};
use crate::extract::{BodyOrForm, Browser, ClientInfo, handover};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// A second factor.
#[derive(Deserialize, ToSchema)]
pub(crate) struct FactorLoginBody {
    /// From the answer `second_factor_required`.
    challenge: Option<String>,
    /// `totp`, `recovery_code` or `passkey`: one of the answer's `methods`.
    method: Option<String>,
    code: Option<String>,
    /// No second factor is to be asked for on this device for `login.trust_device_for`.
    #[serde(default)]
    remember_device: bool,
    /// As at the first half, which it is taken from where it is absent.
    delivery: Option<String>,
    /// In a form, in the place of the header `X-CSRFToken`.
    csrf_token: Option<String>,
}

impl From<FactorLoginError> for Failure {
    fn from(error: FactorLoginError) -> Self {
        match error {
            FactorLoginError::InvalidChallenge(why) => Self::logged(Code::InvalidChallenge, why),
            FactorLoginError::WrongCode(why) => Self::logged(Code::WrongCode, why),
            FactorLoginError::Invalid(error) => Self::fields(vec![error]),
            FactorLoginError::Limited(limited) => limited.into(),
            FactorLoginError::Fault(fault) => fault.into(),
        }
    }
}

/// Show the second factor that a sign-in owes. Where tokens travel in cookies only from the browser that began, and as
/// with the sign-in itself.
#[utoipa::path(post, path = paths::LOGIN_FACTOR, tag = "auth",
    request_body(content((FactorLoginBody = "application/json"), (FactorLoginBody = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "Signed in", body = TokenBody)))]
pub(crate) async fn login_factor(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    BodyOrForm(body): BodyOrForm<FactorLoginBody>,
) -> Answer {
    let wanted = body.delivery.as_deref().map(|wanted| delivery(&web, Some(wanted))).transpose()?;
    let named = body.challenge;
    let is_secret = || named.as_ref().is_none_or(|named| Kind::LoginChallenge.fits(named));
    let in_body = wanted.map_or_else(is_secret, |wanted| wanted == Delivery::Body);
    let browser = Browser::new(&web, &headers);
    let admitted = if in_body { None } else { Some(browser.admit(body.csrf_token.as_deref()).await?) };
    let (Some(named), Some(method)) = (named, body.method) else {
        return Err(Failure::field("challenge", "required", "Give `challenge` and `method`."));
    };
    let challenge = match &admitted {
        None => Presented::Body(named),
        Some(admitted) => {
            Presented::Browser { secret: admitted.brought().challenge.clone(), named: Some(named) }
        }
    };
    let request = FactorLogin {
        challenge,
        showing: Showing { method, code: body.code },
        remember_device: body.remember_device,
        replaces: handover(Delivery::Body, admitted.as_ref()).replaces,
    };
    let tokens = web.cx.login_factor(request, &client).await?;
    let mut response = answer(StatusCode::OK, tokens, admitted.as_ref().map(|admitted| (&web, admitted)));
    if let Some(admitted) = &admitted {
        web.cookies.forget_challenge(response.headers_mut(), admitted.brought());
    }
    Ok(response)
}
