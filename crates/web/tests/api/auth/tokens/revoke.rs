//! What ends an API token, or what it says: at once on every node, whatever is remembered there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_testkit::{Actor, Backend, PASSWORD, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{OTHER_PASSWORD, api_token, events, eventually, holder, private, refused, user_id};

/// Two nodes, somebody, and a token of theirs that both nodes know.
async fn known(backend: Backend) -> (TestApp, TestApp, Actor, Value) {
    let app = TestApp::new(backend).await;
    let other = app.another(|_| {}).await;
    let ada = app.sign_up("ada").await;
    let made = api_token(&ada, &json!({"name": "x"})).await;
    for node in [&app, &other] {
        assert_eq!(holder(node, &made).get("/auth/me").await.status, 200);
    }
    (app, other, ada, made)
}

async fn is_dead(app: &TestApp, other: &TestApp, made: &Value) {
    refused(&holder(app, made).get("/auth/me").await, 401, "invalid_token");
    holder(other, made).until_refused("/auth/me").await;
    let restarted = app.another(|_| {}).await;
    refused(&holder(&restarted, made).get("/auth/me").await, 401, "invalid_token");
}

/// The role that the token says on `node`.
async fn role_in_claims(node: &TestApp, made: &Value) -> String {
    let caller = node.cx.caller(made["token"].as_str().unwrap()).await.expect("the token is good");
    caller.claims.role.clone()
}

on_both! {
    async fn revoking_one_ends_it_alone(backend: Backend) {
        let (app, other, ada, made) = known(backend).await;
        let kept = api_token(&ada, &json!({"name": "y"})).await;
        let path = format!("/auth/tokens/{}", made["id"].as_str().unwrap());
        let bob = app.sign_up("bob").await;
        refused(&bob.delete(&path).await, 404, "not_found");
        private(&ada.at(&other).delete(&path).await, 204);
        is_dead(&other, &app, &made).await;
        refused(&ada.delete(&path).await, 404, "not_found");
        assert_eq!(holder(&app, &kept).get("/auth/me").await.status, 200);
        let told = events(&app, "api_token.revoked").await;
        assert_eq!((told.len(), &told[0]["detail"]["api_token"]), (1, &made["id"]));
    }

    async fn a_node_that_was_cut_off_for_long_asks_again(backend: Backend) {
        let (app, mut other, ada, made) = known(backend).await;
        other.cut_off().await;
        let path = format!("/auth/tokens/{}", made["id"].as_str().unwrap());
        private(&ada.delete(&path).await, 204);
        // Used all the while, so that it stays remembered there.
        for _ in 0..2 {
            app.clock.advance(Duration::from_mins(6));
            assert_eq!(holder(&other, &made).get("/auth/me").await.status, 200, "nobody has told it");
        }
        // By now the revocation itself is forgotten.
        app.clock.advance(Duration::from_mins(6));
        other.cx.follow_revocations().await.unwrap();
        assert!(other.cx.revoked.is_empty());
        refused(&holder(&other, &made).get("/auth/me").await, 401, "invalid_token");
    }

    async fn a_role_is_told_at_once(backend: Backend) {
        let (app, other, ada, made) = known(backend).await;
        for role in ["admin", "user", "editor"] {
            app.cx.set_role(user_id(&ada), role).await.unwrap();
            assert_eq!(role_in_claims(&app, &made).await, role);
            eventually("the other node tells it", async || role_in_claims(&other, &made).await == role).await;
        }
    }

    async fn a_change_of_role_never_ends_it(backend: Backend) {
        let (app, other, ada, made) = known(backend).await;
        let done = Arc::new(AtomicBool::new(false));
        // Each change makes the next request read the token anew, and the next change may come in between.
        let using: Vec<_> = [&app, &other, &app, &other]
            .map(|node| {
                let (script, done) = (holder(node, &made), done.clone());
                tokio::spawn(async move {
                    while !done.load(Ordering::SeqCst) {
                        let reply = script.get("/auth/me").await;
                        assert_eq!(reply.status, 200, "{}", reply.text());
                    }
                })
            })
            .into();
        for at in 0..100 {
            app.cx.set_role(user_id(&ada), ["editor", "user"][at % 2]).await.unwrap();
        }
        done.store(true, Ordering::SeqCst);
        for script in using {
            script.await.expect("it lives on");
        }
    }

    async fn disabling_its_user_stops_it_until_they_are_enabled_again(backend: Backend) {
        let (app, other, ada, made) = known(backend).await;
        for _ in 0..2 {
            app.cx.disable_user(user_id(&ada)).await.unwrap();
            is_dead(&app, &other, &made).await;
            app.cx.enable_user(user_id(&ada)).await.unwrap();
            for node in [&app, &other] {
                assert_eq!(holder(node, &made).get("/auth/me").await.status, 200);
            }
        }
    }

    async fn signing_out_everywhere_leaves_it(backend: Backend) {
        let (app, other, ada, made) = known(backend).await;
        private(&ada.post("/auth/logout/all", &json!({})).await, 204);
        for node in [&app, &other] {
            assert_eq!(holder(node, &made).get("/auth/me").await.status, 200);
        }
    }

    async fn a_new_password_leaves_it_unless_asked_otherwise(backend: Backend) {
        let (app, other, mut ada, made) = known(backend).await;
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        let reply = ada.post("/auth/password/change", &body).await;
        private(&reply, 200);
        ada.take_tokens(&reply);
        for node in [&app, &other] {
            assert_eq!(holder(node, &made).get("/auth/me").await.status, 200);
        }
        let body = json!({"current_password": OTHER_PASSWORD, "new_password": PASSWORD, "revoke_api_tokens": true});
        let reply = ada.post("/auth/password/change", &body).await;
        private(&reply, 200);
        ada.take_tokens(&reply);
        is_dead(&app, &other, &made).await;
        assert!(ada.get("/auth/tokens").await.json["items"].as_array().unwrap().is_empty());
    }

    async fn a_session_that_is_over_makes_none(backend: Backend) {
        let (app, other, ada, _) = known(backend).await;
        let tablet = app.sign_in("ada").await;
        let path = format!("/auth/sessions/{}", tablet.session.as_deref().unwrap());
        private(&ada.delete(&path).await, 204);
        for node in [&app, &other] {
            let reply = tablet.at(node).post("/auth/tokens", &json!({"name": "x"})).await;
            refused(&reply, 401, "invalid_token");
        }
    }
}
