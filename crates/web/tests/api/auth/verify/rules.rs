//! What rules ask for.

use std::time::Duration;

use portcullis_core::access::{HostPattern, Require, Requirement, Rule};
use portcullis_testkit::{Backend, Reply};
use serde_json::json;

use super::{app_with, ask, passes, role, rule, signing_app};
use crate::on_both;
use crate::support::refused;

fn needs(one: Requirement) -> Require {
    Require::SignedIn(vec![one])
}

#[tokio::test]
async fn without_a_rule_a_user_is_asked_for() {
    let app = app_with(Backend::Sqlite, vec![]).await;
    let ada = app.sign_up("ada").await;
    for method in ["GET", "POST", "OPTIONS", "PROPFIND"] {
        passes(&ask(&ada, method, "/anything").await, ada.user.as_deref());
        refused(&ask(&app.anon(), method, "/anything").await, 401, "missing_token");
    }
}

#[tokio::test]
async fn public_lets_everybody_in_and_tells_who_it_is() {
    let app = app_with(Backend::Sqlite, vec![rule("/public", Require::Public)]).await;
    let ada = app.sign_up("ada").await;
    passes(&ask(&app.anon(), "GET", "/public/x").await, None);
    passes(&ask(&ada, "GET", "/public/x").await, ada.user.as_deref());
    refused(&ask(&app.anon(), "GET", "/x").await, 401, "missing_token");
    // Who presents something presents something good.
    refused(&ask(&ada.bearing(Some("garbage")), "GET", "/public/x").await, 401, "invalid_token");
    let basic = app.anon().with_header("authorization", "Basic dTpw");
    refused(&ask(&basic, "GET", "/public/x").await, 401, "malformed_authorization");
}

on_both! {
    async fn a_role_is_asked_for_and_its_change_counts_at_once(backend: Backend) {
        let app = app_with(backend, vec![rule("/admin", role("admin"))]).await;
        let mut ada = app.sign_up("ada").await;
        refused(&ask(&ada, "GET", "/admin/x").await, 403, "forbidden");
        refused(&ask(&app.anon(), "GET", "/admin/x").await, 401, "missing_token");
        app.cx.set_role(crate::support::user_id(&ada), "admin").await.unwrap();
        ada.refresh().await;
        passes(&ask(&ada, "GET", "/admin/x").await, ada.user.as_deref());
        let admin = ada.clone();
        app.cx.set_role(crate::support::user_id(&ada), "user").await.unwrap();
        refused(&ask(&admin, "GET", "/admin/x").await, 401, "invalid_token");
        ada.refresh().await;
        refused(&ask(&ada, "GET", "/admin/x").await, 403, "forbidden");
    }

    async fn a_fresh_sign_in_is_asked_for(backend: Backend) {
        let fresh = needs(Requirement::Fresh(Duration::from_mins(10)));
        let app = app_with(backend, vec![rule("/pay", fresh)]).await;
        let mut ada = app.sign_up("ada").await;
        passes(&ask(&ada, "POST", "/pay").await, ada.user.as_deref());
        app.clock.advance(Duration::from_mins(10));
        passes(&ask(&ada, "POST", "/pay").await, ada.user.as_deref());
        app.clock.advance(Duration::from_secs(1));
        let reply = ask(&ada, "POST", "/pay").await;
        refused(&reply, 403, "fresh_login_required");
        assert_eq!((&reply.json["max_age"], &reply.json["methods"]), (&json!(600), &json!(["password"])));
        // A refresh is no sign-in.
        assert_eq!(ada.refresh().await.status, 200);
        refused(&ask(&ada, "POST", "/pay").await, 403, "fresh_login_required");
        passes(&ask(&ada, "GET", "/").await, ada.user.as_deref());
        let again = app.sign_in("ada").await;
        passes(&ask(&again, "POST", "/pay").await, again.user.as_deref());
    }
}

#[tokio::test]
async fn a_scope_is_asked_for_of_tokens_that_have_any() {
    let rules = vec![rule("/files", needs(Requirement::Scope("files".into())))];
    let (app, signer) = signing_app(Backend::Sqlite, rules).await;
    let ada = app.sign_up("ada").await;
    passes(&ask(&ada, "GET", "/files").await, ada.user.as_deref());
    let scoped = |scope: &str| signer.altered(&ada, |claims| claims.scope = Some(scope.into()));
    let reply = ask(&scoped("mail files"), "GET", "/files").await;
    passes(&reply, ada.user.as_deref());
    assert_eq!(reply.header("x-auth-scopes"), Some("mail files"));
    lacks_scope(&ask(&scoped("mail"), "GET", "/files").await, r#", scope="files""#);
    passes(&ask(&scoped("mail"), "GET", "/other").await, ada.user.as_deref());
    // A service could not tell this one from a token without restrictions.
    for empty in ["", " "] {
        lacks_scope(&ask(&scoped(empty), "GET", "/other").await, "");
    }
}

/// Asserts RFC 6750 section 3.1.
#[track_caller]
fn lacks_scope(reply: &Reply, which: &str) {
    refused(reply, 403, "insufficient_scope");
    let challenge = format!(r#"Bearer error="insufficient_scope"{which}"#);
    assert_eq!(reply.header("www-authenticate"), Some(&*challenge));
}

#[tokio::test]
async fn the_first_rule_that_covers_host_path_and_method_decides() {
    let read = Rule { methods: vec!["GET".into()], ..rule("/docs", Require::Public) };
    let host = Rule { host: HostPattern::parse("other.example").ok(), ..rule("/", role("admin")) };
    let app = app_with(Backend::Sqlite, vec![host, read, rule("/docs", role("writer"))]).await;
    let ada = app.sign_up("ada").await;
    passes(&ask(&app.anon(), "GET", "/docs/x").await, None);
    passes(&ask(&app.anon(), "HEAD", "/docs/x").await, None);
    refused(&ask(&ada, "POST", "/docs/x").await, 403, "forbidden");
    refused(&ask(&app.anon(), "OPTIONS", "/docs/x").await, 401, "missing_token");
    refused(&ada.proxied("GET", "other.example", "/docs/x").get(super::VERIFY).await, 403, "forbidden");
}
