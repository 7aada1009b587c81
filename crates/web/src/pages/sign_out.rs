//! `/sign-out`: a button, so that no link and no image signs anybody out.

use serde::Deserialize;
use utoipa::ToSchema;

use super::form::Form;
use super::html::{Link, Notice, PageAnswer, page, see_other};
use super::opened::{Opened, PageQuery, Pressed};
use crate::api::forget::forget_all;
use crate::api::logout::end_session_of;
use crate::failure::Answer;
use crate::paths;
use crate::place::Place;

/// The button.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SignOutForm {
    #[serde(default)]
    csrf_token: String,
}

/// The sign-out page.
#[utoipa::path(get, path = paths::SIGN_OUT_PAGE, tag = "pages", params(PageQuery),
    responses((status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    if opened.browser().page_session().await?.is_some() {
        return Ok(form(&opened, opened.csrf_token().await?).shown()?);
    }
    let text = "Nobody is signed in in this browser.".to_owned();
    let on = opened.place.as_ref().map(|place| Link::new("Go on", place.location()));
    let links = on.into_iter().chain([Link::new("Sign in", opened.by_way_of(paths::SIGN_IN_PAGE))]).collect();
    Ok(page(&Notice { title: "You are signed out", code: None, text, links })?)
}

/// Signs out.
#[utoipa::path(post, path = paths::SIGN_OUT_PAGE, tag = "pages", params(PageQuery),
    request_body(content = SignOutForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 303, description = "Signed out, the cookies are gone: to `return_to`, or to this page")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<SignOutForm>) -> PageAnswer {
    match sign_out(&opened, &sent).await {
        Ok(response) => Ok(response),
        Err(failure) => Ok(form(&opened, opened.csrf_token().await?).refused(failure)?),
    }
}

/// Ends what the browser holds, an administrator's own session beside the one of acting.
async fn sign_out(opened: &Opened, sent: &SignOutForm) -> Answer {
    let web = &opened.web;
    let admitted = opened.browser().admit_button(&sent.csrf_token).await?;
    for token in admitted.tokens() {
        web.cx.logout_with_token(token, &opened.client).await?;
    }
    for token in admitted.access_tokens() {
        end_session_of(web, token, &opened.client).await?;
    }
    let mut response = see_other(opened.place.as_ref().map_or(paths::SIGN_OUT_PAGE, Place::location))?;
    forget_all(web, &mut response, &admitted);
    Ok(response)
}

fn form(opened: &Opened, csrf_token: String) -> Form {
    Form::new("Sign out", "Sign out", csrf_token)
        .leading_on(opened)
        .intro("This ends your session in this browser.")
        .link("Your account", paths::ACCOUNT_PAGE)
}
