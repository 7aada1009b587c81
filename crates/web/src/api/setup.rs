//! `POST /auth/setup`: the first administrator.

use axum::extract::State;
use http::HeaderMap;
use portcullis_app::admission::Codes;
use portcullis_app::register::Registration;
use serde::Deserialize;
use utoipa::ToSchema;

use super::register::{Newcomer, RegisterResponse};
use crate::extract::{ClientInfo, JsonBody};
use crate::failure::Answer;
use crate::paths;
use crate::state::Web;

/// The set-up link's token, and who the administrator shall be.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SetupRequest {
    /// What stands behind `#token=` in the link.
    token: String,
    email: String,
    password: String,
    name: Option<String>,
    username: Option<String>,
    /// Signs in at once, with this delivery.
    delivery: Option<String>,
}

/// Make the first administrator. Spends the set-up link. With delivery `cookie` or `cookies` as at `POST /auth/login`.
#[utoipa::path(post, path = paths::SET_UP, tag = "auth", request_body = SetupRequest,
    responses((status = 201, description = "Made", body = RegisterResponse)))]
pub(crate) async fn setup(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    JsonBody(request): JsonBody<SetupRequest>,
) -> Answer {
    let newcomer = Newcomer::wants(&web, &headers, request.delivery.as_deref()).await?;
    let SetupRequest { token, email, password, name, username, .. } = request;
    let registration = Registration { email, password, name, username, codes: Codes::default() };
    let user = web.cx.complete_set_up(&token, registration, &client).await?;
    newcomer.created(&web, user, &client).await
}
