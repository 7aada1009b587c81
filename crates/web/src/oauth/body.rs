//! Parameters: a form (RFC 6749 section 3.2), or JSON. Each stands once.

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::failure::OAuthFailure;
use crate::extract::BodyOrForm;
use crate::state::Web;

/// The parameters of a request.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Web> for Parameters<T> {
    type Rejection = OAuthFailure;

    async fn from_request(request: Request, web: &Web) -> Result<Self, OAuthFailure> {
        let BodyOrForm(parameters) = BodyOrForm::from_request(request, web).await?;
        Ok(Self(parameters))
    }
}
