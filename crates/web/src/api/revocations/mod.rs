//! `GET /.well-known/portcullis/revocations`: what resource servers must not accept any more, as a list and as a
//! long poll. The protocol for readers is in `docs/revocations.md`.
//!
//! 1. Without `after`, or with one that is no place in this list: the whole list, at once.
//! 2. With `after`: what came since. If that is nothing, the request waits for it, at most `wait` seconds.
//! 3. Nobody waits beyond the caps, nor while the node goes down: such an answer carries `Retry-After`.
//! 4. A node that has not heard of its database for too long answers 503, never a stale "nothing new".

mod answers;
mod waiters;

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_app::client::Client;
use portcullis_app::feed::{Cursor, News};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

pub(crate) use self::answers::Answers;
use self::answers::{Answer, RevocationsBody};
pub(crate) use self::waiters::Waiters;
use super::no_content;
use crate::extract::{ClientInfo, QueryString};
use crate::failure::Failure;
use crate::paths;
use crate::state::Web;

/// Longest wait that can be asked for. The limit on requests is that much longer here.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);
/// When to come back who could not wait.
const CAPPED: HeaderValue = HeaderValue::from_static("5");
/// When to come back, to another node.
const STOPPING: HeaderValue = HeaderValue::from_static("1");

/// Where the reader is.
#[derive(Deserialize, IntoParams)]
pub(crate) struct FeedQuery {
    /// `cursor` of the last answer; absent or unknown: the whole list.
    after: Option<String>,
    /// Seconds to wait for something new, 0 to 30; 0 if absent.
    wait: Option<String>,
}

/// Revoked sessions, for services that check tokens themselves.
#[utoipa::path(get, path = paths::REVOCATIONS, tag = "other services", params(FeedQuery),
    responses(
        (status = 200, description = "The list, or what came after the cursor", body = RevocationsBody,
            headers(("Retry-After" = u64, description = "Seconds, where the request could not wait"))),
        (status = 304, description = "The list has not changed")))]
pub(crate) async fn feed(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    query: Result<QueryString<FeedQuery>, Failure>,
) -> Response {
    let answered = match query {
        Ok(QueryString(query)) => answer(&web, &client, &headers, &query).await,
        Err(failure) => Err(failure),
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    let out = response.headers_mut();
    out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    out.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Retry-After"));
    response
}

/// What a browser asks before it sends `If-None-Match` from another origin.
#[utoipa::path(options, path = paths::REVOCATIONS, tag = "other services",
    responses((status = 204, description = "Anybody may read it")))]
pub(crate) async fn preflight() -> Response {
    let mut response = no_content();
    let out = response.headers_mut();
    out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    out.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    out.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("If-None-Match"));
    out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

async fn answer(
    web: &Web,
    client: &Client,
    headers: &HeaderMap,
    query: &FeedQuery,
) -> Result<Response, Failure> {
    let wait = wait(query.wait.as_deref())?;
    let Some(after) = &query.after else {
        let (answer, _) = next(web, None).await?;
        return Ok(list(answer, headers));
    };
    let cursor = after.parse().ok();
    let deadline = Instant::now() + wait;
    let mut bell = web.cx.revoked.feed.bell();
    let mut place = None;
    loop {
        bell.mark_unchanged();
        let (answer, is_news) = next(web, cursor).await?;
        if is_news || Instant::now() >= deadline {
            return Ok(increment(answer, None));
        }
        if web.readiness.is_stopping() {
            return Ok(increment(answer, Some(STOPPING)));
        }
        if place.is_none() {
            place = web.waiters.enter(client.block);
            if place.is_none() {
                return Ok(increment(answer, Some(CAPPED)));
            }
        }
        let stale = Instant::now() + web.cx.fresh_for()? + Duration::from_millis(1);
        tokio::select! {
            _ = bell.changed() => {}
            () = web.readiness.stopped() => {}
            () = tokio::time::sleep_until(deadline.min(stale)) => {}
        }
    }
}

/// What there is for a reader at `cursor`; whether that is anything.
async fn next(web: &Web, cursor: Option<Cursor>) -> Result<(Answer, bool), Failure> {
    loop {
        let (version, news) = web.cx.revocation_news(cursor).await?;
        if let (News::Nothing, Some(cursor)) = (news, cursor) {
            return Ok((Answer::nothing(cursor)?, false));
        }
        if let Some(answer) = web.answers.get(&web.cx.revoked.feed, version, news)? {
            return Ok((answer, true));
        }
        // It has grown in between.
    }
}

fn wait(text: Option<&str>) -> Result<Duration, Failure> {
    let Some(text) = text else { return Ok(Duration::ZERO) };
    let seconds = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let wait = seconds.map(Duration::from_secs).filter(|wait| *wait <= MAX_WAIT);
    wait.ok_or_else(|| Failure::field("wait", "invalid", "Use a whole number of seconds from 0 to 30."))
}

/// The whole list. Whoever keeps it must ask whether it still holds.
fn list(answer: Answer, headers: &HeaderMap) -> Response {
    // Weak: of two answers with one cursor the later one may lack what has expired.
    let tag = format!("W/\"{}\"", answer.cursor);
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|value| names(value, &tag));
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json(answer)
    };
    let out = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(ETAG, tag);
    }
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Weak comparison (RFC 9110 section 8.8.3.2).
fn names(value: &HeaderValue, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let listed = value.to_str().unwrap_or_default();
    listed.split(',').any(|listed| listed.trim() == "*" || opaque(listed) == opaque(tag))
}

/// What belongs to one cursor and one moment: for nobody to keep.
fn increment(answer: Answer, retry_after: Option<HeaderValue>) -> Response {
    let mut response = json(answer);
    let out = response.headers_mut();
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = retry_after {
        out.insert(RETRY_AFTER, seconds);
    }
    response
}

fn json(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
