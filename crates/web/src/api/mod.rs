//! The JSON API: one file per noun. A handler takes the request apart, calls one use case and answers.

pub(crate) mod accounts;
pub(crate) mod all_accounts;
pub(crate) mod audit;
pub(crate) mod bots;
pub(crate) mod clients;
pub(crate) mod config;
pub(crate) mod csrf;
pub(crate) mod email;
pub(crate) mod factors;
pub(crate) mod forget;
pub(crate) mod health;
pub(crate) mod impersonation;
pub(crate) mod invites;
pub(crate) mod jwks;
pub(crate) mod login;
pub(crate) mod login_factor;
pub(crate) mod logout;
pub(crate) mod me;
pub(crate) mod members;
pub(crate) mod metadata;
pub(crate) mod openapi;
pub(crate) mod own_data;
pub(crate) mod page;
pub(crate) mod password;
pub(crate) mod password_reset;
pub(crate) mod refresh;
pub(crate) mod register;
pub(crate) mod revocations;
pub(crate) mod second_factor;
pub(crate) mod secret_scanning;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod social;
pub(crate) mod status_list;
pub(crate) mod step_up;
pub(crate) mod subscription;
pub(crate) mod token_response;
pub(crate) mod tokens;
pub(crate) mod user;
pub(crate) mod users;
pub(crate) mod verify;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// JSON that nobody may keep: tokens and personal data.
pub(crate) fn private_json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let mut bytes = BytesMut::with_capacity(2_048);
    if serde_json::to_writer((&mut bytes).writer(), body).is_err() {
        // Our own types serialise; if one ever does not, it is a fault of ours.
        return axum::response::IntoResponse::into_response(crate::failure::Failure::new(
            portcullis_edge::code::Code::InternalError,
        ));
    }
    let mut response = Response::new(Body::from(bytes.freeze()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// JSON that may be kept for `seconds`.
pub(crate) fn public_json<T: Serialize>(body: &T, seconds: u64) -> Response {
    let mut response = private_json(StatusCode::OK, body);
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={seconds}")) {
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
    response
}

/// 204.
pub(crate) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
