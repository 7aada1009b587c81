//! `POST /auth/refresh`

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use portcullis_app::client::Client;
use portcullis_app::refresh::{Carrier, RefreshError, RefreshRequest};
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

use super::forget::forget_dead;
use super::login::unknown_audience;
use super::token_response::{TokenBody, answer_rotated, in_body};
use crate::extract::{Browser, ClientInfo, optional_json};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// A refresh token.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct RefreshBody {
    /// Absent: the one in the cookie.
    refresh_token: Option<String>,
    /// Only for this audience; absent: for all.
    audience: Option<String>,
}

impl From<RefreshError> for Failure {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid(why) => Self::logged(Code::InvalidToken, why),
            // Who keeps cookies of their own for a browser must not take the newer ones away.
            RefreshError::Revoked { superseded: true } => {
                Problem::new(Code::RefreshRevoked).extra("superseded", true).into()
            }
            RefreshError::Revoked { superseded: false } => Self::new(Code::RefreshRevoked),
            RefreshError::Expired => Self::new(Code::RefreshExpired),
            RefreshError::Reused => Self::new(Code::RefreshReused),
            RefreshError::UnknownAudience => unknown_audience(),
            RefreshError::Limited(limited) => limited.into(),
            RefreshError::Fault(fault) => fault.into(),
        }
    }
}

/// Exchange a refresh token for its successor. Asking twice within the grace gets the same successor. The token stands
/// in the body, or in the cookie: then with the session's CSRF token, and the body may be missing.
#[utoipa::path(post, path = paths::REFRESH, tag = "auth", request_body = Option<RefreshBody>,
    security((), ("refresh_cookie" = [])),
    responses((status = 200, description = "The next tokens", body = TokenBody)))]
pub(crate) async fn refresh(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let body: Option<RefreshBody> = optional_json(&headers, body).await?;
    let RefreshBody { refresh_token, audience } = body.unwrap_or_default();
    let Some(token) = refresh_token else { return by_cookie(&web, &client, &headers, audience).await };
    let request = RefreshRequest { token, carrier: Carrier::Body, audience };
    Ok(in_body(StatusCode::OK, web.cx.refresh(request, &client).await?))
}

/// While acting as another user, the session of that is the one that goes on.
async fn by_cookie(web: &Web, client: &Client, headers: &HeaderMap, audience: Option<String>) -> Answer {
    let admitted = Browser::new(web, headers).admit_holder().await?;
    let missing =
        || Failure::told(Code::MissingToken, "No refresh token came, neither in the body nor in a cookie.");
    let admitted = admitted.ok_or_else(missing)?;
    let (token, carrier) = admitted.in_use().ok_or_else(missing)?;
    let request = RefreshRequest { token: token.to_owned(), carrier, audience };
    match web.cx.refresh(request, client).await {
        Ok(tokens) => Ok(answer_rotated(tokens, (web, &admitted))),
        Err(error) => {
            let dead = is_dead(&error);
            let mut response = Failure::from(error).into_response();
            if dead {
                forget_dead(web, &mut response, &admitted)?;
            }
            Ok(response)
        }
    }
}

/// Whether the cookie is good for nothing any more. Never by a fault of ours; and a browser that was given another
/// token meanwhile keeps that.
pub(crate) const fn is_dead(error: &RefreshError) -> bool {
    match error {
        RefreshError::Invalid(_)
        | RefreshError::Revoked { superseded: false }
        | RefreshError::Expired
        | RefreshError::Reused => true,
        RefreshError::Revoked { superseded: true }
        | RefreshError::UnknownAudience
        | RefreshError::Limited(_)
        | RefreshError::Fault(_) => false,
    }
}
