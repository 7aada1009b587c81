//! `/reset-password`: sets a new password by a mailed link.

use portcullis_app::reset_password::PasswordReset;
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::form::{Field, Form, Kind};
use super::html::{Link, PageAnswer};
use super::mailed::{MailedQuery, done, refused};
use super::opened::{Opened, Pressed};
use crate::extract::QueryString;
use crate::failure::{Answer, Failure};
use crate::paths;

/// The new password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ResetForm {
    #[serde(default)]
    new_password: String,
    #[serde(default)]
    csrf_token: String,
}

/// The page behind a link to set a new password. Opening it uses nothing up.
#[utoipa::path(get, path = paths::RESET_PASSWORD_PAGE, tag = "pages", params(MailedQuery), responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 400, content_type = "text/html", description = "The link is wrong, used or too old")))]
pub(crate) async fn show(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
) -> PageAnswer {
    if !opened.web.cx.reset_link_is_good(&token, &opened.client).await? {
        return Err(Failure::new(Code::InvalidLink).into());
    }
    let form = form(&opened, opened.csrf_token().await?);
    Ok(form.shown()?)
}

/// Sets the password. Every session ends, and every API token.
#[utoipa::path(post, path = paths::RESET_PASSWORD_PAGE, tag = "pages", params(MailedQuery),
    request_body(content = ResetForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "Set"),
    (status = 400, content_type = "text/html", description = "The link is wrong, used or too old")))]
pub(crate) async fn submit(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
    Pressed(sent): Pressed<ResetForm>,
) -> PageAnswer {
    match reset(&opened, token, sent).await {
        Ok(response) => Ok(response),
        Err(failure) => {
            let form = form(&opened, opened.csrf_token().await?);
            Ok(refused(form, failure)?)
        }
    }
}

async fn reset(opened: &Opened, token: String, sent: ResetForm) -> Answer {
    opened.browser().admit_button(&sent.csrf_token).await?;
    let reset = PasswordReset { token, new: sent.new_password, revoke_api_tokens: true };
    opened.web.cx.reset_password(reset, &opened.client).await?;
    let text = "Your new password is set, and you are signed out everywhere. API tokens were revoked, too.";
    done("Your password is set", text, Link::new("Sign in", paths::SIGN_IN_PAGE))
}

fn form(opened: &Opened, csrf_token: String) -> Form {
    let at_least = format!("At least {} characters.", opened.web.config.password_min_length);
    Form::new("Set a new password", "Set the password", csrf_token)
        .intro("You will be signed out everywhere, and API tokens will be revoked.")
        .field(Field::new("new_password", "New password", Kind::Password, "new-password").hint(at_least))
}
