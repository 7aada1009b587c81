//! To a provider and back, by the browser itself. The way there is a link; what is asked of the provider, and what comes
//! of it, is decided in [`portcullis_app::social`].

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{Method, StatusCode};
use portcullis_app::admission::Codes;
use portcullis_app::social::{
    Arriving, Finished, Holder, Returned, SocialError, StartRequest, Started, Taken,
};
use portcullis_core::session::Delivery;
use portcullis_edge::code::Code;
use portcullis_edge::cookies::SameSite;
use serde::Deserialize;
use url::form_urlencoded::Serializer;
use utoipa::IntoParams;

use super::html::{Link, Refused, page};
use super::mailed::done;
use super::opened::{Opened, PageQuery};
use super::sign_in::{form, gone_on, to_factor};
use crate::api::no_content;
use crate::api::register::remember;
use crate::api::token_response::{cookies_of, delivery};
use crate::extract::{Admitted, PathId, QueryString, handover};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::place::Place;
use crate::provider_flow::{
    StartedBody, of_provider, own_callback, provider_answer, redirect_uri, refused, remember_flow, sent_away,
    started_for_app, started_for_script, wants_json, wants_page,
};
use crate::state::Web;

/// What somebody goes to a provider with.
#[derive(Deserialize, IntoParams)]
pub(crate) struct StartQuery {
    /// A URL of an app that `server.return_urls` lists with its path: the provider sends the browser there, and the app
    /// brings the code. The answer is JSON then.
    redirect_uri: Option<String>,
    /// How the tokens of a browser travel: `cookies` (default) or `cookie`.
    delivery: Option<String>,
    /// Of an invite to this server, for whoever turns out to be new.
    invite_code: Option<String>,
    /// Of an invite to an account.
    account_invite_code: Option<String>,
}

/// What a provider sends a browser back with (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Deserialize, IntoParams)]
pub(crate) struct ReturnQuery {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// A page that leads on by itself, where an answer may not send there.
#[derive(Template)]
#[template(path = "onward.html")]
struct Onward<'a> {
    place: &'a str,
}

/// Where the button of a provider leads, from where all that is asked of `opened` goes on.
pub(super) fn start_of(opened: &Opened, provider: &str) -> String {
    let path = of_provider(paths::OAUTH_START, provider);
    let mut query = Serializer::new(String::new());
    if let Some(place) = &opened.place {
        query.append_pair("return_to", place.location());
    }
    if let Some(max_age) = opened.max_age {
        query.append_pair("max_age", &max_age.as_secs().to_string());
    }
    let Codes { platform, account } = opened.invite.as_deref().map(Codes::typed).unwrap_or_default();
    for (name, code) in [("invite_code", platform), ("account_invite_code", account)] {
        if let Some(code) = code {
            query.append_pair(name, &code);
        }
    }
    let query = query.finish();
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

/// A link for each provider.
pub(super) fn buttons(opened: &Opened) -> Vec<Button> {
    let providers = opened.web.cx.providers.iter();
    let button = |name: &str, title: &str| Button { title: title.to_owned(), place: start_of(opened, name) };
    providers.map(|provider| button(provider.name(), provider.title())).collect()
}

/// A way to a provider.
pub(super) struct Button {
    pub(super) title: String,
    pub(super) place: String,
}

/// Sends a browser to a provider, to sign in or up by way of it; with `redirect_uri`, tells an app where to send it.
#[utoipa::path(get, path = paths::OAUTH_START, tag = "auth",
    params(("provider" = String, Path), PageQuery, StartQuery), responses(
    (status = 200, description = "Where to send the browser", body = StartedBody),
    (status = 302, description = "To the provider")))]
pub(crate) async fn start(opened: Opened, asked: Asked<StartQuery>) -> Response {
    if opened.method == Method::HEAD {
        return no_content();
    }
    let started = started(&opened, asked).await;
    started.unwrap_or_else(|failure| told(&opened, failure))
}

async fn started(opened: &Opened, Asked { provider, query }: Asked<StartQuery>) -> Answer {
    let (web, query) = (&opened.web, query?);
    let for_app = query.redirect_uri.is_some();
    let delivery = if for_app { None } else { Some(by_cookie(web, query.delivery.as_deref())?) };
    let request = StartRequest {
        redirect_uri: redirect_uri(web, &provider, query.redirect_uri.as_deref())?,
        provider,
        return_to: opened.place.as_ref().map(|place| place.location().to_owned()),
        delivery,
        holder: if for_app { Holder::App } else { Holder::Browser(opened.browser().flow()?) },
        codes: Codes { platform: query.invite_code, account: query.account_invite_code },
        fresh: opened.max_age.is_some(),
    };
    let started = web.cx.start_sign_in(request, &opened.client).await;
    let started = started.map_err(|error| refused(web, error, false))?;
    if for_app {
        return Ok(started_for_app(started));
    }
    if wants_json(&opened.headers) {
        return started_for_script(web, started);
    }
    let mut response = sent_away(web, &started)?;
    *response.status_mut() = StatusCode::FOUND;
    Ok(response)
}

fn by_cookie(web: &Web, wanted: Option<&str>) -> Result<Delivery, Failure> {
    match delivery(web, Some(wanted.unwrap_or("cookies")))? {
        Delivery::Body => Err(Failure::field(
            "delivery",
            "invalid",
            "A browser that is sent on has no body: use `cookie` or `cookies`, or a `redirect_uri` of your own.",
        )),
        delivery => Ok(delivery),
    }
}

/// To the provider in answer to a form: browsers hold where that sends on to `form-action`, too, and a page does not know where a
/// provider lives.
pub(super) fn led_away(web: &Web, started: &Started) -> Answer {
    let mut response = page(&Onward { place: &started.authorization_url })?;
    remember_flow(web, &started.secret, response.headers_mut())?;
    Ok(response)
}

/// Where a provider sends a browser back: signs in or up, or links, and sends on to `return_to`.
#[utoipa::path(get, path = paths::OAUTH_CALLBACK, tag = "auth",
    params(("provider" = String, Path), ReturnQuery), responses(
    (status = 303, description = "Signed in, by cookies: to `return_to`, or to the account page"),
    (status = 200, content_type = "text/html", description = "A mail is on its way")))]
pub(crate) async fn returned(mut opened: Opened, asked: Asked<ReturnQuery>) -> Response {
    if opened.method == Method::HEAD {
        return no_content();
    }
    // Where to go was said at the start, and nobody says it here.
    opened.forget_query();
    match arrived(&mut opened, asked).await {
        Ok(response) => response,
        Err(Stayed { failure, links: true }) => told(&opened, failure),
        Err(Stayed { failure, links: false }) => signs_in_again(&opened, failure).await,
    }
}

/// Why somebody got no further, and whether they wanted to link.
struct Stayed {
    failure: Failure,
    links: bool,
}

impl From<Failure> for Stayed {
    fn from(failure: Failure) -> Self {
        Self { failure, links: false }
    }
}

async fn arrived(opened: &mut Opened, asked: Asked<ReturnQuery>) -> Result<Response, Stayed> {
    let web = opened.web.clone();
    let Asked { provider, query } = asked;
    let ReturnQuery { code, state, iss, error } = query?;
    if web.cx.providers.get(&provider).is_none() {
        return Err(Failure::new(Code::NotFound).into());
    }
    let unfit = |why| refused(&web, SocialError::Refused(why), true);
    let (admitted, secret) =
        opened.browser().admit_return().await?.ok_or_else(|| unfit("this browser began no flow"))?;
    let state = state.ok_or_else(|| unfit("no state"))?;
    let redirect_uri = Some(own_callback(&web, &provider));
    let returned = Returned { provider, state, secret, in_browser: true, redirect_uri };
    let taken = web.cx.take_flow(returned, &opened.client).await;
    let taken = taken.map_err(|error| refused(&web, error, true))?;
    opened.place = taken.return_to().and_then(|text| Place::read(&web, text));
    let links = taken.links();
    let answer = provider_answer(code, iss, error)
        .ok_or_else(|| Stayed { failure: unfit("neither code nor error"), links })?;
    let arriving = Arriving {
        answer,
        handover: handover(taken.delivery().unwrap_or(Delivery::Cookies), Some(&admitted)),
        device_token: admitted.brought().device.clone(),
        // What changes credentials takes no token that is for others, too.
        audience: Some(web.cx.settings.issuer.clone()),
    };
    let finished = finished(opened, &taken, arriving, &admitted).await;
    finished.map_err(|failure| Stayed { failure, links })
}

async fn finished(opened: &Opened, taken: &Taken, arriving: Arriving, admitted: &Admitted) -> Answer {
    let web = &opened.web;
    let finished = web.cx.finish(taken, arriving, &opened.client).await;
    let mut response = match finished {
        Ok(Finished::SignedIn(tokens)) => {
            let mut response = sent_on(web, gone_on(opened, &tokens)?)?;
            response.headers_mut().extend(cookies_of(&tokens, Some((web, admitted)))?);
            response
        }
        Err(SocialError::FactorOwed(owed)) => sent_on(web, to_factor(opened, &owed)?)?,
        Err(error) => return Err(refused(web, error, true)),
        Ok(Finished::Linked(_)) => super::html::see_other(opened.next())?,
        Ok(Finished::Later { browser }) => {
            let text = "A mail is on its way to you. Open its link in this browser to finish signing up.";
            let mut response = done("Look into your mail", text, Link::new("Sign in", paths::SIGN_IN_PAGE))?;
            remember(web, &browser, response.headers_mut())?;
            response
        }
    };
    web.cookies.clear_flow(response.headers_mut());
    Ok(response)
}

/// What sends a browser on that another site has sent here: `Strict` cookies would not come along there, and come along
/// from a page.
fn sent_on(web: &Web, response: Response) -> Answer {
    if web.config.cookie_same_site != SameSite::Strict {
        return Ok(response);
    }
    let place = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    let mut on = page(&Onward { place: place.unwrap_or(paths::ACCOUNT_PAGE) })?;
    for line in response.headers().get_all(SET_COOKIE) {
        on.headers_mut().append(SET_COOKIE, line.clone());
    }
    Ok(on)
}

/// The sign-in page with what went wrong on it, or for a program the problem.
async fn signs_in_again(opened: &Opened, failure: Failure) -> Response {
    if !wants_page(&opened.headers) {
        return failure.into_response();
    }
    let csrf_token = match opened.csrf_token().await {
        Ok(csrf_token) => csrf_token,
        Err(failure) => return Refused::from(failure).into_response(),
    };
    let again = form(opened, csrf_token, None).sent_to(opened.by_way_of(paths::SIGN_IN_PAGE));
    again.refused(failure).unwrap_or_else(|failure| Refused::from(failure).into_response())
}

/// A refusal, as whoever asks can read it.
fn told(opened: &Opened, failure: Failure) -> Response {
    if wants_page(&opened.headers) { Refused::from(failure).into_response() } else { failure.into_response() }
}

/// Which provider, and the query.
pub(crate) struct Asked<T> {
    provider: String,
    query: Result<T, Failure>,
}

impl<T: serde::de::DeserializeOwned> FromRequestParts<Web> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let PathId(provider) = PathId::from_request_parts(parts, web).await?;
        let query = QueryString::from_request_parts(parts, web).await;
        Ok(Self { provider, query: query.map(|QueryString(query)| query) })
    }
}
