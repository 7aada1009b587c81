//! `GET /.well-known/portcullis/status/{list}` (draft-ietf-oauth-status-list section 8)

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use portcullis_app::status_lists::TTL;
use portcullis_edge::code::Code;

use crate::extract::PathId;
use crate::failure::Failure;
use crate::paths;
use crate::state::Web;

/// A list of token states, signed; `status` of a token says which one, and where in it.
#[utoipa::path(get, path = paths::STATUS_LIST, tag = "other services", params(("list" = u64, Path)),
    responses((status = 200, description = "The list as a JWT", body = String,
        content_type = "application/statuslist+jwt")))]
pub(crate) async fn status_list(State(web): State<Web>, list: Result<PathId<String>, Failure>) -> Response {
    let answered = match list {
        Ok(PathId(list)) => answer(&web, &list).await,
        Err(failure) => Err(failure),
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

async fn answer(web: &Web, text: &str) -> Result<Response, Failure> {
    let not_found = || Failure::new(Code::NotFound);
    // Its address is its name (`sub`), so there is one way to write it.
    let list = text.parse().ok().filter(|list: &u64| list.to_string() == text).ok_or_else(not_found)?;
    let signed = web.cx.status_list(list).await?.ok_or_else(not_found)?;
    let mut response = Response::new(Body::from(signed));
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/statuslist+jwt"));
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={}", TTL.as_secs())) {
        out.insert(CACHE_CONTROL, value);
    }
    Ok(response)
}
