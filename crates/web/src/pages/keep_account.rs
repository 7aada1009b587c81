//! `/keep-account`: keeps an account that its user wanted deleted, by a mailed link.

use super::html::PageAnswer;
use super::mailed::{ButtonForm, ButtonPage, MailedQuery};
use super::opened::{Opened, Pressed};
use crate::extract::QueryString;
use crate::paths;

const PAGE: ButtonPage = ButtonPage {
    title: "Keep your account",
    intro: "Your account is to be deleted, as you asked. If you have changed your mind, keep it: you sign in as before.",
    button: "Keep my account",
    done_title: "Your account stays",
    done: "It is not deleted. You were signed out everywhere: sign in again.",
    next: ("Sign in", paths::SIGN_IN_PAGE),
};

/// The page behind the link. Opening it uses nothing up.
#[utoipa::path(get, path = paths::KEEP_ACCOUNT_PAGE, tag = "pages", params(MailedQuery), responses(
    (status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    PAGE.shown(&opened).await
}

/// Uses the link.
#[utoipa::path(post, path = paths::KEEP_ACCOUNT_PAGE, tag = "pages", params(MailedQuery),
    request_body(content = ButtonForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "Done"),
    (status = 400, content_type = "text/html", description = "The link is wrong, used or too old")))]
pub(crate) async fn submit(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
    Pressed(sent): Pressed<ButtonForm>,
) -> PageAnswer {
    let using = opened.web.cx.keep_account(&token, &opened.client);
    PAGE.pressed(&opened, &sent, using).await
}
