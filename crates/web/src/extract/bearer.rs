//! Who asks, from `Authorization`. Decided without a read of the database.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use portcullis_app::bearer::{BearerError, Caller};
use portcullis_edge::authorization::{Presented, presented};
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;

use crate::failure::Failure;
use crate::state::Web;

/// Somebody with a good access token who has nothing to do first.
pub(crate) struct Acting(pub(crate) Arc<Caller>);

/// The same, and also somebody who must change their password first.
pub(crate) struct MustChangeToo(pub(crate) Arc<Caller>);

/// Somebody who may change credentials: the token is for us alone. Also who must change their password.
pub(crate) struct Own(pub(crate) Arc<Caller>);

async fn caller(web: &Web, headers: &HeaderMap) -> Result<Arc<Caller>, Failure> {
    match presented(headers).map_err(Problem::from)? {
        Presented::None => Err(Failure::new(Code::MissingToken)),
        Presented::Bearer(token) => web.cx.caller(token).await.map_err(|error| match error {
            BearerError::Invalid(why) => Failure::logged(Code::InvalidToken, why),
            BearerError::Fault(fault) => fault.into(),
        }),
    }
}

impl FromRequestParts<Web> for MustChangeToo {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        caller(web, &parts.headers).await.map(Self)
    }
}

impl FromRequestParts<Web> for Acting {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let caller = caller(web, &parts.headers).await?;
        if caller.must_change_password {
            return Err(Failure::new(Code::PasswordChangeRequired));
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<Web> for Own {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let caller = caller(web, &parts.headers).await?;
        if !caller.own_audience {
            return Err(Failure::new(Code::WrongAudience));
        }
        Ok(Self(caller))
    }
}
