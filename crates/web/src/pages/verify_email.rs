//! `/verify-email`: shows by a mailed link that an address is one's own.

use super::html::PageAnswer;
use super::mailed::{ButtonForm, ButtonPage, MailedQuery};
use super::opened::{Opened, Pressed};
use crate::extract::QueryString;
use crate::paths;

const PAGE: ButtonPage = ButtonPage {
    title: "Confirm your address",
    intro: "Press the button to show that you got our mail.",
    button: "Confirm",
    done_title: "Your address is confirmed",
    done: "Thank you: we know now that this address is yours.",
    next: ("Your account", paths::ACCOUNT_PAGE),
};

/// The page behind the link. Opening it uses nothing up.
#[utoipa::path(get, path = paths::VERIFY_EMAIL_PAGE, tag = "pages", params(MailedQuery), responses(
    (status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    PAGE.shown(&opened).await
}

/// Uses the link.
#[utoipa::path(post, path = paths::VERIFY_EMAIL_PAGE, tag = "pages", params(MailedQuery),
    request_body(content = ButtonForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "Done"),
    (status = 400, content_type = "text/html", description = "The link is wrong, used or too old")))]
pub(crate) async fn submit(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
    Pressed(sent): Pressed<ButtonForm>,
) -> PageAnswer {
    let using = opened.web.cx.verify_email(&token, &opened.client);
    PAGE.pressed(&opened, &sent, using).await
}
