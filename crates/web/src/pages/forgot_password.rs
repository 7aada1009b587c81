//! `/forgot-password`: asks for a mail with a link to set a new password.

use serde::Deserialize;
use utoipa::ToSchema;

use super::form::{Field, Form, Kind};
use super::html::{Link, PageAnswer};
use super::mailed::done;
use super::opened::{Opened, PageQuery, Pressed};
use crate::failure::Answer;
use crate::paths;

/// Whose password is lost.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ForgotForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    csrf_token: String,
}

/// The page that asks for a link to set a new password.
#[utoipa::path(get, path = paths::FORGOT_PASSWORD_PAGE, tag = "pages", params(PageQuery), responses(
    (status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    let form = form(&opened, opened.csrf_token().await?);
    Ok(form.shown()?)
}

/// Asks for the mail. The page that comes is the same for every address.
#[utoipa::path(post, path = paths::FORGOT_PASSWORD_PAGE, tag = "pages", params(PageQuery),
    request_body(content = ForgotForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "If the address is known, a mail is on its way")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<ForgotForm>) -> PageAnswer {
    match ask(&opened, &sent).await {
        Ok(response) => Ok(response),
        Err(failure) => {
            let mut form = form(&opened, opened.csrf_token().await?);
            form.keep("email", &sent.email);
            Ok(form.refused(failure)?)
        }
    }
}

async fn ask(opened: &Opened, sent: &ForgotForm) -> Answer {
    opened.browser().admit_button(&sent.csrf_token).await?;
    opened.web.cx.forgot_password(&sent.email, &opened.client).await?;
    let text = "If somebody has signed up with this address, a mail with a link is on its way to it.";
    done("Look into your mail", text, Link::new("Sign in", opened.by_way_of(paths::SIGN_IN_PAGE)))
}

fn form(opened: &Opened, csrf_token: String) -> Form {
    Form::new("Set a new password", "Send me a link", csrf_token)
        .intro("We mail you a link by which you set a new password.")
        .field(Field::new("email", "E-mail address", Kind::Email, "email"))
        .link("Sign in", opened.by_way_of(paths::SIGN_IN_PAGE))
}
