//! Whose tokens are accepted, and what they may do.

use std::time::Duration;

use portcullis_core::access::{Require, Requirement};
use portcullis_jose::Actor as ActingUser;
use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::{app_with, ask, passes, rule, signing_app};
use crate::on_both;
use crate::support::{api_token, claims, credentials, holder, made, refused};

on_both! {
    async fn an_ended_session_is_refused_at_once(backend: Backend) {
        let app = app_with(backend, vec![]).await;
        let (ada, other) = (app.sign_up("ada").await, app.sign_in("ada").await);
        for actor in [&ada, &other] {
            passes(&ask(actor, "GET", "/").await, ada.user.as_deref());
        }
        ada.post("/auth/logout", &json!({})).await;
        refused(&ask(&ada, "GET", "/").await, 401, "invalid_token");
        passes(&ask(&other, "GET", "/").await, ada.user.as_deref());
        app.clock.advance(Duration::from_mins(15));
        refused(&ask(&other, "GET", "/").await, 401, "invalid_token");
    }

    async fn an_api_token_is_as_good_as_a_session_and_its_use_is_noted(backend: Backend) {
        let fresh = Require::SignedIn(vec![Requirement::Fresh(Duration::from_hours(1))]);
        let files = Require::SignedIn(vec![Requirement::Scope("files".into())]);
        let app = app_with(backend, vec![rule("/pay", fresh), rule("/files", files)]).await;
        let ada = app.sign_up("ada").await;
        let whole = api_token(&ada, &json!({"name": "whole"})).await;
        let scoped = api_token(&ada, &json!({"name": "scoped", "scopes": ["mail"]})).await;
        let (script, mailer) = (holder(&app, &whole), holder(&app, &scoped));
        for _ in 0..2 {
            let reply = ask(&script, "POST", "/files").await;
            passes(&reply, ada.user.as_deref());
            let upstream = claims(&reply.header("authorization").unwrap()["Bearer ".len()..]);
            assert_eq!(upstream["sid"], whole["id"]);
            assert_eq!(upstream["exp"].as_i64(), upstream["iat"].as_i64().map(|iat| iat + 120));
        }
        assert_eq!(ask(&mailer, "GET", "/").await.header("x-auth-scopes"), Some("mail"));
        refused(&ask(&mailer, "GET", "/files").await, 403, "insufficient_scope");
        // It stands for no sign-in, however young it is.
        refused(&ask(&script, "GET", "/pay").await, 403, "fresh_login_required");
        app.cx.write_uses().await.unwrap();
        let listed = ada.get("/auth/tokens").await.json["items"].clone();
        let used = listed.as_array().unwrap().iter().filter(|token| token["last_used_at"].is_string());
        assert_eq!(used.count(), 2, "{listed}");
        ada.delete(&format!("/auth/tokens/{}", whole["id"].as_str().unwrap())).await;
        refused(&ask(&script, "GET", "/").await, 401, "invalid_token");
        passes(&ask(&mailer, "GET", "/").await, ada.user.as_deref());
    }

    async fn who_must_change_the_password_passes_nowhere(backend: Backend) {
        let app = app_with(backend, vec![rule("/public", Require::Public)]).await;
        made(&app, "ada", |request| request.must_change_password = true).await;
        let mut ada = app.anon();
        ada.take_tokens(&app.anon().post("/auth/login", &credentials("ada", portcullis_testkit::PASSWORD)).await);
        for target in ["/", "/public"] {
            refused(&ask(&ada, "GET", target).await, 403, "password_change_required");
        }
    }
}

#[tokio::test]
async fn a_refresh_token_is_none_that_is_accepted() {
    let app = app_with(Backend::Sqlite, vec![]).await;
    let ada = app.sign_up("ada").await;
    let refresh = ada.refresh_token.clone().unwrap();
    refused(&ask(&ada.bearing(Some(&refresh)), "GET", "/").await, 401, "invalid_token");
    for name in ["pc_refresh", "__Host-pc_refresh"] {
        let cookie = app.anon().with_header("cookie", &format!("{name}={refresh}"));
        refused(&ask(&cookie, "GET", "/").await, 401, "missing_token");
    }
    for value in [&refresh, &format!("pct_{}", "0".repeat(49))] {
        let cookie = app.anon().with_header("cookie", &format!("pc_access={value}"));
        refused(&ask(&cookie, "GET", "/").await, 401, "invalid_token");
    }
}

#[tokio::test]
async fn who_acts_is_told_and_a_read_only_session_changes_nothing() {
    let (app, signer) = signing_app(Backend::Sqlite, vec![rule("/public", Require::Public)]).await;
    let (ada, root) = (app.sign_up("ada").await, app.sign_up("root").await);
    let root = root.user.unwrap();
    let acting = signer.altered(&ada, |claims| {
        claims.act = Some(ActingUser { sub: root.clone() });
        claims.read_only = true;
    });
    for method in ["GET", "HEAD", "OPTIONS"] {
        let reply = ask(&acting, method, "/x").await;
        passes(&reply, ada.user.as_deref());
        assert_eq!(reply.header("x-auth-actor"), Some(root.as_str()));
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PURGE"] {
        refused(&ask(&acting, method, "/x").await, 403, "read_only_session");
        refused(&ask(&acting, method, "/public").await, 403, "read_only_session");
    }
    // A stream both ways carries whatever it likes.
    for header in ["upgrade", "sec-websocket-key"] {
        refused(&ask(&acting.with_header(header, "websocket"), "GET", "/x").await, 403, "read_only_session");
    }
}

#[tokio::test]
async fn a_token_for_one_service_opens_no_other() {
    const API: &str = "https://api.example";
    const MAIL: &str = "https://mail.example";
    let issuer = "http://localhost:8400";
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.settings.audiences = vec![API.into(), MAIL.into()];
        let api = portcullis_core::access::Rule {
            audience: Some(API.into()),
            ..rule("/api", Require::SignedIn(vec![]))
        };
        super::set_rules(setup, vec![api, rule("/public", Require::Public)]);
    })
    .await;
    let whole = app.sign_up("ada").await;
    let narrowed = async |audience: &str| {
        let mut body = credentials("ada", portcullis_testkit::PASSWORD);
        body["audience"] = audience.into();
        let mut actor = app.anon();
        actor.take_tokens(&app.anon().post("/auth/login", &body).await);
        actor
    };
    for actor in [&whole, &narrowed(issuer).await] {
        for target in ["/api", "/x", "/public"] {
            passes(&ask(actor, "GET", target).await, whole.user.as_deref());
        }
    }
    let api = narrowed(API).await;
    passes(&ask(&api, "GET", "/api").await, whole.user.as_deref());
    refused(&ask(&api, "GET", "/x").await, 403, "wrong_audience");
    refused(&ask(&narrowed(MAIL).await, "GET", "/api").await, 403, "wrong_audience");
}
