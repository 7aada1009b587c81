//! `GET /.well-known/jwks.json` (RFC 7517)

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_core::signing_key::JWKS_MAX_AGE;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::public_json;
use crate::paths;
use crate::state::Web;

/// A set of public keys.
#[derive(Serialize, ToSchema)]
#[schema(as = Jwks)]
pub(crate) struct JwksBody {
    keys: Vec<Value>,
}

/// The public keys of every access token that may still live, and of the next ones.
#[utoipa::path(get, path = paths::JWKS, tag = "other services",
    responses((status = 200, description = "The keys", body = JwksBody)))]
pub(crate) async fn jwks(State(web): State<Web>, headers: HeaderMap) -> Response {
    let keys: Vec<Value> = web.cx.jwks().iter().filter_map(|key| serde_json::to_value(key).ok()).collect();
    let kids: Vec<&str> = keys.iter().filter_map(|key| key["kid"].as_str()).collect();
    let tag = HeaderValue::from_str(&format!("\"{}\"", kids.join("."))).ok();
    let mut response = match &tag {
        Some(tag) if headers.get(IF_NONE_MATCH) == Some(tag) => {
            let mut response = public_json(&Value::Null, JWKS_MAX_AGE.as_secs());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
            response
        }
        _ => public_json(&JwksBody { keys }, JWKS_MAX_AGE.as_secs()),
    };
    let out = response.headers_mut();
    if let Some(tag) = tag {
        out.insert(ETAG, tag);
    }
    out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
