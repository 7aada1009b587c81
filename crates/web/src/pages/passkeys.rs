//! `/account/passkeys`: the passkeys of who is signed in. A script asks the browser for a new one, and sends what it answers
//! in the form of the page.

use askama::Template;
use portcullis_app::bearer::Caller;
use portcullis_app::passkeys::{NewPasskeyRequest, PasskeyView};
use portcullis_core::ids::{PasskeyId, UserId};
use portcullis_core::time::Timestamp;
use portcullis_edge::code::Code;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::factors::recovery_codes;
use super::html::{Message, PageAnswer, message, page, refused, see_other};
use super::opened::{Opened, Pressed, shown_first};
use super::sign_in::known;
use super::visit::Visit;
use crate::api::token_response::cookies_of;
use crate::extract::{Admitted, may_change_factors};
use crate::failure::{Answer, Failure};
use crate::paths;

/// What to do: to add a passkey, rename one, or remove one.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasskeysForm {
    /// What the browser was asked with.
    #[serde(default)]
    ceremony: String,
    /// What it answered, as JSON.
    #[serde(default)]
    credential: String,
    /// What the new one is called.
    #[serde(default)]
    name: String,
    /// The id of the one to rename.
    #[serde(default)]
    passkey: String,
    /// What it is called from now on.
    #[serde(default)]
    new_name: String,
    /// The id of the one to remove.
    #[serde(default)]
    remove: String,
    #[serde(default)]
    csrf_token: String,
}

#[derive(Template)]
#[template(path = "passkeys.html")]
struct List {
    message: Option<Message>,
    passkeys: Vec<Passkey>,
    csrf_token: String,
    /// Where somebody shows once more that it is them, and comes back.
    fresh: String,
}

struct Passkey {
    id: String,
    name: String,
    backed_up: bool,
    created: String,
    created_at: String,
    last_used: Option<String>,
    last_used_at: String,
}

impl From<PasskeyView> for Passkey {
    fn from(view: PasskeyView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name,
            backed_up: view.backed_up,
            created: view.created_at.to_the_minute(),
            created_at: view.created_at.to_string(),
            last_used: view.last_used_at.map(Timestamp::to_the_minute),
            last_used_at: view.last_used_at.map(|at| at.to_string()).unwrap_or_default(),
        }
    }
}

/// The page of passkeys.
#[utoipa::path(get, path = paths::PASSKEYS_PAGE, tag = "pages", responses(
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
        (Some(caller), Some(user)) => {
            may_change_factors(caller)?;
            if !opened.web.cx.takes_passkeys() {
                return Err(Failure::new(Code::NotFound));
            }
            let passkeys = opened.web.cx.list_passkeys(user.id).await?;
            page(&List {
                message,
                passkeys: passkeys.into_iter().map(Passkey::from).collect(),
                csrf_token: visit.csrf_token(opened),
                fresh: show_first(opened, user.id).await,
            })
        }
        _ => see_other(&opened.to_sign_in()),
    }
}

/// Where `user`, if they signed in too long ago, shows once more that it is them, and comes back here.
async fn show_first(opened: &Opened, user: UserId) -> String {
    shown_first(&opened.web.cx.ways_to_step_up(user).await, paths::PASSKEYS_PAGE)
}

/// Adds, renames or removes a passkey.
#[utoipa::path(post, path = paths::PASSKEYS_PAGE, tag = "pages",
    request_body(content = PasskeysForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "Added, with recovery codes: the only time they are shown"),
    (status = 303, description = "Done: to this page; or to show once more who it is")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<PasskeysForm>) -> PageAnswer {
    let (visit, admitted) = Visit::pressing(&opened, &sent.csrf_token).await?;
    let done = match &visit.user {
        Some(caller) => change(&opened, (caller, &admitted), sent).await,
        None => see_other(&opened.to_sign_in()),
    };
    let answer = match (done, &visit.user) {
        (Err(failure), Some(caller)) if failure.code() == Code::FreshLoginRequired => {
            see_other(&show_first(&opened, caller.user).await)
        }
        (Err(failure), _) if is_mendable(&failure) => {
            let (problem, log) = failure.into_parts();
            let again = shown(&opened, &visit, Some(message(&problem, &http::HeaderMap::new()))).await;
            refused(Failure::rejoined(problem, log), |_, _| again)
        }
        (answer, _) => answer,
    };
    visit.answer(answer)
}

async fn change(opened: &Opened, (caller, admitted): (&Caller, &Admitted), sent: PasskeysForm) -> Answer {
    may_change_factors(caller)?;
    let (web, client) = (&opened.web, &opened.client);
    if !sent.remove.is_empty() {
        let id: PasskeyId = sent.remove.parse().map_err(|_| Failure::new(Code::NotFound))?;
        web.cx.remove_passkey(caller, id, client).await?;
        return see_other(paths::PASSKEYS_PAGE);
    }
    if sent.ceremony.is_empty() {
        let id: PasskeyId = sent.passkey.parse().map_err(|_| Failure::new(Code::NotFound))?;
        web.cx.rename_passkey(id, caller.user, &sent.new_name, client).await?;
        return see_other(paths::PASSKEYS_PAGE);
    }
    let credential = serde_json::from_str(&sent.credential).unwrap_or(Value::Null);
    let request = NewPasskeyRequest { ceremony: sent.ceremony, credential, name: Some(sent.name) };
    let added = web.cx.add_passkey(caller, request, client).await?;
    let mut response = if added.recovery_codes.is_empty() {
        see_other(paths::PASSKEYS_PAGE)?
    } else {
        recovery_codes(&added.recovery_codes, paths::PASSKEYS_PAGE)?
    };
    response.headers_mut().extend(cookies_of(&added.tokens, Some((web, admitted)))?);
    Ok(response)
}

/// Whether the page can be shown again: not to whose session has ended, or who may not change anything.
fn is_mendable(failure: &Failure) -> bool {
    matches!(
        failure.code(),
        Code::ValidationFailed
            | Code::PasskeyRefused
            | Code::PasskeyTaken
            | Code::TooManyPasskeys
            | Code::LastWayIn
            | Code::FactorRequired
            | Code::NotFound
    )
}
