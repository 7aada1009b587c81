//! `/account`: who is signed in, and where; each session but this one with a button that ends it, this one too.

use askama::Template;
use portcullis_app::bearer::Caller;
use portcullis_app::sessions::{MAX_PAGE, Page, SessionView};
use portcullis_core::ids::SessionId;
use portcullis_core::user::{User, Username};
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::html::{Message, PageAnswer, page, refused, see_other};
use super::opened::{Opened, Pressed};
use super::sign_in::known;
use super::visit::Visit;
use crate::api::forget::forget_all;
use crate::extract::{Admitted, may_end_sessions};
use crate::failure::{Answer, Failure};
use crate::paths;

/// A session to end.
#[derive(Deserialize, ToSchema)]
pub(crate) struct EndForm {
    /// Its id.
    #[serde(default)]
    session: String,
    #[serde(default)]
    csrf_token: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    message: Option<Message>,
    acting: bool,
    takes_passkeys: bool,
    name: Option<String>,
    email: String,
    username: Option<String>,
    role: String,
    sessions: Vec<Session>,
    csrf_token: String,
}

struct Session {
    id: String,
    device: String,
    address: String,
    current: bool,
    acting: bool,
    created: String,
    created_at: String,
    last_used: String,
    last_used_at: String,
}

impl Session {
    fn new(view: SessionView, current: Option<SessionId>) -> Self {
        Self {
            current: Some(view.id) == current,
            id: view.id.to_string(),
            device: if view.device.is_empty() { "A device without a name".to_owned() } else { view.device },
            address: view.address,
            acting: view.acting,
            created: view.created_at.to_the_minute(),
            created_at: view.created_at.to_string(),
            last_used: view.last_used_at.to_the_minute(),
            last_used_at: view.last_used_at.to_string(),
        }
    }
}

/// The account page.
#[utoipa::path(get, path = paths::ACCOUNT_PAGE, tag = "pages", responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "Nobody is signed in: to the sign-in page")))]
pub(crate) async fn show(opened: Opened) -> PageAnswer {
    let visit = Visit::of(&opened).await?;
    let shown = shown(&opened, &visit, None).await;
    visit.answer(shown)
}

async fn shown(opened: &Opened, visit: &Visit, message: Option<Message>) -> Answer {
    match (&visit.user, known(opened, visit).await?) {
        (Some(caller), Some(_)) if caller.must_change_password => see_other(paths::PASSWORD_PAGE),
        (Some(caller), Some(_)) if caller.must_set_up_factor => see_other(paths::FACTORS_PAGE),
        (Some(caller), Some(user)) => page(&account(opened, (visit, caller), user, message).await?),
        _ => see_other(&opened.to_sign_in()),
    }
}

async fn account(
    opened: &Opened,
    (visit, caller): (&Visit, &Caller),
    user: User,
    message: Option<Message>,
) -> Result<Account, Failure> {
    let all = Page { before: None, limit: MAX_PAGE };
    let sessions = opened.web.cx.list_sessions(user.id, all).await?;
    Ok(Account {
        message,
        acting: caller.is_acting(),
        takes_passkeys: opened.web.cx.takes_passkeys(),
        name: user.profile.name,
        email: user.email.as_str().to_owned(),
        username: user.username.as_ref().map(Username::as_str).map(str::to_owned),
        role: user.role.as_str().to_owned(),
        sessions: sessions.into_iter().map(|view| Session::new(view, caller.session())).collect(),
        csrf_token: visit.csrf_token(opened),
    })
}

/// Ends a session.
#[utoipa::path(post, path = paths::ACCOUNT_PAGE, tag = "pages",
    request_body(content = EndForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 303, description = "Ended: to this page, or to the sign-out page if it was the one that asks")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<EndForm>) -> PageAnswer {
    let (visit, admitted) = Visit::pressing(&opened, &sent.csrf_token).await?;
    let ended = match &visit.user {
        Some(caller) => end(&opened, (caller, &admitted), &sent).await,
        None => see_other(&opened.to_sign_in()),
    };
    let answer = match ended {
        Err(failure) if failure.code() == Code::NotFound => {
            let text = "This session has ended already.".to_owned();
            let message = Message { code: Code::NotFound.as_str(), text };
            let again = shown(&opened, &visit, Some(message)).await;
            refused(failure, |_, _| again)
        }
        answer => answer,
    };
    visit.answer(answer)
}

async fn end(opened: &Opened, (caller, admitted): (&Caller, &Admitted), sent: &EndForm) -> Answer {
    may_end_sessions(caller)?;
    let id: SessionId = sent.session.parse().map_err(|_| Failure::new(Code::NotFound))?;
    if !opened.web.cx.revoke_session(id, caller.user, &opened.client).await? {
        return Err(Failure::new(Code::NotFound));
    }
    if caller.session() != Some(id) {
        return see_other(paths::ACCOUNT_PAGE);
    }
    let mut response = see_other(paths::SIGN_OUT_PAGE)?;
    forget_all(&opened.web, &mut response, admitted);
    Ok(response)
}
