//! `/undo-email`: undoes a change of address by the link that the old one got.

use super::html::PageAnswer;
use super::mailed::{ButtonForm, ButtonPage, MailedQuery};
use super::opened::{Opened, Pressed};
use crate::extract::QueryString;
use crate::paths;

const PAGE: ButtonPage = ButtonPage {
    title: "Bring your address back",
    intro: "The address of your account was changed. If that was not you, bring the old one back: everybody is signed out, API tokens are revoked, and you set a new password by another mail.",
    button: "Bring it back",
    done_title: "Your address is back",
    done: "Everybody is signed out. A mail is on its way by which you set a new password.",
    next: ("Sign in", paths::SIGN_IN_PAGE),
};

/// The page behind the link. Opening it uses nothing up.
#[utoipa::path(get, path = paths::UNDO_EMAIL_PAGE, tag = "pages", params(MailedQuery), responses(
    (status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    PAGE.shown(&opened).await
}

/// Uses the link.
#[utoipa::path(post, path = paths::UNDO_EMAIL_PAGE, tag = "pages", params(MailedQuery),
    request_body(content = ButtonForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "Done"),
    (status = 400, content_type = "text/html", description = "The link is wrong, used or too old")))]
pub(crate) async fn submit(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
    Pressed(sent): Pressed<ButtonForm>,
) -> PageAnswer {
    let using = opened.web.cx.undo_email_change(&token, &opened.client);
    PAGE.pressed(&opened, &sent, using).await
}
