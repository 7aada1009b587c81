//! `GET /auth/verify`: a reverse proxy asks whether a request may pass.
//!
//! 1. It must be a proxy of ours: it shows `forward_auth.secret`, or asks on `forward_auth.listen`. Else 404.
//! 2. What was asked for stands in one family of headers ([`family`]); anything odd about it is 400.
//! 3. Who asks: the bearer, else the cookie. By cookie, what may change something must come from a page of the
//!    same origin, of ours, or of `csrf.trusted_origins`.
//! 4. The rules decide ([`portcullis_app::forward_auth`]).
//! 5. A page that a sign-in or a change of password would help is sent there, if it may be returned to ([`page`]); others get a problem.

mod family;
mod forward;
mod page;
mod passed;
mod refusal;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use portcullis_app::forward_auth::{Credential, ForwardError};
use portcullis_core::access::Target;
use portcullis_edge::authorization::{Presented, presented};
use portcullis_edge::code::Code;
use portcullis_edge::csrf::CsrfFailure;
use portcullis_edge::problem::Problem;
use subtle::ConstantTimeEq;

use crate::extract::address;
use crate::failure::Failure;
use crate::paths;
use crate::state::Web;
use family::Original;
pub use family::Style;
pub(crate) use forward::Forward;
use page::Page;

const FORWARD: HeaderName = HeaderName::from_static("x-portcullis-forward");

/// Whether a request that a reverse proxy has received may pass. Who asks is told by `Authorization` or the
/// cookie `pc_access`; what is asked for, by the headers of `forward_auth.style`.
#[utoipa::path(get, path = paths::VERIFY, tag = "other services", security(("bearer" = [])),
    params(
        ("X-Portcullis-Forward" = Option<String>, Header,
            description = "`forward_auth.secret`; else 404. Not needed on `forward_auth.listen`"),
        ("X-Forwarded-Method" = Option<String>, Header, description = "Method (traefik, caddy, envoy)"),
        ("X-Forwarded-Proto" = Option<String>, Header, description = "`https` or `http` (traefik, caddy, envoy)"),
        ("X-Forwarded-Host" = Option<String>, Header, description = "Host (traefik, caddy, envoy)"),
        ("X-Forwarded-Uri" = Option<String>, Header, description = "Path and query (traefik, caddy, envoy)"),
        ("X-Original-Method" = Option<String>, Header, description = "Method (nginx)"),
        ("X-Original-URL" = Option<String>, Header, description = "The whole URL (nginx)")),
    responses(
        (status = 200, description = "It may pass. Without a user the `X-Auth-…` headers are empty", headers(
            ("X-Auth-User" = String, description = "User id"),
            ("X-Auth-Role" = String, description = "Role"),
            ("X-Auth-Account" = String, description = "Account id"),
            ("X-Auth-Actor" = String, description = "Who really acts, if that is not the user"),
            ("X-Auth-Scopes" = String, description = "Scopes, separated by spaces; empty: unrestricted"),
            ("Authorization" = String, description = "`Bearer` and a token for the service behind the proxy"))),
        (status = 302, description = "A page that needs a sign-in, or a change of the password first (not with nginx)", headers(
            ("Location" = String, description = "The sign-in page, or the one that changes passwords, which returns to `return_to`"))),
        (status = 401, description = "Nobody, or nobody any more", headers(
            ("X-Portcullis-Redirect" = String, description = "Where to send a page instead (nginx)")))))]
pub(crate) async fn verify(State(web): State<Web>, request: Request) -> Response {
    let parts = parts_of(request);
    if from_our_proxy(&web, &parts.headers) { answer(&web, &parts).await } else { not_found() }
}

/// The same on the listener of its own, for whatever method the proxy asks with.
pub(crate) async fn verify_inside(State(web): State<Web>, request: Request) -> Response {
    answer(&web, &parts_of(request)).await
}

/// Taken, where axum's extractor would copy them: this is asked before every request of a whole site.
fn parts_of(request: Request) -> Parts {
    request.into_parts().0
}

fn not_found() -> Response {
    Failure::new(Code::NotFound).into_response()
}

fn from_our_proxy(web: &Web, headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(FORWARD).iter();
    match (&web.config.forward_secret, given.next(), given.next()) {
        (Some(secret), Some(given), None) => secret.as_bytes().ct_eq(given.as_bytes()).into(),
        _ => false,
    }
}

async fn answer(web: &Web, parts: &Parts) -> Response {
    let headers = &parts.headers;
    let original = match Original::read(web.forward.style, headers) {
        Ok(original) => original,
        Err(detail) => return Failure::told(Code::MalformedRequest, detail).into_response(),
    };
    let target = match Target::new(original.host, original.method, original.path()) {
        Ok(target) => target,
        Err(error) => return refusal::bad_target(error).into_response(),
    };
    let found = match Found::read(web, headers, &original) {
        Ok(found) => found,
        Err(failure) => return failure.into_response(),
    };
    let passed =
        web.cx.forward(&target, found.credential, || original.changes(headers), || address(parts, web));
    match passed.await {
        Ok(passed) => passed::response(&passed),
        Err(error) => {
            let page = Page::of(&original, headers, found.credential).filter(|_| found.forged.is_none());
            let place = page.and_then(|page| page.way_out(&web.forward, &error));
            let failure = match (found.forged, error) {
                (Some(forged), ForwardError::Missing) => Problem::from(forged).into(),
                (_, error) => refusal::failure(error),
            };
            page::redirected(web.forward.style, failure, place)
        }
    }
}

/// What the request presents.
struct Found<'a> {
    credential: Credential<'a>,
    /// There is a cookie, but another site may have made the request: it counts as none.
    forged: Option<CsrfFailure>,
}

impl<'a> Found<'a> {
    fn read(web: &Web, headers: &'a HeaderMap, original: &Original<'_>) -> Result<Self, Failure> {
        let bearer = presented(headers).map_err(Problem::from)?;
        // Also beside a bearer: what cannot be read never passes.
        let cookie = web.cookies.access(headers).map_err(Problem::from)?;
        let credential = match (bearer, cookie) {
            (Presented::Bearer(token), _) => Credential::Bearer(token),
            (Presented::None, Some((token, carrier))) => Credential::Cookie(token, carrier),
            (Presented::None, None) => Credential::None,
        };
        if matches!(credential, Credential::Cookie(..))
            && original.changes(headers)
            && let Err(forged) = web.forward.origins_of(original).check(headers)
        {
            return Ok(Self { credential: Credential::None, forged: Some(forged) });
        }
        Ok(Self { credential, forged: None })
    }
}
