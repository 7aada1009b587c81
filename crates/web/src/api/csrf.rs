//! `GET /auth/csrf`: the token that unsafe requests by cookie must carry.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use portcullis_core::ids::SessionId;
use portcullis_edge::code::Code;
use serde::Serialize;
use utoipa::ToSchema;

use super::private_json;
use crate::extract::Browser;
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

/// The CSRF token.
#[derive(Serialize, ToSchema)]
#[schema(as = CsrfToken)]
pub(crate) struct CsrfBody {
    /// Send it in `X-CSRFToken`. Good as long as the session.
    csrf_token: String,
}

/// The CSRF token of the session whose cookies come along; without one, a token that nothing asks for. Also as the
/// cookie `csrftoken`, which scripts may read.
#[utoipa::path(get, path = paths::CSRF, tag = "auth",
    responses((status = 200, description = "The token", body = CsrfBody)))]
pub(crate) async fn csrf(State(web): State<Web>, headers: HeaderMap) -> Answer {
    let session = Browser::new(&web, &headers).session().await?;
    let body = CsrfBody { csrf_token: web.cx.csrf_token(session) };
    let mut response = private_json(StatusCode::OK, &body);
    carry(&web, &mut response, session)?;
    Ok(response)
}

/// Lets scripts read the CSRF token of `session`.
pub(crate) fn carry(web: &Web, response: &mut Response, session: Option<SessionId>) -> Result<(), Failure> {
    let token = web.cx.csrf_token(session);
    let seconds = web.cx.settings.lifetimes.refresh.as_secs();
    let set = web.cookies.set_csrf_token(response.headers_mut(), &token, seconds);
    set.map_err(|_| Failure::new(Code::InternalError))
}
