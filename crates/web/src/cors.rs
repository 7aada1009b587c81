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

/// What a request asks for across origins.
pub(crate) struct Asked {
    /// Answers differ by the origin, since some may read them.
    differs: bool,
    /// The listed origin that it comes from, as it was sent.
    origin: Option<HeaderValue>,
    preflight: bool,
}

impl Cors {
    pub(crate) const fn new(origins: Vec<Origin>) -> Self {
        Self(origins)
    }

    /// What a page asks for.
    pub(crate) fn by_page<B>(&self, request: &Request<B>) -> Asked {
        let origin = self.listed(request.headers());
        let preflight = origin.is_some()
            && request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        Asked { differs: !self.0.is_empty(), origin, preflight }
    }

    /// Nothing: a proxy asks. To that one an answer to a preflight would mean that the request may pass.
    pub(crate) const fn by_proxy() -> Asked {
        Asked { differs: false, origin: None, preflight: false }
    }

    /// Compared byte for byte: browsers write an origin in one way.
    fn listed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let mut lines = headers.get_all(ORIGIN).iter();
        let (Some(origin), None) = (lines.next(), lines.next()) else { return None };
        let listed = self.0.iter().any(|listed| listed.as_str().as_bytes() == origin.as_bytes());
        listed.then(|| origin.clone())
    }
}

impl Asked {
    /// The answer, if it is a preflight from a listed origin.
    pub(crate) fn preflight(&self) -> Option<Response> {
        if !self.preflight {
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

    /// Lets the page read the answer. Caches are told that there are others.
    pub(crate) fn apply(self, out: &mut HeaderMap) {
        if self.differs {
            out.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = self.origin else { return };
        // In the place of the `*` of public documents, which browsers do not take with cookies sent along.
        out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        out.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        out.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    }
}
