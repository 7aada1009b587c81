//! What ends on one node ends on every other within a second, and on nodes that start later.

use std::time::Duration;

use portcullis_app::clients::By;
use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::support::{REVOKE, Service, TOKEN, api_token, exchange, post, service};
use crate::on_both;
use crate::support::{eventually, oauth_refused};

async fn is_blind(app: &TestApp, other: &TestApp, one: &Service, token: &str) {
    assert!(!one.at(app).sees(token).await, "at once where it was ended");
    eventually("it ends on the other node", async || !one.at(other).sees(token).await).await;
    let restarted = app.another(|_| {}).await;
    assert!(!one.at(&restarted).sees(token).await);
}

on_both! {
    async fn tokens_are_inactive_everywhere(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let one = service(&app, None).await;
        let ada = app.sign_up("ada").await;
        let (api, _) = api_token(&ada, None).await;
        let short = exchange(&app.anon(), &api, &[]).await.json["access_token"].as_str().unwrap().to_owned();
        let session = ada.access_token.clone().unwrap();
        for token in [&api, &short, &session] {
            assert!(one.sees(token).await && one.at(&other).sees(token).await, "seen there before, so cached there");
        }
        for token in [&api, &session] {
            assert_eq!(post(&app.anon(), REVOKE, &[("token", token)]).await.status, 200);
        }
        for token in [&api, &short, &session] {
            is_blind(&app, &other, &one, token).await;
        }
    }

    async fn a_revoked_client_is_nobody_everywhere(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let (one, witness) = (service(&app, None).await, service(&app, None).await);
        let token = one.token().await;
        for node in [&app, &other] {
            assert!(one.at(node).sees(&token).await && witness.at(node).sees(&token).await);
        }
        let id = one.id.parse().unwrap();
        assert!(app.cx.revoke_client(id, By::Operator).await.unwrap());
        assert!(!app.cx.revoke_client(id, By::Operator).await.unwrap());
        let grant = [("grant_type", "client_credentials")];
        oauth_refused(&one.post(TOKEN, &grant).await, 401, "invalid_client");
        is_blind(&app, &other, &witness, &token).await;
        eventually("the client ends on the other node", async || {
            let reply = one.at(&other).post(TOKEN, &grant).await;
            assert!(matches!(reply.status, 200 | 401), "{}", reply.text());
            reply.status == 401
        })
        .await;
        // Long after the revocation itself has been forgotten.
        app.clock.advance(Duration::from_hours(2));
        app.cx.keep_house_once("test").await.unwrap();
        for node in [&app, &other] {
            oauth_refused(&one.at(node).post(TOKEN, &grant).await, 401, "invalid_client");
            oauth_refused(&one.at(node).introspect("x").await, 401, "invalid_client");
        }
    }

    async fn a_node_that_was_cut_off_for_long_asks_again_who_a_client_is(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut other = app.another(|_| {}).await;
        let one = service(&app, None).await;
        one.at(&other).token().await;
        other.cut_off().await;
        assert!(app.cx.revoke_client(one.id.parse().unwrap(), By::Operator).await.unwrap());
        for _ in 0..2 {
            app.clock.advance(Duration::from_mins(6));
            one.at(&other).token().await;
        }
        // By now the revocation itself is forgotten.
        app.clock.advance(Duration::from_mins(6));
        other.cx.follow_revocations().await.unwrap();
        assert!(other.cx.revoked.is_empty());
        let reply = one.at(&other).post(TOKEN, &[("grant_type", "client_credentials")]).await;
        oauth_refused(&reply, 401, "invalid_client");
    }
}

#[tokio::test]
async fn a_fault_of_ours_is_no_401() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.settings.max_staleness = Duration::ZERO).await;
    let one = service(&app, None).await;
    let reply = one.post(TOKEN, &[("grant_type", "client_credentials")]).await;
    oauth_refused(&reply, 503, "temporarily_unavailable");
    oauth_refused(&one.introspect("x").await, 503, "temporarily_unavailable");
    assert_eq!(app.anon().post(REVOKE, &json!({"token": "x"})).await.status, 200);
}
