//! Bodies: JSON only, or a form too where the contract says so; 64 KiB at the most.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use portcullis_edge::body;
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::state::Web;

/// Largest body.
const LIMIT: usize = 64 * 1024;

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// A JSON body that is read later: its bytes are signed.
pub(crate) struct RawJson(pub(crate) Bytes);

/// A JSON body or a form.
pub(crate) struct BodyOrForm<T>(pub(crate) T);

/// A form of one of our pages, and nothing else.
pub(crate) struct FormBody<T>(pub(crate) T);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Other,
    Missing,
}

fn kind(headers: &HeaderMap) -> Kind {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(CONTENT_TYPE) { Kind::Other } else { Kind::Missing };
    };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Kind::Json
    } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Kind::Form
    } else {
        Kind::Other
    }
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Failure> {
    let told = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > LIMIT as u64) {
        return Err(Failure::new(Code::BodyTooLarge));
    }
    match Limited::new(body, LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::new(Code::BodyTooLarge)),
        Err(_) => Err(Failure::told(Code::MalformedRequest, "The body ended early or was not sent right.")),
    }
}

fn parsed<T>(result: Result<T, body::BodyError>) -> Result<T, Failure> {
    result.map_err(|error| Problem::from(error).into())
}

impl<T: DeserializeOwned> FromRequest<Web> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Web) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        if kind(&parts.headers) != Kind::Json {
            return Err(Failure::new(Code::UnsupportedMediaType));
        }
        parsed(body::json(&read(&parts.headers, body).await?)).map(Self)
    }
}

impl FromRequest<Web> for RawJson {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Web) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        if kind(&parts.headers) != Kind::Json {
            return Err(Failure::new(Code::UnsupportedMediaType));
        }
        read(&parts.headers, body).await.map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<Web> for BodyOrForm<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Web) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        match kind(&parts.headers) {
            Kind::Json => parsed(body::json(&read(&parts.headers, body).await?)).map(Self),
            Kind::Form => parsed(body::form(&read(&parts.headers, body).await?)).map(Self),
            Kind::Other | Kind::Missing => Err(Failure::told(
                Code::UnsupportedMediaType,
                "Send `Content-Type: application/json` or `application/x-www-form-urlencoded`.",
            )),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<Web> for FormBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Web) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        if kind(&parts.headers) != Kind::Form {
            return Err(Failure::told(
                Code::UnsupportedMediaType,
                "This page takes forms: send `Content-Type: application/x-www-form-urlencoded`.",
            ));
        }
        parsed(body::form(&read(&parts.headers, body).await?)).map(Self)
    }
}

/// A JSON body, or none at all.
pub(crate) struct OptionalJson<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned> FromRequest<Web> for OptionalJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Web) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        optional_json(&parts.headers, body).await.map(Self)
    }
}

/// A JSON body that may be missing altogether.
pub(crate) async fn optional_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<T>, Failure> {
    let bytes = read(headers, body).await?;
    match (kind(headers), bytes.is_empty()) {
        (_, true) => Ok(None),
        (Kind::Json, false) => parsed(body::json(&bytes)).map(Some),
        _ => Err(Failure::new(Code::UnsupportedMediaType)),
    }
}
