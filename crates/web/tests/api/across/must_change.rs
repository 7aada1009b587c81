//! Sessions of users who must change their password: nothing but that.

use http::Method;
use portcullis_testkit::{Actor, PASSWORD, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{OTHER_PASSWORD, claims_of, credentials, made, private, refused};

/// Somebody whose password must be changed, just signed in.
async fn signed_in(app: &TestApp) -> Actor {
    made(app, "ada", |request| request.must_change_password = true).await;
    let reply = app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await;
    private(&reply, 200);
    assert_eq!(reply.json["must_change_password"], true);
    assert_eq!(reply.json["user"]["must_change_password"], true);
    let mut ada = app.anon();
    ada.take_tokens(&reply);
    ada
}

on_both! {
    async fn everything_else_is_refused(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app).await.proxied("GET", "app.example", "/");
        assert_eq!(claims_of(&ada)["pwd_change"], true);
        let session = format!("/auth/sessions/{}", ada.session.as_deref().unwrap());
        for (method, path) in [
            (Method::PATCH, "/auth/me"),
            (Method::GET, "/auth/sessions"),
            (Method::DELETE, &session),
            (Method::GET, "/auth/verify"),
        ] {
            let reply = ada.send(method.clone(), path, Some(&json!({"name": "x"}))).await;
            assert_eq!(reply.outcome(), (403, "password_change_required"), "{method} {path}");
            refused(&reply, 403, "password_change_required");
        }
        let me = ada.get("/auth/me").await;
        private(&me, 200);
        assert_eq!(me.json["must_change_password"], true);
    }

    async fn a_refresh_keeps_the_flag_and_a_logout_works(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = signed_in(&app).await;
        let reply = ada.refresh().await;
        private(&reply, 200);
        assert_eq!(reply.json["must_change_password"], true);
        assert_eq!(claims_of(&ada)["pwd_change"], true);
        refused(&ada.get("/auth/sessions").await, 403, "password_change_required");
        private(&ada.post("/auth/logout", &json!({})).await, 204);
        refused(&ada.refresh().await, 401, "refresh_revoked");
    }

    async fn changing_it_opens_the_rest(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = signed_in(&app).await;
        let same = json!({"current_password": PASSWORD, "new_password": PASSWORD});
        refused(&ada.post("/auth/password/change", &same).await, 422, "password_unchanged");
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        let reply = ada.post("/auth/password/change", &body).await;
        private(&reply, 200);
        assert_eq!(reply.json["must_change_password"], false);
        assert_eq!(reply.json["user"]["must_change_password"], false);
        ada.take_tokens(&reply);
        for _ in 0..2 {
            assert!(claims_of(&ada).get("pwd_change").is_none());
            private(&ada.get("/auth/sessions").await, 200);
            private(&ada.refresh().await, 200);
        }
        let reply = app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await;
        assert_eq!(reply.json["must_change_password"], false);
    }

    async fn an_operator_who_sets_a_password_may_ask_for_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let user = app.cx.find_user("ada@example.org").await.unwrap();
        app.cx.set_password(&user, OTHER_PASSWORD.into(), true).await.unwrap();
        refused(&ada.refresh().await, 401, "refresh_revoked");
        let reply = app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await;
        ada.take_tokens(&reply);
        refused(&ada.get("/auth/sessions").await, 403, "password_change_required");
    }
}
