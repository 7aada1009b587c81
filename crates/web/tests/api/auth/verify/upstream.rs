//! The token for the service behind the proxy.

use std::time::Duration;

use portcullis_core::access::{Require, Rule};
use portcullis_testkit::{Actor, Backend, TestApp};
use serde_json::{Value, json};

use super::{app_with, ask, rule, set_rules, signing_app};
use crate::oauth::support::{REVOKE, exchange, post, service};
use crate::on_both;
use crate::support::{claims, claims_of, header, oauth_refused, private, refused};

async fn token(actor: &Actor, target: &str) -> String {
    let reply = ask(actor, "GET", target).await;
    let line = reply.header("authorization").unwrap_or_else(|| panic!("{}", reply.text()));
    line.strip_prefix("Bearer ").expect("a bearer").to_owned()
}

on_both! {
    async fn it_says_who_asks_for_two_minutes_and_for_one_service(backend: Backend) {
        let other = Rule { audience: Some("https://files.example".into()), ..rule("/files", Require::SignedIn(vec![])) };
        let app = app_with(backend, vec![other]).await;
        let ada = app.sign_up("ada").await;
        let own = claims_of(&ada);
        for (target, audience) in [("/", "http://localhost:8400/upstream"), ("/files/x", "https://files.example")] {
            let token = token(&ada, target).await;
            assert_eq!(header(&token)["typ"], "at+jwt");
            let mut told = claims(&token);
            assert_eq!(told["aud"], audience);
            assert_eq!(told["exp"].as_i64(), told["iat"].as_i64().map(|iat| iat + 120));
            assert_ne!(told["jti"], own["jti"]);
            for name in ["aud", "exp", "jti"] {
                told[name] = own[name].clone();
            }
            assert_eq!(told.as_object_mut().unwrap().remove("upstream"), Some(json!(true)));
            assert_eq!(told, own, "all else is as it was");
        }
    }

    async fn it_is_no_token_for_us(backend: Backend) {
        let app = app_with(backend, vec![]).await;
        let ada = app.sign_up("ada").await;
        let upstream = ada.bearing(Some(&token(&ada, "/").await));
        refused(&upstream.get("/auth/me").await, 401, "invalid_token");
        refused(&ask(&upstream, "GET", "/").await, 401, "invalid_token");
    }

    async fn it_is_none_for_us_even_where_its_service_is_an_audience_of_ours(backend: Backend) {
        let (issuer, files) = ("http://localhost:8400", "https://files.example");
        let app = TestApp::with(backend, |setup| {
            setup.settings.audiences = [issuer, files, "http://localhost:8400/upstream"].map(str::to_owned).to_vec();
            let other = Rule { audience: Some(files.into()), ..rule("/files", Require::SignedIn(vec![])) };
            set_rules(setup, vec![other]);
        })
        .await;
        let ada = app.sign_up("ada").await;
        let service = service(&app, Some(&[files])).await;
        for target in ["/", "/files/x"] {
            let text = token(&ada, target).await;
            let upstream = ada.bearing(Some(&text));
            assert_eq!(upstream.get("/auth/me").await.outcome(), (401, "invalid_token"), "{target}");
            for proxied in ["/", "/files/x"] {
                refused(&ask(&upstream, "GET", proxied).await, 401, "invalid_token");
            }
            // As an unknown token would: nothing ends.
            private(&upstream.post("/auth/logout", &json!({})).await, 204);
            assert_eq!(post(&app.anon(), REVOKE, &[("token", &text)]).await.status, 200);
            let exchanged = exchange(&app.anon(), &text, &[("requested_subject", "x"), ("reason", "x")]).await;
            oauth_refused(&exchanged, 400, "invalid_request");
            assert_eq!(service.sees(&text).await, target == "/files/x", "its service may ask about it");
            private(&ada.get("/auth/me").await, 200);
        }
        // What a client has narrowed for itself is no such token.
        let narrow = ada.post("/auth/refresh", &json!({"refresh_token": ada.refresh_token, "audience": files})).await;
        let narrow = ada.bearing(narrow.json["access_token"].as_str());
        private(&narrow.get("/auth/me").await, 200);
    }
}

#[tokio::test]
async fn it_is_signed_once_a_minute_and_ends_with_the_callers_own() {
    let app = app_with(Backend::Sqlite, vec![]).await;
    let ada = app.sign_up("ada").await;
    let ends = claims_of(&ada)["exp"].as_i64().unwrap();
    let first = token(&ada, "/").await;
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(token(&ada, "/other").await, first);
    app.clock.advance(Duration::from_secs(1));
    let second = token(&ada, "/").await;
    assert_ne!(second, first);
    app.clock.advance(Duration::from_mins(13) - Duration::from_millis(1));
    let last = token(&ada, "/").await;
    assert_eq!(claims(&last)["exp"], ends);
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(token(&ada, "/").await, last, "a new one would live no longer");
    app.clock.advance(Duration::from_secs(2));
    refused(&ask(&ada, "GET", "/").await, 401, "invalid_token");
}

#[tokio::test]
async fn nobody_gets_the_token_of_another() {
    let app = app_with(Backend::Sqlite, vec![]).await;
    let mut seen = std::collections::HashSet::new();
    for name in ["ada", "bob", "cyd"] {
        let (first, second) = (app.sign_up(name).await, app.sign_in(name).await);
        for actor in [first, second] {
            let token = token(&actor, "/").await;
            let told = claims(&token);
            assert_eq!(
                (told["sub"].as_str(), told["sid"].as_str()),
                (actor.user.as_deref(), actor.session.as_deref())
            );
            assert!(seen.insert(token));
        }
    }
}

#[tokio::test]
async fn what_the_caller_may_do_it_may_do_and_no_more() {
    let (app, signer) = signing_app(Backend::Sqlite, vec![]).await;
    let ada = app.sign_up("ada").await;
    let altered = signer.altered(&ada, |claims| {
        claims.scope = Some("files mail".into());
        claims.act = Some(portcullis_jose::Actor { sub: "someone".into() });
        claims.bot = true;
        claims.read_only = true;
        claims.extra.insert("tenant".into(), json!("example"));
    });
    let told = claims(&token(&altered, "/").await);
    assert_eq!(told["scope"], "files mail");
    assert_eq!(told["act"], json!({"sub": "someone"}));
    assert_eq!(
        (&told["bot"], &told["read_only"], &told["tenant"]),
        (&json!(true), &json!(true), &json!("example"))
    );
    assert_eq!(told["pwd_change"], Value::Null);
}

#[tokio::test]
async fn it_is_signed_by_the_key_that_signs_now() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let keys = app.anon().get("/.well-known/jwks.json").await.json["keys"].clone();
    let kid = header(&token(&ada, "/").await)["kid"].clone();
    assert!(keys.as_array().unwrap().iter().any(|key| key["kid"] == kid));
}
