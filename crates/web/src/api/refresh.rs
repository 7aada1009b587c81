//! `POST /auth/refresh`

use axum::extract::State;
use http::StatusCode;
use portcullis_app::refresh::{Carrier, RefreshError, RefreshRequest};
use portcullis_edge::code::Code;
use serde::Deserialize;
use utoipa::ToSchema;

use super::login::unknown_audience;
use super::token_response::{TokenBody, answer};
use crate::extract::{ClientInfo, JsonBody};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// A refresh token.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RefreshBody {
    refresh_token: String,
    /// Only for this audience; absent: for all.
    audience: Option<String>,
}

impl From<RefreshError> for Failure {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid(why) => Self::logged(Code::InvalidToken, why),
            RefreshError::Revoked => Self::new(Code::RefreshRevoked),
            RefreshError::Expired => Self::new(Code::RefreshExpired),
            RefreshError::Reused => Self::new(Code::RefreshReused),
            RefreshError::UnknownAudience => unknown_audience(),
            RefreshError::Limited(limited) => limited.into(),
            RefreshError::Fault(fault) => fault.into(),
        }
    }
}

/// Exchange a refresh token for its successor. Asking twice within the grace gets the same successor.
#[utoipa::path(post, path = paths::REFRESH, tag = "auth", request_body = RefreshBody,
    responses((status = 200, description = "The next tokens", body = TokenBody)))]
pub(crate) async fn refresh(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    JsonBody(body): JsonBody<RefreshBody>,
) -> Answer {
    let RefreshBody { refresh_token: token, audience } = body;
    let request = RefreshRequest { token, carrier: Carrier::Body, audience };
    Ok(answer(StatusCode::OK, web.cx.refresh(request, &client).await?))
}
