//! `/oauth/*`: the endpoints of RFC 6749, 7662, 7009 and 8693, in the form of those documents. A handler reads
//! parameters and credentials, calls one use case and answers.

mod body;
mod credentials;
mod failure;
pub(crate) mod introspect;
pub(crate) mod revoke;
pub(crate) mod token;

pub(crate) use failure::OAuthFailure;

use axum::response::Response;
use http::header::PRAGMA;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Deserializer, Serialize};

use crate::api::private_json;

/// An empty parameter is an absent one (RFC 6749 section 3.2).
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let value: Option<String> = Option::deserialize(value)?;
    Ok(value.filter(|text| !text.is_empty()))
}

/// RFC 6749 section 5.1.
fn answer<T: Serialize>(body: &T) -> Response {
    let mut response = private_json(StatusCode::OK, body);
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
