//! `GET /auth/verify`, in its minimal form: a reverse proxy asks whether a bearer token is good. Answers from
//! the claims, without a statement.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_edge::code::Code;
use subtle::ConstantTimeEq;

use crate::extract::caller;
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

const FORWARD: HeaderName = HeaderName::from_static("x-portcullis-forward");
const USER: HeaderName = HeaderName::from_static("x-auth-user");
const ROLE: HeaderName = HeaderName::from_static("x-auth-role");
const ACCOUNT: HeaderName = HeaderName::from_static("x-auth-account");

/// Whether a bearer token is good, for reverse proxies that hold `forward_auth.secret`.
#[utoipa::path(get, path = paths::VERIFY, tag = "other services", security(("bearer" = [])),
    params(("X-Portcullis-Forward" = String, Header, description = "`forward_auth.secret`; else 404")),
    responses((status = 200, description = "Good", headers(
        ("X-Auth-User" = String, description = "User id"),
        ("X-Auth-Role" = String, description = "Role"),
        ("X-Auth-Account" = String, description = "Account id")))))]
pub(crate) async fn verify(State(web): State<Web>, headers: HeaderMap) -> Answer {
    if !from_our_proxy(&web, &headers) {
        return Err(Failure::new(Code::NotFound));
    }
    let caller = caller(&web, &headers).await?;
    if caller.must_change_password {
        return Err(Failure::new(Code::PasswordChangeRequired));
    }
    let mut response = Response::new(Body::empty());
    let out = response.headers_mut();
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            out.insert(name, value);
        }
    };
    put(USER, &caller.claims.sub);
    put(ROLE, caller.role.as_str());
    if let Some(account) = &caller.claims.account {
        put(ACCOUNT, account);
    }
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn from_our_proxy(web: &Web, headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(FORWARD).iter();
    match (&web.config.forward_secret, given.next(), given.next()) {
        (Some(secret), Some(given), None) => secret.as_bytes().ct_eq(given.as_bytes()).into(),
        _ => false,
    }
}
