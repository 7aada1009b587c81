//! `/account`: who is signed in, and where; each session with a button that ends it, this one too. And by way of which
//! providers they sign in, with buttons that change that.

use askama::Template;
use http::HeaderMap;
use portcullis_app::admission::Codes;
use portcullis_app::bearer::Caller;
use portcullis_app::fresh::FreshError;
use portcullis_app::sessions::{MAX_PAGE, Page, SessionView};
use portcullis_app::social::{Holder, LinkError, StartRequest, UnlinkError};
use portcullis_core::external::Identity;
use portcullis_core::ids::SessionId;
use portcullis_core::user::{User, Username};
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use super::html::{self, Message, PageAnswer, page, refused, see_other};
use super::opened::{Opened, Pressed, shown_first};
use super::provider::led_away;
use super::sign_in::known;
use super::visit::Visit;
use crate::api::forget::forget_all;
use crate::extract::{Admitted, may_change_credentials, may_end_sessions};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::provider_flow::{link_refused, own_callback};

/// What a button does; each sends one of these.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndForm)]
pub(crate) struct AccountForm {
    /// The session to end.
    session: Option<String>,
    /// The identity at a provider to forget.
    unlink: Option<String>,
    /// The provider to sign in by way of, too.
    link: Option<String>,
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
    identities: Vec<Elsewhere>,
    /// Those at which the user is not known yet.
    providers: Vec<Named>,
    csrf_token: String,
}

struct Elsewhere {
    id: String,
    title: String,
    email: Option<String>,
    created: String,
    created_at: String,
}

struct Named {
    name: String,
    title: String,
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
    let known = opened.web.cx.list_identities(user.id).await?;
    let is_known = |name: &str| known.iter().any(|identity| identity.provider == name);
    let providers = opened.web.cx.providers.iter().filter(|provider| !is_known(provider.name()));
    let providers = providers.map(|provider| named(provider.name(), provider.title())).collect();
    let identities = known.into_iter().map(|identity| elsewhere(opened, identity)).collect();
    Ok(Account {
        message,
        identities,
        providers,
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

fn named(name: &str, title: &str) -> Named {
    Named { name: name.to_owned(), title: title.to_owned() }
}

fn elsewhere(opened: &Opened, identity: Identity) -> Elsewhere {
    let title = opened.web.cx.providers.get(&identity.provider);
    Elsewhere {
        id: identity.id.to_string(),
        title: title.map_or(identity.provider, |provider| provider.title().to_owned()),
        email: identity.email,
        created: identity.created_at.to_the_minute(),
        created_at: identity.created_at.to_string(),
    }
}

/// Ends a session, or changes by way of which providers the user signs in.
#[utoipa::path(post, path = paths::ACCOUNT_PAGE, tag = "pages",
    request_body(content = AccountForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, content_type = "text/html", description = "A page that leads on to the provider"),
    (status = 303, description = "Done: to this page, or to the sign-out page if the session ended that asks")))]
pub(crate) async fn submit(opened: Opened, Pressed(sent): Pressed<AccountForm>) -> PageAnswer {
    let (visit, admitted) = Visit::pressing(&opened, &sent.csrf_token).await?;
    let done = match &visit.user {
        Some(caller) => press(&opened, (caller, &admitted), &sent).await,
        None => see_other(&opened.to_sign_in()),
    };
    let answer = match done {
        Err(failure) if matches!(failure.code(), Code::NotFound | Code::LastWayIn) => {
            let text = |problem: &Problem| match problem.code() {
                Code::NotFound if sent.session.is_some() => "This session has ended already.".to_owned(),
                Code::NotFound => "This is not there any more.".to_owned(),
                _ => html::message(problem, &HeaderMap::new()).text,
            };
            let (problem, log) = failure.into_parts();
            let message = Message { code: problem.code().as_str(), text: text(&problem) };
            let again = shown(&opened, &visit, Some(message)).await;
            refused(Failure::of(problem, log), |_, _| again)
        }
        answer => answer,
    };
    visit.answer(answer)
}

async fn press(opened: &Opened, by: (&Caller, &Admitted), sent: &AccountForm) -> Answer {
    match (&sent.session, &sent.unlink, &sent.link) {
        (Some(session), None, None) => end(opened, by, session).await,
        (None, Some(identity), None) => unlink(opened, by.0, identity).await,
        (None, None, Some(provider)) => link(opened, by, provider).await,
        _ => Err(Failure::new(Code::NotFound)),
    }
}

async fn unlink(opened: &Opened, caller: &Caller, id: &str) -> Answer {
    caller.settled()?;
    may_change_credentials(caller)?;
    let id = id.parse().map_err(|_| Failure::new(Code::NotFound))?;
    match opened.web.cx.unlink(caller, id, &opened.client).await {
        Ok(()) => see_other(paths::ACCOUNT_PAGE),
        Err(UnlinkError::Fresh(FreshError::Required(methods))) => {
            see_other(&shown_first(&methods, paths::ACCOUNT_PAGE))
        }
        Err(error) => Err(error.into()),
    }
}

async fn link(opened: &Opened, (caller, admitted): (&Caller, &Admitted), provider: &str) -> Answer {
    caller.settled()?;
    may_change_credentials(caller)?;
    let web = &opened.web;
    let request = StartRequest {
        provider: provider.to_owned(),
        redirect_uri: own_callback(web, provider),
        return_to: Some(paths::ACCOUNT_PAGE.to_owned()),
        delivery: None,
        holder: Holder::Browser(admitted.brought().flow.clone()),
        codes: Codes::default(),
        fresh: false,
    };
    match web.cx.start_link(caller, request, &opened.client).await {
        Ok(started) => led_away(web, &started),
        Err(LinkError::Fresh(FreshError::Required(methods))) => {
            see_other(&shown_first(&methods, paths::ACCOUNT_PAGE))
        }
        Err(error) => Err(link_refused(web, error)),
    }
}

async fn end(opened: &Opened, (caller, admitted): (&Caller, &Admitted), session: &str) -> Answer {
    may_end_sessions(caller)?;
    let id: SessionId = session.parse().map_err(|_| Failure::new(Code::NotFound))?;
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
