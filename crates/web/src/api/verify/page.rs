//! Pages: a person in front of a browser is sent to sign in or to change the password, and comes back to where they wanted to go.

use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portcullis_app::forward_auth::{Credential, ForwardError};
use url::Url;

use super::family::{Original, Style};
use super::forward::Forward;
use crate::failure::Failure;

const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
/// Where nginx, which passes no redirect on, is to send a page.
const REDIRECT: HeaderName = HeaderName::from_static("x-portcullis-redirect");

/// A request for a page.
pub(super) struct Page(Url);

impl Page {
    /// `None`: a program asks, which can do nothing with a page.
    pub(super) fn of(original: &Original<'_>, headers: &HeaderMap, found: Credential<'_>) -> Option<Self> {
        let navigates = match headers.get(FETCH_MODE) {
            Some(mode) => mode == "navigate",
            None => !headers.contains_key(REQUESTED_WITH),
        };
        let accepts = headers.get_all(ACCEPT).iter().any(|line| {
            let mut kinds = line.as_bytes().split(|b| *b == b',');
            kinds.any(|kind| {
                let kind = kind.split(|b| *b == b';').next().unwrap_or_default();
                kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
            })
        });
        let reads = original.method == "GET" && !original.changes(headers);
        if !(reads && navigates && accepts) || matches!(found, Credential::Bearer(_)) {
            return None;
        }
        Url::parse(&format!("{}://{}{}", original.scheme, original.host, original.target)).ok().map(Self)
    }

    /// The page of ours that helps against `error`, if there is one and it may be returned from there.
    pub(super) fn way_out(self, forward: &Forward, error: &ForwardError) -> Option<HeaderValue> {
        let (page, max_age) = match error {
            ForwardError::Missing | ForwardError::Invalid(_) => (&forward.sign_in, None),
            ForwardError::Stale { max_age, .. } => (&forward.sign_in, Some(max_age.as_secs())),
            ForwardError::PasswordChange => (&forward.change_password, None),
            ForwardError::FactorSetup
            | ForwardError::ReadOnly
            | ForwardError::WrongAudience
            | ForwardError::NoScope
            | ForwardError::Lacks(_)
            | ForwardError::Fault(_) => return None,
        };
        if !forward.return_urls.allow(&self.0) {
            return None;
        }
        let mut place = page.clone();
        place.query_pairs_mut().append_pair("return_to", self.0.as_str());
        if let Some(max_age) = max_age {
            // As in OpenID Connect Core section 3.1.2.1: whoever is signed in must sign in again.
            place.query_pairs_mut().append_pair("max_age", &max_age.to_string());
        }
        HeaderValue::from_str(place.as_str()).ok()
    }
}

/// The refusal, with the way to the page of ours that helps if there is one.
pub(super) fn redirected(style: Style, failure: Failure, place: Option<HeaderValue>) -> Response {
    let mut response = failure.into_response();
    match (style, place) {
        (_, None) => {}
        (Style::Nginx, Some(place)) => {
            response.headers_mut().insert(REDIRECT, place);
        }
        (Style::Traefik | Style::Caddy | Style::Envoy, Some(place)) => {
            response = StatusCode::FOUND.into_response();
            let headers = response.headers_mut();
            headers.insert(LOCATION, place);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
    response
}
