//! 200: the request may pass, and who asks.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderName, HeaderValue};
use portcullis_app::forward_auth::Passed;
use portcullis_edge::code::Code;

use crate::failure::Failure;

const USER: HeaderName = HeaderName::from_static("x-auth-user");
const ROLE: HeaderName = HeaderName::from_static("x-auth-role");
const ACCOUNT: HeaderName = HeaderName::from_static("x-auth-account");
const ACTOR: HeaderName = HeaderName::from_static("x-auth-actor");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");

/// Room for what the layers add.
const HEADERS: usize = 16;

/// The headers, checked once for as long as the token is kept. `None`: no header can hold them.
type Rendered = Option<Vec<(HeaderName, HeaderValue)>>;

pub(super) fn response(passed: &Passed) -> Response {
    let rendered = passed.rendered.get_or_init(|| Box::new(render(passed)));
    let Some(Some(headers)) = rendered.downcast_ref::<Rendered>() else {
        // Left out, it would say something else.
        return Failure::logged(Code::InternalError, "an identity that no header can hold").into_response();
    };
    let mut response = Response::new(Body::empty());
    let out = response.headers_mut();
    out.reserve(HEADERS);
    for (name, value) in headers {
        out.insert(name, value.clone());
    }
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Every header is there, if empty, so that none of a client's stands in its place.
fn render(passed: &Passed) -> Rendered {
    let identity = [
        (USER, &passed.user),
        (ROLE, &passed.role),
        (ACCOUNT, &passed.account),
        (ACTOR, &passed.actor),
        (SCOPES, &passed.scopes),
    ];
    let mut headers = Vec::with_capacity(identity.len() + 1);
    for (name, text) in identity {
        headers.push((name, HeaderValue::from_str(text).ok()?));
    }
    // An empty one would be malformed.
    if !passed.authorization.is_empty() {
        let mut value = HeaderValue::from_maybe_shared(passed.authorization.clone()).ok()?;
        value.set_sensitive(true);
        headers.push((AUTHORIZATION, value));
    }
    Some(headers)
}
