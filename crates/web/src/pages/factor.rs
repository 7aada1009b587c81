//! `/sign-in/factor`: the second half of a sign-in that owes a factor. The challenge is in an `HttpOnly` cookie.

use axum::response::Response;
use portcullis_app::login_factor::{FactorLogin, FactorLoginError, Presented};
use portcullis_app::show_factor::Showing;
use portcullis_core::factor::Method;
use portcullis_core::session::Delivery;
use serde::Deserialize;
use utoipa::ToSchema;

use super::form::{Field, Form, Kind};
use super::html::{PageAnswer, see_other};
use super::opened::{Opened, PageQuery, Pressed};
use super::sign_in::gone_on;
use crate::api::token_response::cookies_of;
use crate::extract::handover;
use crate::failure::{Answer, Failure};
use crate::paths;

/// The factor.
#[derive(Deserialize, ToSchema)]
pub(crate) struct FactorForm {
    /// Of an app, or a recovery code.
    #[serde(default)]
    code: String,
    /// `yes`: no factor is to be asked for here for a while.
    #[serde(default)]
    remember_device: String,
    #[serde(default)]
    csrf_token: String,
}

/// What somebody has typed: codes of apps have six digits, recovery codes more.
pub(super) fn showing(code: &str) -> Showing {
    let length = code.chars().filter(|c| !c.is_whitespace()).count();
    let method = if length > 8 { Method::RecoveryCode } else { Method::Totp };
    Showing { method: method.as_str().to_owned(), code: Some(code.to_owned()) }
}

/// The field for it.
pub(super) fn code_field() -> Field {
    let hint = "Six digits of your app. If you have lost it, one of your recovery codes.";
    Field::new("code", "Code", Kind::Code, "one-time-code").hint(hint.to_owned())
}

/// The page that asks for the second factor.
#[utoipa::path(get, path = paths::SIGN_IN_FACTOR_PAGE, tag = "pages", params(PageQuery), responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "No sign-in owes one here: to the sign-in page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    let secret = opened.browser().challenge()?;
    match opened.web.cx.pending_login(&Presented::Browser { secret, named: None }).await {
        Ok(_) => Ok(form(&opened, opened.csrf_token().await?).shown()?),
        Err(FactorLoginError::InvalidChallenge(_)) => Ok(again(&opened)?),
        Err(error) => Err(Failure::from(error).into()),
    }
}

/// Shows the second factor.
#[utoipa::path(post, path = paths::SIGN_IN_FACTOR_PAGE, tag = "pages", params(PageQuery),
    request_body(content = FactorForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 303, description = "Signed in, by cookies: to `return_to`, or to the account page")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<FactorForm>) -> PageAnswer {
    match sign_in(&opened, &sent).await {
        Ok(response) => Ok(response),
        Err(failure) => Ok(form(&opened, opened.csrf_token().await?).refused(failure)?),
    }
}

async fn sign_in(opened: &Opened, sent: &FactorForm) -> Answer {
    let web = &opened.web;
    let admitted = opened.browser().admit_button(&sent.csrf_token).await?;
    let request = FactorLogin {
        challenge: Presented::Browser { secret: admitted.brought().challenge.clone(), named: None },
        showing: showing(&sent.code),
        remember_device: sent.remember_device == "yes",
        replaces: handover(Delivery::Cookies, Some(&admitted)).replaces,
    };
    let tokens = match web.cx.login_factor(request, &opened.client).await {
        Ok(tokens) => tokens,
        Err(FactorLoginError::InvalidChallenge(_)) => return again(opened),
        Err(error) => return Err(error.into()),
    };
    let cookies = cookies_of(&tokens, Some((web, &admitted)))?;
    let mut response = gone_on(opened, &tokens)?;
    response.headers_mut().extend(cookies);
    web.cookies.forget_challenge(response.headers_mut(), admitted.brought());
    Ok(response)
}

/// From the start.
fn again(opened: &Opened) -> Result<Response, Failure> {
    see_other(&opened.onward(paths::SIGN_IN_PAGE, false))
}

fn form(opened: &Opened, csrf_token: String) -> Form {
    let trust_for = opened.web.cx.settings.login.trust_device_for;
    let days = (trust_for.as_secs() / 86_400).max(1);
    let remember = Field::new("remember_device", "Do not ask again in this browser", Kind::Tick, "off")
        .value("yes")
        .hint(format!("For {days} days, or until your password or your factors change."))
        .optional();
    Form::new("One more step", "Go on", csrf_token)
        .leading_on(opened)
        .intro("Your password is right. Show that it is you.")
        .field(code_field())
        .fields((!trust_for.is_zero()).then_some(remember))
        .link("Start again", opened.onward(paths::SIGN_IN_PAGE, false))
}
