use std::time::Duration;

use http::Method;
use portcullis_testkit::{Actor, Backend, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{forged, private, refused};

async fn is_signed_out(actor: &mut Actor) {
    refused(&actor.get("/auth/me").await, 401, "invalid_token");
    refused(&actor.refresh().await, 401, "refresh_revoked");
}

on_both! {
    async fn by_refresh_token_ends_the_session(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let body = json!({"refresh_token": ada.refresh_token});
        for path in ["/auth/logout", "/auth/logout/", "/auth/logout"] {
            private(&app.anon().post(path, &body).await, 204);
            is_signed_out(&mut ada).await;
        }
    }

    async fn by_bearer_ends_its_session_and_no_other(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut tablet = app.sign_in("ada").await;
        private(&ada.send(Method::POST, "/auth/logout", None).await, 204);
        is_signed_out(&mut ada).await;
        assert_eq!(tablet.get("/auth/me").await.status, 200);
        private(&tablet.post("/auth/logout", &json!({})).await, 204);
        is_signed_out(&mut tablet).await;
        private(&tablet.post("/auth/logout", &json!({"refresh_token": null})).await, 204);
    }

    async fn by_an_expired_access_token_still_ends_the_session(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        app.clock.advance(Duration::from_mins(16));
        private(&ada.send(Method::POST, "/auth/logout", None).await, 204);
        is_signed_out(&mut ada).await;
    }

    async fn by_a_spent_refresh_token_ends_the_session_too(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let spent = ada.refresh_token.clone();
        ada.refresh().await;
        ada.refresh().await;
        private(&app.anon().post("/auth/logout", &json!({"refresh_token": spent})).await, 204);
        is_signed_out(&mut ada).await;
    }

    async fn the_refresh_token_counts_and_not_the_bearer(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut tablet = app.sign_in("ada").await;
        private(&ada.post("/auth/logout", &json!({"refresh_token": tablet.refresh_token})).await, 204);
        is_signed_out(&mut tablet).await;
        let garbage = app.anon().with_header("authorization", "Nonsense");
        let token = forged(ada.refresh_token.as_deref().unwrap());
        private(&garbage.post("/auth/logout", &json!({"refresh_token": token})).await, 204);
        private(&ada.post("/auth/logout", &json!({"refresh_token": "unknown"})).await, 204);
        assert_eq!(ada.get("/auth/me").await.status, 200, "a forged token ends nothing");
        assert_eq!(ada.refresh().await.status, 200);
    }

    async fn everywhere_ends_every_session_of_this_user(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut sessions = vec![app.sign_up("ada").await];
        for _ in 0..3 {
            sessions.push(app.sign_in("ada").await);
        }
        let mut bob = app.sign_up("bob").await;
        private(&sessions[1].send(Method::POST, "/auth/logout/all", None).await, 204);
        for session in &mut sessions {
            is_signed_out(session).await;
        }
        refused(&sessions[1].send(Method::POST, "/auth/logout/all/", None).await, 401, "invalid_token");
        assert_eq!(bob.get("/auth/me").await.status, 200);
        assert_eq!(bob.refresh().await.status, 200);
        assert_eq!(app.sign_in("ada").await.get("/auth/me").await.status, 200);
    }
}

#[tokio::test]
async fn without_anything_to_end_it_is_refused() {
    let app = TestApp::new(Backend::Sqlite).await;
    refused(&app.anon().send(Method::POST, "/auth/logout", None).await, 401, "missing_token");
    refused(&app.anon().post("/auth/logout", &json!({})).await, 401, "missing_token");
    refused(&app.anon().send(Method::POST, "/auth/logout/all", None).await, 401, "missing_token");
    let malformed = app.anon().with_header("authorization", "Basic abc");
    refused(&malformed.post("/auth/logout", &json!({})).await, 401, "malformed_authorization");
    let garbage = app.anon().bearing(Some("eyJ.garbage.here"));
    private(&garbage.post("/auth/logout", &json!({})).await, 204);
}
