//! `/not-me`: rejects a registration with somebody else's address, shuts out who made a user with it, or ends a sign-in that
//! its user knows nothing of. Which, the link says.

use portcullis_app::new_device::PasswordReset;

use super::html::PageAnswer;
use super::mailed::{ButtonForm, ButtonPage, MailedQuery};
use super::opened::{Opened, Pressed};
use crate::extract::QueryString;
use crate::paths;

const REGISTRATION: ButtonPage = ButtonPage {
    title: "This was not me",
    intro: "Somebody signed up with your address. Press the button, and the registration is deleted.",
    button: "Delete the registration",
    done_title: "Deleted",
    done: "There is no registration with your address any more.",
    next: ("To the start", paths::HOME),
};

const USER: ButtonPage = ButtonPage {
    title: "This was not me",
    intro: "Somebody made an account with your address. Press the button, and they can sign in to it no more.",
    button: "Shut them out",
    done_title: "They are shut out",
    done: "Nobody can sign in to the account with your address. If you want it, choose “Forgot password” where people sign in.",
    next: ("To the start", paths::HOME),
};

const SIGN_IN: ButtonPage = ButtonPage {
    title: "This was not me",
    intro: "Somebody signed in to your account. Press the button, and that sign-in ends at once, with every one since, and with what was made since to come back by: factors, tokens, invites, and all recovery codes. A mail follows by which you set a new password.",
    button: "End the sign-in",
    done_title: "The sign-in has ended",
    done: "",
    next: ("To your account", paths::ACCOUNT_PAGE),
};

const fn what_follows(reset: PasswordReset) -> &'static str {
    match reset {
        PasswordReset::Mailed => {
            "Whoever it was may know your password, so it is good no more. A mail is on its way by which you set a new one: that signs everybody out, and revokes your API tokens. Then make new recovery codes, if you had any."
        }
        PasswordReset::NoPassword => {
            "You sign in without a password, so there is none to change: look after what you sign in with instead, your mailbox or your account elsewhere, and see on your account page where you are signed in."
        }
        PasswordReset::AddressChanged => {
            "The address of your account was changed since, so no mail follows. If that was not you either, use the link in the mail that told you of it: it brings your address back."
        }
        PasswordReset::Disabled => "Nobody can sign in to your account at present, so no mail follows.",
    }
}

/// The page behind the link. Opening it uses nothing up.
#[utoipa::path(get, path = paths::NOT_ME_PAGE, tag = "pages", params(MailedQuery), responses(
    (status = 200, content_type = "text/html", description = "A page")))]
pub(crate) async fn show(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
) -> PageAnswer {
    page(&opened, &token).shown(&opened).await
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
    let (cx, client) = (&opened.web.cx, &opened.client);
    let page = page(&opened, &token);
    if cx.is_of_sign_in(&token) {
        let using = async { cx.disown_session(&token, client).await.map(what_follows) };
        page.pressed_for(&opened, &sent, using).await
    } else {
        page.pressed(&opened, &sent, cx.disown_address(&token, client)).await
    }
}

fn page(opened: &Opened, token: &str) -> ButtonPage {
    if opened.web.cx.is_of_sign_in(token) {
        SIGN_IN
    } else if opened.web.cx.is_of_user(token) {
        USER
    } else {
        REGISTRATION
    }
}
