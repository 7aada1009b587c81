//! `/sign-in`: signs in, renews what ran out, and sends people back to where they wanted to go.

use axum::response::Response;
use http::header::SET_COOKIE;
use portcullis_app::bearer::Caller;
use portcullis_app::login::{LoginError, LoginRequest};
use portcullis_app::owed::Owed;
use portcullis_app::passkeys::{PasskeyAnswer, PasskeyLogin};
use portcullis_app::tokens::Tokens;
use portcullis_core::password::Password;
use portcullis_core::registration::Mode;
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Login, User};
use portcullis_edge::code::Code;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::form::{Field, Form, Kind};
use super::html::{Link, Notice, PageAnswer, page, see_other};
use super::opened::{Opened, PageQuery, Pressed};
use super::provider::buttons;
use super::visit::Visit;
use crate::api::token_response::{cookies_of, delivery};
use crate::api::{login, passkey_login};
use crate::extract::handover;
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::place::Place;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignInForm {
    /// An e-mail address or a user name.
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    /// In the place of both: what the browser was asked for a passkey with.
    #[serde(default)]
    ceremony: String,
    /// What it answered, as JSON.
    #[serde(default)]
    credential: String,
    #[serde(default)]
    csrf_token: String,
}

/// The sign-in page. Whoever is signed in goes straight back to `return_to`, with new cookies where the old ones ran
/// out.
#[utoipa::path(get, path = paths::SIGN_IN_PAGE, tag = "pages", params(PageQuery), responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "Back to `return_to`")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    let visit = Visit::of(&opened).await?;
    let shown = shown(&opened, &visit).await;
    visit.answer(shown)
}

async fn shown(opened: &Opened, visit: &Visit) -> Answer {
    if visit.was_acting {
        // Once more, as themselves.
        return see_other(&opened.onward(paths::SIGN_IN_PAGE, false));
    }
    if visit.may_be_renewed_elsewhere && !opened.tried {
        return see_other(&opened.onward(paths::RENEW, false));
    }
    let user = known(opened, visit).await?;
    match (&visit.user, user) {
        (Some(caller), Some(user)) if is_fresh(opened, caller) => signed_in(opened, caller, &user),
        (_, user) => form(opened, visit.csrf_token(opened), user.as_ref()).shown(),
    }
}

/// Who is signed in, as stored.
pub(super) async fn known(opened: &Opened, visit: &Visit) -> Result<Option<User>, Failure> {
    match &visit.user {
        Some(caller) => Ok(opened.web.cx.me(caller.user).await?),
        None => Ok(None),
    }
}

/// Whether the sign-in is as recent as is asked for. Where somebody acts as another, that one never signed in.
fn is_fresh(opened: &Opened, caller: &Caller) -> bool {
    let Some(max_age) = opened.max_age else { return true };
    let at = caller.claims.auth_time.map(Timestamp::from_seconds);
    at.is_some_and(|at| opened.web.cx.clock.now().since(at) <= max_age)
}

/// For somebody who is signed in already.
pub(super) fn signed_in(opened: &Opened, caller: &Caller, user: &User) -> Answer {
    if caller.must_change_password {
        return see_other(&opened.by_way_of(paths::PASSWORD_PAGE));
    }
    if caller.must_set_up_factor {
        return see_other(paths::FACTORS_PAGE);
    }
    if let Some(place) = opened.place.as_ref().filter(|place| place.gets_our_cookies(&opened.web)) {
        return see_other(place.location());
    }
    let text = format!("You are signed in as {}.", user.email.as_str());
    let on = opened.place.as_ref().map(|place| Link::new("Go on", place.location()));
    let account = Link::new("Your account", paths::ACCOUNT_PAGE);
    let out = Link::new("Sign out", opened.by_way_of(paths::SIGN_OUT_PAGE));
    let links = on.into_iter().chain([account, out]).collect();
    page(&Notice { title: "You are signed in", code: None, text, links })
}

/// Signs in.
#[utoipa::path(post, path = paths::SIGN_IN_PAGE, tag = "pages", params(PageQuery),
    request_body(content = SignInForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 303, description = "Signed in, by cookies: to `return_to`, or to the account page")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<SignInForm>) -> PageAnswer {
    match sign_in(&opened, &sent).await {
        Ok(response) => Ok(response),
        Err(failure) => {
            let mut form = form(&opened, opened.csrf_token().await?, None);
            form.keep("email", &sent.email);
            Ok(form.refused(failure)?)
        }
    }
}

async fn sign_in(opened: &Opened, sent: &SignInForm) -> Answer {
    let web = &opened.web;
    let delivery = delivery(web, Some("cookies"))?;
    let admitted = opened.browser().admit_button(&sent.csrf_token).await?;
    let handover = handover(delivery, Some(&admitted));
    let device_token = admitted.brought().device.clone();
    // What changes credentials takes no token that is for others, too.
    let audience = Some(web.cx.settings.issuer.clone());
    let tokens = if sent.ceremony.is_empty() {
        let (login, password) = (Login::new(&sent.email), Password::presented(&sent.password));
        let request = LoginRequest { login, password, handover, device_token, audience };
        match web.cx.login(request, &opened.client).await {
            Ok(tokens) => tokens,
            Err(LoginError::FactorOwed(owed)) => return to_factor(opened, &owed),
            Err(error) => return Err(login::refused(web, error)),
        }
    } else {
        let ceremony = sent.ceremony.clone();
        let credential = serde_json::from_str(&sent.credential).unwrap_or(Value::Null);
        let answer = PasskeyAnswer { ceremony, credential };
        let request = PasskeyLogin { answer, handover, device_token, audience };
        let signed_in = web.cx.passkey_login(request, &opened.client).await;
        signed_in.map_err(|error| passkey_login::refused(web, error))?
    };
    let cookies = cookies_of(&tokens, Some((web, &admitted)))?;
    let mut response = gone_on(opened, &tokens)?;
    response.headers_mut().extend(cookies);
    Ok(response)
}

/// To the second half.
pub(super) fn to_factor(opened: &Opened, owed: &Owed) -> Answer {
    let mut response = see_other(&opened.onward(paths::SIGN_IN_FACTOR_PAGE, false))?;
    let secret = owed.cookie().unwrap_or_default();
    let line = opened.web.cookies.keep_challenge(secret);
    let line = line.map_err(|_| Failure::logged(Code::InternalError, "a challenge that fits no cookie"))?;
    response.headers_mut().append(SET_COOKIE, line);
    Ok(response)
}

/// To where they wanted to go; by way of the change of password, if that comes first, or to the second factors.
pub(super) fn gone_on(opened: &Opened, tokens: &Tokens) -> Result<Response, Failure> {
    if tokens.grant.must_change_password {
        see_other(&opened.by_way_of(paths::PASSWORD_PAGE))
    } else if tokens.must_set_up_factor {
        see_other(paths::FACTORS_PAGE)
    } else {
        see_other(opened.next())
    }
}

/// `again`: somebody who is signed in, but not recently enough.
pub(super) fn form(opened: &Opened, csrf_token: String, again: Option<&User>) -> Form {
    let takes_passkeys = opened.web.cx.takes_passkeys();
    // In this field the browser offers the passkeys that it knows.
    let filled_by = if takes_passkeys { "username webauthn" } else { "username" };
    let name = Field::new("email", "E-mail address or user name", Kind::Name, filled_by);
    let password = Field::new("password", "Password", Kind::Password, "current-password");
    let form = Form::new("Sign in", "Sign in", csrf_token).leading_on(opened).or_passkey(takes_passkeys);
    let form = match (again, opened.place.as_ref().and_then(Place::foreign_origin)) {
        (Some(_), _) => form.intro("To go on here, please show once more that it is you."),
        (None, Some(origin)) => form.intro(format!("You go on to {origin} from here.")),
        (None, None) => form,
    };
    let form = form.link("I have lost my password", opened.by_way_of(paths::FORGOT_PASSWORD_PAGE));
    let form = form.field(name.value(again.map_or("", |user| user.email.as_str()))).field(password);
    let form = form.ways(buttons(opened));
    if opened.web.cx.runtime().registration_mode != Mode::Closed && again.is_none() {
        form.link("Sign up", opened.by_way_of(paths::SIGN_UP_PAGE))
    } else {
        form
    }
}
