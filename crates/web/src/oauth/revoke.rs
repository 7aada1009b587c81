//! `POST /oauth/revoke` (RFC 7009)

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::Parameters;
use super::credentials::credentials;
use super::failure::{ErrorBody, OAuthFailure};
use super::given;
use crate::extract::ClientInfo;
use crate::paths;
use crate::state::Web;

/// Which token.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RevocationRequest {
    /// A refresh token, an access token of a session, or an API token.
    #[serde(default, deserialize_with = "given")]
    token: Option<String>,
    /// Read and not needed: the form of the token tells what it is.
    #[serde(default, deserialize_with = "given")]
    #[expect(dead_code, reason = "it is part of the request, and must stand there once")]
    token_type_hint: Option<String>,
    #[serde(default, deserialize_with = "given")]
    client_id: Option<String>,
    /// Only if a service client asks.
    #[serde(default, deserialize_with = "given")]
    client_secret: Option<String>,
}

/// End a token, and its session. Also 200 for what is unknown, expired or ended already.
#[utoipa::path(post, path = paths::OAUTH_REVOKE, tag = "OAuth", security((), ("client" = [])),
    request_body(content((RevocationRequest = "application/x-www-form-urlencoded"),
        (RevocationRequest = "application/json"))),
    responses((status = 200, description = "Ended"), (status = 400, description = "Refused", body = ErrorBody)))]
pub(crate) async fn revoke(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    Parameters(request): Parameters<RevocationRequest>,
) -> Result<Response, OAuthFailure> {
    let credentials = credentials(&headers, request.client_id, request.client_secret)?;
    let token = request.token.ok_or_else(|| OAuthFailure::request("token is missing."))?;
    web.cx.revoke(&token, &credentials, &client).await?;
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}
