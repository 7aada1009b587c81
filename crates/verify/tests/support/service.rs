//! A service behind the layer, and requests to it.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, header::AUTHORIZATION},
};
use portcullis_verify::{Claims, Verifier};
use serde_json::Value;
use tower::ServiceExt as _;

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    /// The `code` of a problem, or the body of anything else.
    pub fn code(&self) -> String {
        let problem: Option<Value> = serde_json::from_str(&self.body).ok();
        problem
            .and_then(|problem| problem["code"].as_str().map(str::to_owned))
            .unwrap_or_else(|| self.body.clone())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }
}

/// Answers everyone with their user id.
pub fn strict(verifier: &Verifier) -> Router {
    Router::new().fallback(who).layer(verifier.layer())
}

/// The same, `nobody` included.
pub fn lenient(verifier: &Verifier) -> Router {
    Router::new().fallback(who).layer(verifier.optional_layer())
}

async fn who(request: Request<Body>) -> String {
    request.extensions().get::<Claims>().map_or("nobody".to_owned(), |claims| claims.user_id().to_owned())
}

/// One request with these `Authorization` headers.
pub async fn send(service: &Router, method: &str, path: &str, authorization: &[&str]) -> Reply {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a method");
    *request.uri_mut() = path.parse().expect("a path");
    for value in authorization {
        request.headers_mut().append(AUTHORIZATION, value.parse().expect("a header value"));
    }
    let response = service.clone().oneshot(request).await.expect("never fails");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 65536).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("UTF-8");
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub async fn get(service: &Router, token: &str) -> Reply {
    send(service, "GET", "/", &[&format!("Bearer {token}")]).await
}
