//! `GET /openapi.json`: made of the route table, so that it cannot say anything else.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use portcullis_edge::code::CODES;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use crate::paths;
use crate::state::Web;

/// The API in `OpenAPI` form.
#[utoipa::path(get, path = paths::OPENAPI, tag = "docs",
    responses((status = 200, description = "This document", content_type = "application/json")))]
pub(crate) async fn openapi(State(web): State<Web>) -> Response {
    let mut response = Response::new(Body::from(web.openapi.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// Adds to the document what is the same everywhere: the security scheme, the error body with all its codes,
/// and that any operation may answer with one.
pub(crate) fn complete(document: OpenApi, version: &str) -> Result<Bytes, String> {
    let mut value = serde_json::to_value(document).map_err(|error| error.to_string())?;
    value["openapi"] = json!("3.1.0");
    value["info"] = json!({
        "title": "Portcullis",
        "version": version,
        "description": "Signs people up and in, keeps them signed in, and lets services check tokens without asking.",
        "license": {"name": "Apache-2.0 OR MIT"},
    });
    value["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "pc_access",
            "description": "The access token of a session with delivery `cookies`; on https `__Host-pc_access` or \
                `__Secure-pc_access`. Unsafe methods need `X-CSRFToken` and an `Origin` of ours, too"},
        "refresh_cookie": {"type": "apiKey", "in": "cookie", "name": "pc_refresh",
            "description": "The refresh token of a session with delivery `cookie` or `cookies`, likewise"},
        "client": {"type": "http", "scheme": "basic",
            "description": "A service client: client_id and client_secret, form-encoded; or as parameters"},
    });
    value["components"]["schemas"]["Problem"] = problem();
    for (path, operations) in value["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            by_cookie(path, method, operation);
            let (kind, schema) = error_of(path, operation);
            operation["responses"]["default"] =
                json!({"description": "An error", "content": {kind: {"schema": schema}}});
        }
    }
    serde_json::to_vec(&value).map(Bytes::from).map_err(|error| error.to_string())
}

/// What is asked of a bearer, the cookie answers as well; and then, as where refresh tokens are used or set, unsafe
/// methods need the CSRF token.
fn by_cookie(path: &str, method: &str, operation: &mut Value) {
    let signs_in = matches!(path, paths::LOGIN | paths::LOGIN_FACTOR | paths::REGISTER | paths::SET_UP);
    let schemes = operation["security"].as_array_mut();
    let known = |schemes: &[Value], name: &str| schemes.iter().any(|scheme| scheme[name].is_array());
    let mut uses = signs_in;
    if let Some(schemes) = schemes {
        uses |= known(schemes, "refresh_cookie");
        // Signing out is by the refresh token's.
        if known(schemes, "bearer") && !uses {
            schemes.push(json!({"cookie": []}));
            uses = true;
        }
    }
    if !uses || method == "get" {
        return;
    }
    let header = json!({"name": "X-CSRFToken", "in": "header", "required": false, "schema": {"type": "string"},
        "description": "The token of `GET /auth/csrf`, where a cookie of ours says who asks"});
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(header),
        None => operation["parameters"] = json!([header]),
    }
}

/// Media type and schema of errors: RFC 6749 section 5.2 at the OAuth endpoints, pages where pages are, RFC 9457
/// elsewhere.
fn error_of(path: &str, operation: &Value) -> (&'static str, Value) {
    if path.starts_with("/oauth/") {
        ("application/json", json!({"$ref": "#/components/schemas/OAuthError"}))
    } else if operation["tags"][0] == "pages" {
        ("text/html", json!({"type": "string"}))
    } else {
        ("application/problem+json", json!({"$ref": "#/components/schemas/Problem"}))
    }
}

/// RFC 9457, with a stable `code`.
fn problem() -> Value {
    let codes: Vec<&str> = CODES.iter().map(|info| info.name).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "For people"},
            "code": {"type": "string", "enum": codes, "description": "For programs"},
            "errors": {"type": "array", "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            }},
        },
    })
}
