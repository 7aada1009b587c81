//! The routes, with an issuer whose answers the test sets.

#[path = "../../../crates/verify/tests/support/mod.rs"]
mod support;

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};
use support::{
    FakeIssuer, TestClock, builder,
    issuer::{CLIENT, SECRET},
    service::{Reply, get, send},
};
use tower::ServiceExt as _;

const API_TOKEN: &str = "pct_0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF0bPELAU4eqF18Apz0";

async fn service() -> (FakeIssuer, portcullis_verify::Verifier, Router) {
    let issuer = FakeIssuer::start().await;
    let builder = builder(&issuer, &TestClock::default()).introspect_with(CLIENT, SECRET);
    let verifier = builder.discover().await.expect("the issuer is up");
    let service = axum_api::router(&verifier);
    (issuer, verifier, service)
}

async fn at(service: &Router, path: &str, token: &str) -> Reply {
    send(service, "GET", path, &[&format!("Bearer {token}")]).await
}

async fn add(service: &Router, token: &str, text: &str) -> u16 {
    let request = Request::post("/notes")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(json!({"text": text}).to_string()))
        .expect("a request");
    service.clone().oneshot(request).await.expect("never fails").status().as_u16()
}

#[tokio::test]
async fn the_public_page_greets() {
    let (issuer, _verifier, service) = service().await;
    assert_eq!(send(&service, "GET", "/", &[]).await.body, "Hello. Sign in to keep notes.\n");
    assert_eq!(get(&service, &issuer.token(&[])).await.body, "Hello user-1.\n");
    assert_eq!(get(&service, "a.b.c").await.status, 401);
}

#[tokio::test]
async fn nobody_gets_further() {
    let (_issuer, _verifier, service) = service().await;
    for path in ["/me", "/notes", "/stats", "/ticks"] {
        let reply = send(&service, "GET", path, &[]).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "missing_token"), "{path}");
    }
}

#[tokio::test]
async fn users_keep_their_own_notes() {
    let (issuer, _verifier, service) = service().await;
    let (one, two) = (issuer.token(&[]), issuer.token(&[("sub", json!("user-2"))]));
    assert_eq!(add(&service, &one, "mine").await, 201);
    assert_eq!(at(&service, "/notes", &one).await.body, r#"["mine"]"#);
    assert_eq!(at(&service, "/notes", &two).await.body, "[]");
    let me: Value = serde_json::from_str(&at(&service, "/me", &two).await.body).expect("JSON");
    assert_eq!(
        me,
        json!({"user": "user-2", "role": "user", "account": null, "actor": null, "read_only": false})
    );
}

#[tokio::test]
async fn roles_scopes_and_read_only_sessions() {
    let (issuer, _verifier, service) = service().await;
    let admin = issuer.token(&[("role", json!("admin"))]);
    assert_eq!(at(&service, "/stats", &admin).await.body, "0\n");
    assert_eq!(at(&service, "/stats", &issuer.token(&[])).await.code(), "forbidden");
    let other_scope = issuer.token(&[("scope", json!("mail"))]);
    assert_eq!(at(&service, "/notes", &other_scope).await.code(), "insufficient_scope");
    assert_eq!(at(&service, "/me", &other_scope).await.status, 200);
    assert_eq!(at(&service, "/notes", &issuer.token(&[("scope", json!("mail notes"))])).await.status, 200);
    let looking = issuer.token(&[("read_only", json!(true)), ("act", json!({"sub": "admin-1"}))]);
    assert_eq!(at(&service, "/notes", &looking).await.status, 200);
    assert_eq!(add(&service, &looking, "not to be").await, 403);
    assert_eq!(at(&service, "/notes", &looking).await.body, "[]");
}

#[tokio::test]
async fn api_tokens_work() {
    let (issuer, _verifier, service) = service().await;
    issuer.api_token(API_TOKEN, &[("scope", json!("notes"))]);
    assert_eq!(add(&service, API_TOKEN, "by a script").await, 201);
    assert_eq!(at(&service, "/notes", API_TOKEN).await.body, r#"["by a script"]"#);
}

#[tokio::test]
async fn sign_out_ends_requests_and_streams() {
    let (issuer, verifier, service) = service().await;
    let token = issuer.token(&[]);
    let claims = verifier.verify(&token).await.expect("good");
    let stream = tokio::spawn({
        let (service, token) = (service.clone(), token.clone());
        async move { at(&service, "/ticks", &token).await }
    });
    let ended = verifier.watch(&claims);
    issuer.revoke("session-1", None);
    ended.await;
    assert_eq!(at(&service, "/me", &token).await.code(), "invalid_token");
    let stream = stream.await.expect("it ends");
    assert!([200, 401].contains(&stream.status), "it may have come too late");
}
