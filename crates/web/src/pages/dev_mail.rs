//! `/dev/mail`: what is in the outbox, for development without a mail server.
//!
//! 1. It exists only while no mail server is set and `server.public_url` is this machine: else 404, to whomever.
//! 2. It answers to an administrator, and to the holder of the set-up link (`?setup=…`), before there is one. Links in
//!    mails work: who reads them here could be anybody they are sent to.
//! 3. A mail's HTML is shown by a route of its own, in a sandbox: it may come from a template of the operator's.

use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use portcullis_app::mail::{Letter, OutboxMail};
use portcullis_core::ids::MailId;
use portcullis_edge::code::Code;
use portcullis_edge::host::is_loopback;
use serde::Deserialize;
use utoipa::IntoParams;

use super::html::{page, see_other};
use super::opened::with_return_to;
use crate::extract::{Own, PathId, QueryString};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// No script, nothing from elsewhere, an origin of its own; styles are how mails look.
const SANDBOX: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Who asks, if no administrator does.
#[derive(Deserialize, IntoParams)]
pub(crate) struct SetUpQuery {
    /// The token of the set-up link.
    setup: Option<String>,
}

#[derive(Template)]
#[template(path = "dev_mails.html")]
struct Mails {
    mails: Vec<OutboxMail>,
    /// What links of this page carry on.
    query: String,
}

#[derive(Template)]
#[template(path = "dev_mail.html")]
struct Mail {
    id: MailId,
    to: String,
    subject: String,
    text: String,
    /// The link in it.
    link: Option<String>,
    query: String,
}

/// The mails in the outbox.
#[utoipa::path(get, path = paths::DEV_MAIL, tag = "pages", params(SetUpQuery), responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "Nobody is signed in: to the sign-in page"),
    (status = 404, description = "There is a mail server, or this is no development on one machine")))]
pub(crate) async fn list(
    State(web): State<Web>,
    QueryString(query): QueryString<SetUpQuery>,
    headers: HeaderMap,
    own: Result<Own, Failure>,
) -> Answer {
    if let Some(elsewhere) = let_in(&web, &query, &headers, own).await? {
        return Ok(elsewhere);
    }
    page(&Mails { mails: web.cx.newest_mail().await?, query: carried(&query) })
}

/// One mail: its text.
#[utoipa::path(get, path = paths::DEV_MAIL_ONE, tag = "pages", params(("id" = uuid::Uuid, Path), SetUpQuery), responses(
    (status = 200, content_type = "text/html", description = "A page"),
    (status = 303, description = "Nobody is signed in: to the sign-in page"),
    (status = 404, description = "There is none")))]
pub(crate) async fn show(
    State(web): State<Web>,
    PathId(id): PathId<MailId>,
    QueryString(query): QueryString<SetUpQuery>,
    headers: HeaderMap,
    own: Result<Own, Failure>,
) -> Answer {
    if let Some(elsewhere) = let_in(&web, &query, &headers, own).await? {
        return Ok(elsewhere);
    }
    let letter = letter(&web, id).await?;
    let link = letter.text.lines().find(|line| line.starts_with("http")).map(str::to_owned);
    page(&Mail {
        id,
        to: letter.to.as_str().to_owned(),
        subject: letter.subject,
        text: letter.text,
        link,
        query: carried(&query),
    })
}

/// One mail: its HTML, in a sandbox.
#[utoipa::path(get, path = paths::DEV_MAIL_HTML, tag = "pages", params(("id" = uuid::Uuid, Path), SetUpQuery), responses(
    (status = 200, content_type = "text/html", description = "The mail"),
    (status = 303, description = "Nobody is signed in: to the sign-in page"),
    (status = 404, description = "There is none")))]
pub(crate) async fn html(
    State(web): State<Web>,
    PathId(id): PathId<MailId>,
    QueryString(query): QueryString<SetUpQuery>,
    headers: HeaderMap,
    own: Result<Own, Failure>,
) -> Answer {
    if let Some(elsewhere) = let_in(&web, &query, &headers, own).await? {
        return Ok(elsewhere);
    }
    let mut response = Response::new(Body::from(letter(&web, id).await?.html));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    Ok(response)
}

/// Steps 1 and 2; where else to go, for a browser in which nobody is signed in.
async fn let_in(
    web: &Web,
    query: &SetUpQuery,
    headers: &HeaderMap,
    own: Result<Own, Failure>,
) -> Result<Option<Response>, Failure> {
    if !exists(web) {
        return Err(Failure::new(Code::NotFound));
    }
    if let Some(token) = &query.setup
        && web.cx.set_up_link_is_good(token).await?
    {
        return Ok(None);
    }
    match own {
        Ok(Own(caller)) if caller.role.is_admin() => Ok(None),
        Ok(_) => Err(Failure::new(Code::Forbidden)),
        Err(failure) if headers.contains_key(AUTHORIZATION) => Err(failure),
        Err(_) => see_other(&with_return_to(paths::SIGN_IN_PAGE, paths::DEV_MAIL)).map(Some),
    }
}

/// Step 1.
pub(crate) fn exists(web: &Web) -> bool {
    web.cx.keeps_mail() && is_loopback(&web.config.public_url)
}

async fn letter(web: &Web, id: MailId) -> Result<Letter, Failure> {
    let letter = web.cx.read_mail(id).await?.ok_or_else(|| Failure::new(Code::NotFound))?;
    letter.map_err(|error| Failure::logged(Code::InternalError, error.to_string()))
}

fn carried(query: &SetUpQuery) -> String {
    let token = query.setup.iter().map(|token| ("setup", token));
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(token).finish();
    if text.is_empty() { text } else { format!("?{text}") }
}
