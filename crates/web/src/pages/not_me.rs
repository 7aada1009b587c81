//! `/not-me`: rejects a registration with somebody else's address.

use super::html::PageAnswer;
use super::mailed::{ButtonForm, ButtonPage, MailedQuery};
use super::opened::{Opened, Pressed};
use crate::extract::QueryString;
use crate::paths;

const PAGE: ButtonPage = ButtonPage {
    title: "This was not me",
    intro: "Somebody signed up with your address. Press the button, and the registration is deleted.",
    button: "Delete the registration",
    done_title: "Deleted",
    done: "There is no registration with your address any more.",
    next: ("To the start", paths::HOME),
};

/// The page behind the link. Opening it uses nothing up.
#[utoipa::path(get, path = paths::NOT_ME_PAGE, tag = "pages", params(MailedQuery), responses(
    (status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    PAGE.shown(&opened).await
}

/// Uses the link.
#[utoipa::path(post, path = paths::NOT_ME_PAGE, tag = "pages", params(MailedQuery),
    request_body(content = ButtonForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "Done"),
    (status = 400, content_type = "text/html", description = "The link is wrong, used or too old")))]
pub(crate) async fn submit(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
    Pressed(sent): Pressed<ButtonForm>,
) -> PageAnswer {
    let using = opened.web.cx.reject_registration(&token, &opened.client);
    PAGE.pressed(&opened, &sent, using).await
}
