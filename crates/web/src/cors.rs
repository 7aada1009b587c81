//! Cross-origin requests (the Fetch standard, section 3.3): off, unless `server.cors_origins` lists the page's
//! origin. Then answers can be read there with cookies sent along, and never by everybody (`*`).
//!
//! A preflight is answered here, before the routes: what it asks for is decided when it comes.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use portcullis_edge::origin::Origin;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, Content-Type, If-None-Match, X-CSRFToken, X-Request-Id");
/// What clients of ours read: `Date` tells them how far their clock is off.
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "Date, ETag, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id",
);
/// For how long a browser need not ask again: what is taken off the list is off it after that.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins of `server.cors_origins`.
pub(crate) struct Cors(Vec<Origin>);

impl Cors {
    pub(crate) const fn new(origins: Vec<Origin>) -> Self {
        Self(origins)
    }

    /// The listed origin that a request comes from, as it was sent: compared byte for byte.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let mut lines = headers.get_all(ORIGIN).iter();
        let (Some(origin), None) = (lines.next(), lines.next()) else { return None };
        let listed = self.0.iter().any(|listed| listed.as_str().as_bytes() == origin.as_bytes());
        listed.then(|| origin.clone())
    }

    /// The answer to a preflight, if `request` is one from a listed origin.
    pub(crate) fn preflight<B>(&self, request: &Request<B>) -> Option<Response> {
        let asks = request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || self.origin(request.headers()).is_none() {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let out = response.headers_mut();
        out.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        out.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        out.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }

    /// Lets the page at `origin` read the answer. With any origin listed, answers differ by it, and caches are told.
    pub(crate) fn apply(&self, out: &mut HeaderMap, origin: Option<HeaderValue>) {
        if self.0.is_empty() {
            return;
        }
        out.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else { return };
        // In the place of the `*` of public documents, which browsers do not take with cookies sent along.
        out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        out.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        out.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    }
}
