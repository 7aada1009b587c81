//! Ids in paths, and queries.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use portcullis_edge::code::Code;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::state::Web;

/// The one id in the path. What is no id names nothing: 404.
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: FromStr + Send> FromRequestParts<Web> for PathId<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let params = RawPathParams::from_request_parts(parts, web).await;
        let params = params.map_err(|_| Failure::new(Code::NotFound))?;
        let id = params.iter().next().and_then(|(_, value)| value.parse().ok());
        id.map(Self).ok_or_else(|| Failure::new(Code::NotFound))
    }
}

/// The two ids in the path, in their order.
pub(crate) struct PathIds<A, B>(pub(crate) A, pub(crate) B);

impl<A: FromStr + Send, B: FromStr + Send> FromRequestParts<Web> for PathIds<A, B> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let params = RawPathParams::from_request_parts(parts, web).await;
        let params = params.map_err(|_| Failure::new(Code::NotFound))?;
        let mut values = params.iter().map(|(_, value)| value);
        let ids = values
            .next()
            .and_then(|one| one.parse().ok())
            .zip(values.next().and_then(|two| two.parse().ok()));
        ids.map(|(one, two)| Self(one, two)).ok_or_else(|| Failure::new(Code::NotFound))
    }
}

/// The query.
pub(crate) struct QueryString<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Web> for QueryString<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Web) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        portcullis_edge::body::form(query.as_bytes()).map(Self).map_err(|error| match error {
            portcullis_edge::body::BodyError::Field(error) => {
                portcullis_edge::problem::Problem::from(error).into()
            }
            portcullis_edge::body::BodyError::Malformed { .. } => Failure::new(Code::MalformedRequest),
        })
    }
}
