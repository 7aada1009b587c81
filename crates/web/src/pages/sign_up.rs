//! `/sign-up`: signs up, and in.

use portcullis_app::admission::Codes;
use portcullis_app::register::{Registered, Registration};
use portcullis_core::registration::Mode;
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::form::{Field, Form, Kind};
use super::html::{Link, Notice, PageAnswer, page, refused};
use super::mailed::done;
use super::opened::{Opened, PageQuery, Pressed};
use super::provider::buttons;
use super::sign_in::{gone_on, known, signed_in};
use super::visit::Visit;
use crate::api::register::remember;
use crate::api::token_response::{cookies_of, delivery};
use crate::extract::handover;
use crate::failure::{Answer, Failure};
use crate::paths;

/// Who signs up.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignUpForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    /// Of either kind of invite.
    #[serde(default)]
    invite_code: String,
    #[serde(default)]
    csrf_token: String,
}

/// The sign-up page.
#[utoipa::path(get, path = paths::SIGN_UP_PAGE, tag = "pages", params(PageQuery), responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "Signed in already: back to `return_to`")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    let visit = Visit::of(&opened).await?;
    let shown = shown(&opened, &visit).await;
    visit.answer(shown)
}

async fn shown(opened: &Opened, visit: &Visit) -> Answer {
    match (&visit.user, known(opened, visit).await?) {
        (Some(caller), Some(user)) => signed_in(opened, caller, &user),
        _ if is_closed(opened) => closed(opened),
        _ => form(opened, visit.csrf_token(opened)).shown(),
    }
}

/// Signs up.
#[utoipa::path(post, path = paths::SIGN_UP_PAGE, tag = "pages", params(PageQuery),
    request_body(content = SignUpForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 303, description = "Signed up and in, by cookies: to `return_to`, or to the account page")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<SignUpForm>) -> PageAnswer {
    match sign_up(&opened, &sent).await {
        Ok(response) => Ok(response),
        Err(failure) if is_closed(&opened) => Ok(refused(failure, |_, _| closed(&opened))?),
        Err(failure) => {
            let mut form = form(&opened, opened.csrf_token().await?);
            form.keep("name", &sent.name);
            form.keep("email", &sent.email);
            form.keep("invite_code", &sent.invite_code);
            Ok(form.refused(failure)?)
        }
    }
}

async fn sign_up(opened: &Opened, sent: &SignUpForm) -> Answer {
    let web = &opened.web;
    let delivery = delivery(web, Some("cookies"))?;
    let admitted = opened.browser().admit_button(&sent.csrf_token).await?;
    let registration = Registration {
        email: sent.email.clone(),
        password: sent.password.clone(),
        name: Some(sent.name.clone()).filter(|name| !name.trim().is_empty()),
        username: None,
        codes: Codes::typed(&sent.invite_code),
    };
    let user = match web.cx.register(registration, &opened.client).await? {
        Registered::User(user) => *user,
        Registered::Later { browser } => {
            let text = "A mail is on its way to you. Open its link in this browser to finish signing up.";
            let mut response = done("Look into your mail", text, Link::new("Sign in", paths::SIGN_IN_PAGE))?;
            remember(web, &browser, response.headers_mut())?;
            return Ok(response);
        }
    };
    let tokens = web.cx.sign_in_new(user, handover(delivery, Some(&admitted)), &opened.client).await?;
    let mut response = gone_on(opened, &tokens)?;
    response.headers_mut().extend(cookies_of(&tokens, Some((web, &admitted)))?);
    Ok(response)
}

fn form(opened: &Opened, csrf_token: String) -> Form {
    let at_least = format!(
        "At least {} characters. A few unrelated words in a row are easy to remember.",
        opened.web.config.password_min_length
    );
    let required = opened.web.cx.runtime().registration_mode == Mode::Invite;
    let invite = (required || opened.invite.is_some()).then(|| {
        let field = Field::new("invite_code", "Invite code", Kind::Name, "off");
        let field = field.value(opened.invite.as_deref().unwrap_or_default());
        if required { field } else { field.optional() }
    });
    // A link carries no code that is typed here.
    let ways = if required && opened.invite.is_none() { Vec::new() } else { buttons(opened) };
    Form::new("Sign up", "Sign up", csrf_token)
        .leading_on(opened)
        .field(Field::new("name", "Name (if you like)", Kind::Text, "name").optional())
        .field(Field::new("email", "E-mail address", Kind::Email, "username"))
        .field(Field::new("password", "Password", Kind::Password, "new-password").hint(at_least))
        .fields(invite)
        .ways(ways)
        .link("I have an account: sign in", opened.by_way_of(paths::SIGN_IN_PAGE))
}

fn is_closed(opened: &Opened) -> bool {
    opened.web.cx.runtime().registration_mode == Mode::Closed
}

fn closed(opened: &Opened) -> Result<axum::response::Response, Failure> {
    let text = "Nobody can sign up here by themselves. Whoever runs this server can make an account for you.";
    let links = vec![Link::new("Sign in", opened.by_way_of(paths::SIGN_IN_PAGE))];
    page(&Notice {
        title: "Sign-up is closed",
        code: Some(Code::RegistrationClosed.as_str()),
        text: text.to_owned(),
        links,
    })
}
