//! Layers and extractors that ask who calls.
#![cfg(feature = "axum")]

mod support;

use axum::{
    Router,
    body::Body,
    http::{Request, header::AUTHORIZATION},
};
use portcullis_verify::{
    Claims, RequireRole, RequireScope, VerifyError,
    axum::{Guard, Guarded},
};
use serde_json::json;
use support::{
    service::{Reply, send},
    setting,
};

struct Admin;

impl Guard for Admin {
    fn check(claims: &Claims) -> Result<(), VerifyError> {
        claims.require_role("admin")
    }
}

async fn me(claims: Claims) -> String {
    claims.user_id().to_owned()
}

async fn maybe(claims: Option<Claims>) -> String {
    claims.map_or("nobody".to_owned(), |claims| claims.user_id().to_owned())
}

async fn admin(admin: Guarded<Admin>) -> String {
    admin.claims.user_id().to_owned()
}

async fn in_handler(claims: Claims) -> Result<String, VerifyError> {
    claims.require_scope("orders:read")?;
    Ok(claims.user_id().to_owned())
}

async fn ask(service: &Router, token: Option<&str>) -> Reply {
    let line = token.map(|token| format!("Bearer {token}"));
    send(service, "GET", "/", &line.iter().map(String::as_str).collect::<Vec<_>>()).await
}

fn outcome(reply: &Reply) -> (u16, String) {
    (reply.status, reply.code())
}

#[tokio::test]
async fn extractors() {
    let (issuer, _clock, verifier) = setting().await;
    let user = issuer.token(&[]);
    let boss = issuer.token(&[("role", json!("admin")), ("sub", json!("admin-1")), ("scope", json!("x"))]);
    let ok = |text: &str| (200, text.to_owned());
    let missing = (401, "missing_token".to_owned());
    for (router, nobody, somebody, someone_else) in [
        (Router::new().fallback(me), missing.clone(), ok("user-1"), ok("admin-1")),
        (Router::new().fallback(maybe), ok("nobody"), ok("user-1"), ok("admin-1")),
        (Router::new().fallback(admin), missing.clone(), (403, "forbidden".to_owned()), ok("admin-1")),
        (
            Router::new().fallback(in_handler),
            missing.clone(),
            ok("user-1"),
            (403, "insufficient_scope".to_owned()),
        ),
    ] {
        let service = router.clone().layer(verifier.optional_layer());
        assert_eq!(outcome(&ask(&service, None).await), nobody);
        assert_eq!(outcome(&ask(&service, Some(&user)).await), somebody);
        assert_eq!(outcome(&ask(&service, Some(&boss)).await), someone_else);
        assert_eq!(outcome(&ask(&service, Some("a.b.c")).await), (401, "invalid_token".to_owned()));
        let reply = ask(&router, Some(&boss)).await;
        assert_eq!(outcome(&reply), (500, "internal_error".to_owned()), "without the layer nothing is known");
    }
}

#[tokio::test]
async fn roles() {
    let (issuer, _clock, verifier) = setting().await;
    let service =
        |guard: RequireRole| Router::new().fallback(me).layer(guard).layer(verifier.optional_layer());
    let token = |role: &str| issuer.token(&[("role", json!(role))]);
    let one = service(RequireRole::new("admin"));
    let two = service(RequireRole::any_of(["admin", "support"]));
    let none = service(RequireRole::any_of([""; 0]));
    for (role, in_one, in_two) in
        [("admin", 200, 200), ("support", 403, 200), ("user", 403, 403), ("Admin", 403, 403), ("", 403, 403)]
    {
        assert_eq!(ask(&one, Some(&token(role))).await.status, in_one, "{role}");
        assert_eq!(ask(&two, Some(&token(role))).await.status, in_two, "{role}");
        assert_eq!(ask(&none, Some(&token(role))).await.status, 403, "{role}");
    }
    let reply = ask(&one, Some(&token("user"))).await;
    assert_eq!(outcome(&reply), (403, "forbidden".to_owned()));
    assert!(reply.body.contains(&format!("{}/docs/problems#forbidden", issuer.url())));
    assert_eq!(outcome(&ask(&one, None).await), (401, "missing_token".to_owned()));
}

#[tokio::test]
async fn scopes() {
    let (issuer, _clock, verifier) = setting().await;
    let service = |guard: RequireScope| Router::new().fallback(me).layer(guard).layer(verifier.layer());
    let both = service(RequireScope::all_of(["orders:read", "orders:write"]));
    for (scope, status) in [
        (json!(null), 200),
        (json!("orders:write other orders:read"), 200),
        (json!("orders:read"), 403),
        (json!("orders"), 403),
        (json!(""), 403),
    ] {
        let reply = ask(&both, Some(&issuer.token(&[("scope", scope.clone())]))).await;
        assert_eq!(reply.status, status, "{scope}");
        let challenge = r#"Bearer error="insufficient_scope", scope="orders:read orders:write""#;
        assert_eq!(reply.header("www-authenticate"), (status == 403).then_some(challenge));
    }
    let bare = Router::new().fallback(me).layer(RequireScope::new("a"));
    assert_eq!(ask(&bare, Some(&issuer.token(&[]))).await.status, 500);
}

#[tokio::test]
async fn an_inner_layer_has_the_last_word() {
    let ((issuer, _c1, outer), (other, _c2, inner)) = (setting().await, setting().await);
    let service = Router::new().fallback(maybe).layer(inner.optional_layer()).layer(outer.layer());
    let reply = ask(&service, Some(&issuer.token(&[]))).await;
    assert_eq!(outcome(&reply), (401, "invalid_token".to_owned()), "good for the outer one alone");
    assert_eq!(ask(&service, Some(&other.token(&[]))).await.status, 401);
}

#[tokio::test]
async fn claims_of_an_outer_layer_do_not_reach_through_an_inner_one() {
    let (issuer, _clock, verifier) = setting().await;
    let strip = |mut request: Request<Body>| async move {
        request.headers_mut().remove(AUTHORIZATION);
        request
    };
    let inner = Router::new().fallback(maybe).layer(verifier.optional_layer());
    let service = inner.layer(axum::middleware::map_request(strip)).layer(verifier.layer());
    assert_eq!(outcome(&ask(&service, Some(&issuer.token(&[]))).await), (200, "nobody".to_owned()));
}
