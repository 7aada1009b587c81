//! What ends a session ends its access tokens: on this node at once, on every other within a second, and on
//! nodes that start later.

use portcullis_core::user::Role;
use portcullis_testkit::{Actor, PASSWORD, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{OTHER_PASSWORD, claims_of, private, refused, session_id, user_id};

/// Two nodes, and somebody with a session on them.
async fn two(backend: portcullis_testkit::Backend) -> (TestApp, TestApp, Actor) {
    let app = TestApp::new(backend).await;
    let other = app.another(|_| {}).await;
    let ada = app.sign_up("ada").await;
    assert_eq!(ada.get("/auth/me").await.status, 200);
    assert_eq!(ada.at(&other).get("/auth/me").await.status, 200, "seen there before, so cached there");
    (app, other, ada)
}

/// Refused on the node that did it, on the other within a second, and on one that starts now.
async fn is_dead(app: &TestApp, other: &TestApp, actor: &Actor) {
    refused(&actor.get("/auth/me").await, 401, "invalid_token");
    actor.at(other).until_refused("/auth/me").await;
    let restarted = app.another(|_| {}).await;
    refused(&actor.at(&restarted).get("/auth/me").await, 401, "invalid_token");
}

/// The session is over on every node.
async fn is_over(app: &TestApp, other: &TestApp, actor: &Actor) {
    is_dead(app, other, actor).await;
    for node in [app, other] {
        let token = actor.refresh_token.clone().unwrap();
        refused(&actor.at(node).refresh_with(&token).await, 401, "refresh_revoked");
    }
}

on_both! {
    async fn logout(backend: Backend) {
        let (app, other, ada) = two(backend).await;
        private(&ada.post("/auth/logout", &json!({"refresh_token": ada.refresh_token})).await, 204);
        is_over(&app, &other, &ada).await;
    }

    async fn logout_of_a_session_that_has_rotated(backend: Backend) {
        let (app, other, mut ada) = two(backend).await;
        let old = ada.clone();
        ada.refresh().await;
        private(&ada.post("/auth/logout", &json!({})).await, 204);
        is_dead(&app, &other, &old).await;
        is_over(&app, &other, &ada).await;
    }

    async fn logout_everywhere(backend: Backend) {
        let (app, other, ada) = two(backend).await;
        let tablet = app.sign_in("ada").await;
        private(&ada.post("/auth/logout/all", &json!({})).await, 204);
        is_over(&app, &other, &ada).await;
        is_over(&app, &other, &tablet).await;
    }

    async fn a_session_ended_from_the_list(backend: Backend) {
        let (app, other, ada) = two(backend).await;
        let tablet = app.sign_in("ada").await;
        let path = format!("/auth/sessions/{}", ada.session.as_deref().unwrap());
        private(&tablet.delete(&path).await, 204);
        is_over(&app, &other, &ada).await;
        assert_eq!(tablet.at(&other).get("/auth/me").await.status, 200);
    }

    async fn a_changed_password(backend: Backend) {
        let (app, other, mut ada) = two(backend).await;
        let tablet = app.sign_in("ada").await;
        let old = ada.clone();
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        let reply = ada.post("/auth/password/change", &body).await;
        private(&reply, 200);
        ada.take_tokens(&reply);
        is_over(&app, &other, &tablet).await;
        is_over(&app, &other, &old).await;
        let restarted = app.another(|_| {}).await;
        for node in [&app, &other, &restarted] {
            assert_eq!(ada.at(node).get("/auth/me").await.status, 200, "the session that changed it goes on");
        }
    }

    async fn a_password_set_by_an_operator(backend: Backend) {
        let (app, other, ada) = two(backend).await;
        let user = app.cx.find_user("ada@example.org").await.unwrap();
        app.cx.set_password(&user, OTHER_PASSWORD.into(), false).await.unwrap();
        is_over(&app, &other, &ada).await;
    }

    async fn a_disabled_user(backend: Backend) {
        let (app, other, ada) = two(backend).await;
        assert!(app.cx.disable_user(user_id(&ada)).await.unwrap());
        is_over(&app, &other, &ada).await;
        assert!(app.cx.enable_user(user_id(&ada)).await.unwrap());
        is_over(&app, &other, &ada).await;
    }

    async fn a_session_revoked_by_an_operator(backend: Backend) {
        let (app, other, ada) = two(backend).await;
        assert!(app.cx.operator_revoke_session(session_id(&ada)).await.unwrap());
        assert!(!app.cx.operator_revoke_session(session_id(&ada)).await.unwrap());
        is_over(&app, &other, &ada).await;
    }

    async fn all_sessions_revoked_by_an_operator(backend: Backend) {
        let (app, other, ada) = two(backend).await;
        let tablet = app.sign_in("ada").await;
        assert_eq!(app.cx.operator_revoke_sessions(user_id(&ada)).await.unwrap(), 2);
        is_over(&app, &other, &ada).await;
        is_over(&app, &other, &tablet).await;
    }

    async fn a_changed_role_kills_the_token_that_says_the_old_one(backend: Backend) {
        let (app, other, mut ada) = two(backend).await;
        let bob = app.sign_up("bob").await;
        let old = ada.clone();
        assert!(app.cx.set_role(user_id(&ada), Role::ADMIN).await.unwrap());
        is_dead(&app, &other, &old).await;
        let mut there = ada.at(&other);
        private(&there.refresh().await, 200);
        assert_eq!(claims_of(&there)["role"], Role::ADMIN);
        ada.take_tokens(&there.refresh().await);
        let restarted = app.another(|_| {}).await;
        for node in [&app, &other, &restarted] {
            let me = ada.at(node).get("/auth/me").await;
            assert_eq!((me.status, &me.json["role"]), (200, &json!(Role::ADMIN)));
            assert_eq!(bob.at(node).get("/auth/me").await.status, 200, "nobody else is concerned");
        }
        is_dead(&app, &other, &old).await;
        assert!(!app.cx.set_role(user_id(&ada), Role::ADMIN).await.unwrap());
        assert_eq!(ada.get("/auth/me").await.status, 200, "no change, no revocation");
    }

    async fn a_reused_refresh_token(backend: Backend) {
        let (app, other, mut ada) = two(backend).await;
        let stolen = ada.refresh_token.clone().unwrap();
        ada.refresh().await;
        ada.refresh().await;
        refused(&ada.refresh_with(&stolen).await, 401, "refresh_reused");
        is_over(&app, &other, &ada).await;
    }
}
