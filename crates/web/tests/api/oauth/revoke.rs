//! Revocation: whoever holds a token may end it.

use std::time::Duration;

use portcullis_testkit::{Actor, Backend, Reply, TestApp};
use serde_json::json;

use super::support::{REVOKE, api_token, exchange, post, service};
use crate::on_both;
use crate::support::{common_headers, forged, oauth_refused, refused};

async fn revoke(actor: &Actor, token: &str) -> Reply {
    post(&actor.bearing(None), REVOKE, &[("token", token)]).await
}

#[track_caller]
fn done(reply: &Reply) {
    assert_eq!((reply.status, reply.body.len()), (200, 0), "{}", reply.text());
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), (Some("no-store"), Some("no-cache")));
    common_headers(reply);
}

on_both! {
    async fn a_refresh_token_ends_its_session(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let first = ada.refresh_token.clone().unwrap();
        ada.refresh().await;
        for _ in 0..2 {
            // Of whatever generation; and once more changes nothing.
            done(&revoke(&app.anon(), &first).await);
            refused(&ada.get("/auth/me").await, 401, "invalid_token");
            refused(&ada.refresh().await, 401, "refresh_revoked");
        }
    }

    async fn an_access_token_ends_its_session_even_an_expired_one(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let hinted = [("token", ada.access_token.as_deref().unwrap()), ("token_type_hint", "refresh_token")];
        done(&post(&app.anon(), REVOKE, &hinted).await);
        refused(&ada.refresh().await, 401, "refresh_revoked");
        app.clock.advance(Duration::from_hours(1));
        done(&revoke(&app.anon(), bob.access_token.as_deref().unwrap()).await);
        refused(&bob.refresh().await, 401, "refresh_revoked");
    }

    async fn an_api_token_ends_with_what_was_exchanged_for_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let ((token, _), (other, _)) = (api_token(&ada, None).await, api_token(&ada, None).await);
        let short = exchange(&app.anon(), &token, &[]).await.json["access_token"].as_str().unwrap().to_owned();
        let [token_user, short_user, other_user] =
            [&token, &short, &other].map(|token| app.anon().bearing(Some(token)));
        assert_eq!(short_user.get("/auth/me").await.status, 200);
        for _ in 0..2 {
            done(&revoke(&app.anon(), &token).await);
            refused(&token_user.get("/auth/me").await, 401, "invalid_token");
            refused(&short_user.get("/auth/me").await, 401, "invalid_token");
            assert_eq!(other_user.get("/auth/me").await.status, 200);
            assert_eq!(ada.get("/auth/me").await.status, 200);
        }
        assert_eq!(ada.get("/auth/tokens").await.json["items"].as_array().unwrap().len(), 1);
    }

    async fn a_short_token_ends_with_what_it_was_made_of(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let one = service(&app, None).await;
        let (token, _) = api_token(&ada, None).await;
        let short = exchange(&app.anon(), &token, &[]).await.json["access_token"].as_str().unwrap().to_owned();
        let own = one.token().await;
        for token in [&short, &own] {
            oauth_refused(&revoke(&app.anon(), token).await, 400, "unsupported_token_type");
            oauth_refused(&one.post(REVOKE, &[("token", token)]).await, 400, "unsupported_token_type");
            assert!(one.sees(token).await);
        }
    }

    async fn a_client_ends_no_token_of_another(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let one = service(&app, None).await;
        let (token, _) = api_token(&ada, None).await;
        for token in [ada.access_token.as_deref().unwrap(), ada.refresh_token.as_deref().unwrap(), &token] {
            oauth_refused(&one.post(REVOKE, &[("token", token)]).await, 400, "unauthorized_client");
        }
        assert_eq!(ada.get("/auth/me").await.status, 200);
        assert!(one.sees(&token).await);
        done(&one.post(REVOKE, &[("token", "unknown")]).await);
    }
}

#[tokio::test]
async fn what_is_unknown_is_no_error() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    let (token, _) = api_token(&ada, None).await;
    ada.refresh().await;
    for token in [
        "garbage".to_owned(),
        "pct_garbage".to_owned(),
        "pcr_garbage".to_owned(),
        "a.b.c".to_owned(),
        forged(ada.refresh_token.as_deref().unwrap()),
        forged(&token),
    ] {
        done(&revoke(&app.anon(), &token).await);
    }
    assert_eq!(ada.refresh().await.status, 200);
    oauth_refused(&post(&app.anon(), REVOKE, &[]).await, 400, "invalid_request");
    let public = [("token", ada.refresh_token.as_deref().unwrap()), ("client_id", "another")];
    oauth_refused(&post(&app.anon(), REVOKE, &public).await, 401, "invalid_client");
    let public = [public[0], ("client_id", "portcullis")];
    done(&post(&app.anon(), REVOKE, &public).await);
    refused(&ada.refresh().await, 401, "refresh_revoked");
    assert_eq!(ada.post(REVOKE, &json!({"token": "x"})).await.status, 200, "JSON does as well");
}
