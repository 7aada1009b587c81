//! The refresh of our own sessions at the token endpoint: the same rotation as `POST /auth/refresh`.

use portcullis_testkit::{Reply, TestApp};
use serde_json::json;

use super::support::{CHAT, TOKEN, post, services};
use crate::on_both;
use crate::support::{claims, oauth_refused, private, redacted};

async fn refresh(app: &TestApp, token: &str, more: &[(&str, &str)]) -> Reply {
    let own = [("grant_type", "refresh_token"), ("refresh_token", token)];
    post(&app.anon(), TOKEN, &[&own, more].concat()).await
}

#[track_caller]
fn is_refused(reply: &Reply, code: &str) {
    oauth_refused(reply, 400, "invalid_grant");
    let description = reply.json["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("{code}: ")), "{description}");
}

on_both! {
    async fn rotates(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let ada = app.sign_up("ada").await;
        let first = ada.refresh_token.clone().unwrap();
        let reply = refresh(&app, &first, &[]).await;
        private(&reply, 200);
        let expected = json!({
            "access_token": "[access token]", "token_type": "Bearer", "expires_in": 900,
            "refresh_token": "[refresh token]", "refresh_expires_in": 2_592_000, "session_id": "[id]",
            "must_change_password": false,
        });
        assert_eq!(redacted(&reply.json), expected);
        assert_eq!(reply.json["session_id"].as_str(), ada.session.as_deref());
        let found = claims(reply.json["access_token"].as_str().unwrap());
        assert_eq!(found["gen"], 2);
        // The same successor for who asks twice, at either endpoint.
        assert_eq!(refresh(&app, &first, &[]).await.json["refresh_token"], reply.json["refresh_token"]);
        assert_eq!(ada.refresh_with(&first).await.json["refresh_token"], reply.json["refresh_token"]);
        // Libraries want a client id, and applications send their access token everywhere.
        let more = [("client_id", "portcullis"), ("scope", ""), ("audience", CHAT)];
        let own = [("grant_type", "refresh_token"), ("refresh_token", &*first)];
        let narrow = post(&app.anon().bearing(Some("x.y.z")), TOKEN, &[&own[..], &more].concat()).await;
        assert_eq!(narrow.status, 200, "{}", narrow.text());
        assert_eq!(claims(narrow.json["access_token"].as_str().unwrap())["aud"], CHAT);
        oauth_refused(&refresh(&app, &first, &[("client_id", "another")]).await, 401, "invalid_client");
    }

    async fn says_why_not(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let first = ada.refresh_token.clone().unwrap();
        is_refused(&refresh(&app, "garbage", &[]).await, "invalid_token");
        ada.refresh().await;
        ada.refresh().await;
        is_refused(&refresh(&app, &first, &[]).await, "refresh_reused");
        is_refused(&refresh(&app, ada.refresh_token.as_deref().unwrap(), &[]).await, "refresh_revoked");
        let late = app.sign_up("late").await;
        app.clock.advance(std::time::Duration::from_hours(31 * 24));
        is_refused(&refresh(&app, late.refresh_token.as_deref().unwrap(), &[]).await, "refresh_expired");
    }
}
