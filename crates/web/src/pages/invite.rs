//! `/invite`: behind the link in the mail of an invite. Who is signed in joins the account by a button; everybody else
//! goes on to sign up or in, and comes back. Opening it uses nothing up.

use portcullis_app::invites::ShownInvite;
use url::form_urlencoded::Serializer;

use super::form::Form;
use super::html::{Link, Notice, PageAnswer, page, see_other};
use super::mailed::{ButtonForm, MailedQuery};
use super::opened::{Opened, Pressed};
use super::visit::Visit;
use crate::extract::{QueryString, may_change_credentials};
use crate::failure::{Answer, Failure};
use crate::paths;

/// The page behind the link of an invite.
#[utoipa::path(get, path = paths::INVITE_PAGE, tag = "pages", params(MailedQuery), responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 400, content_type = "text/html", description = "The invite is wrong, used or too old")))]
pub(crate) async fn show(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
) -> PageAnswer {
    let visit = Visit::of(&opened).await?;
    let shown = shown(&opened, &visit, &token).await;
    visit.answer(shown)
}

async fn shown(opened: &Opened, visit: &Visit, token: &str) -> Answer {
    let invite = opened.web.cx.shown_invite(token).await?;
    match (&visit.user, &invite.account) {
        (Some(_), Some(_)) => form(opened, visit, &invite).shown(),
        (Some(_), None) => {
            let text = "This invite is for somebody new, and you are signed in already.".to_owned();
            let links = vec![Link::new("Your account", paths::ACCOUNT_PAGE)];
            page(&Notice { title: "You are invited", code: None, text, links })
        }
        (None, account) => {
            let text = match account {
                Some(account) => format!("You are invited to join {account}. Sign up to accept."),
                None => "You are invited to sign up here.".to_owned(),
            };
            let mut links = vec![Link::new("Sign up", with(paths::SIGN_UP_PAGE, "invite", token))];
            if account.is_some() {
                let back = with(paths::INVITE_PAGE, "token", token);
                links.push(Link::new(
                    "I have an account: sign in",
                    with(paths::SIGN_IN_PAGE, "return_to", &back),
                ));
            }
            page(&Notice { title: "You are invited", code: None, text, links })
        }
    }
}

/// Joins the account.
#[utoipa::path(post, path = paths::INVITE_PAGE, tag = "pages", params(MailedQuery),
    request_body(content = ButtonForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 303, description = "Joined: to the account page; nobody is signed in: to this page"),
    (status = 400, content_type = "text/html", description = "The invite is wrong, used or too old")))]
pub(crate) async fn submit(
    opened: Opened,
    QueryString(MailedQuery { token }): QueryString<MailedQuery>,
    Pressed(sent): Pressed<ButtonForm>,
) -> PageAnswer {
    let (visit, _) = Visit::pressing(&opened, &sent.csrf_token).await?;
    let answer = match &visit.user {
        None => see_other(&with(paths::INVITE_PAGE, "token", &token)),
        Some(caller) => join(&opened, caller, &token).await,
    };
    visit.answer(answer)
}

async fn join(opened: &Opened, caller: &portcullis_app::bearer::Caller, token: &str) -> Answer {
    caller.settled()?;
    may_change_credentials(caller)?;
    let joined = opened.web.cx.accept_invite(token, caller, &opened.client).await;
    joined.map_err(Failure::from)?;
    see_other(paths::ACCOUNT_PAGE)
}

fn form(opened: &Opened, visit: &Visit, invite: &ShownInvite) -> Form {
    let account = invite.account.as_deref().unwrap_or_default();
    Form::new("You are invited", "Join", visit.csrf_token(opened))
        .intro(format!("You are invited to join {account}. You keep what you have now."))
        .link("Not now: your account", paths::ACCOUNT_PAGE)
}

fn with(page: &str, name: &str, value: &str) -> String {
    let query = Serializer::new(String::new()).append_pair(name, value).finish();
    format!("{page}?{query}")
}
