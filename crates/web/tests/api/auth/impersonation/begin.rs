use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::{acting, ask};
use crate::on_both;
use crate::support::{
    admin, api_token, claims_of, events, holder, invalid, made, private, redacted, refused, user_id,
    user_json,
};

on_both! {
    async fn a_token_response_for_the_user_that_says_who_acts(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
        app.clock.advance(std::time::Duration::from_mins(5));
        let path = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
        let reply = root.post(&path, &json!({"reason": " ticket 4711 "})).await;
        private(&reply, 200);
        let expected = json!({
            "access_token": "[access token]", "token_type": "Bearer", "expires_in": 900,
            "refresh_token": "[refresh token]", "refresh_expires_in": 3_600, "session_id": "[id]",
            "must_change_password": false, "must_set_up_factor": false, "user": user_json("ada", Some("2026-01-01T00:00:00Z")),
        });
        assert_eq!(redacted(&reply.json), expected, "the user's own sign-in is untouched, and no device known");
        let mut actor = app.anon();
        actor.take_tokens(&reply);
        for _ in 0..2 {
            let claims = claims_of(&actor);
            assert_eq!(claims["sub"].as_str(), ada.user.as_deref());
            assert_eq!((&claims["act"], &claims["read_only"]), (&json!({"sub": root.user}), &json!(true)));
            assert!(claims.get("bot").is_none() && claims.get("auth_time").is_none());
            assert_eq!(actor.get("/auth/me").await.json["last_login_at"], "2026-01-01T00:00:00Z");
            private(&actor.refresh().await, 200);
        }
        let told = events(&app, "impersonation.started").await;
        assert_eq!(told.len(), 1);
        assert_eq!((told[0]["actor"].as_str(), told[0]["user"].as_str()), (root.user.as_deref(), ada.user.as_deref()));
        assert_eq!(told[0]["session"].as_str(), actor.session.as_deref());
        assert_eq!(told[0]["detail"], json!({"reason": "ticket 4711", "mode": "read"}));
    }

    async fn the_user_sees_it_and_may_end_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
        app.clock.advance(std::time::Duration::from_millis(1));
        let actor = acting(&app, &root, &ada, "full").await;
        let items = ada.get("/auth/sessions").await.json["items"].clone();
        let shown: Vec<_> = items.as_array().unwrap().iter().map(|item| (&item["acting"], &item["current"])).collect();
        assert_eq!(shown, [(&json!(true), &json!(false)), (&json!(false), &json!(true))]);
        private(&ada.delete(&format!("/auth/sessions/{}", items[0]["id"].as_str().unwrap())).await, 204);
        refused(&actor.get("/auth/me").await, 401, "invalid_token");
        private(&root.get("/auth/me").await, 200);
    }

    async fn only_an_administrator_in_a_session_of_their_own(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, ada, bob) = (admin(&app, "root").await, app.sign_up("ada").await, app.sign_up("bob").await);
        refused(&ask(&app.anon(), &ada, "read").await, 401, "missing_token");
        refused(&ask(&bob, &ada, "read").await, 403, "forbidden");
        let script = api_token(&root, &json!({"name": "x"})).await;
        refused(&ask(&holder(&app, &script), &ada, "read").await, 403, "session_required");
        for (mode, code) in [("read", "read_only_session"), ("full", "not_while_acting")] {
            refused(&ask(&acting(&app, &root, &ada, mode).await, &bob, "read").await, 403, code);
        }
    }

    async fn never_as_an_administrator_or_a_bot_or_nobody(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
        let second = admin(&app, "second").await;
        refused(&ask(&root, &root, "read").await, 403, "forbidden");
        refused(&ask(&root, &second, "full").await, 403, "forbidden");
        let bot = ada.post("/auth/bots", &json!({"name": "x"})).await.json;
        let path = |id: &str| format!("/admin/api/users/{id}/impersonate");
        let body = json!({"reason": "x"});
        refused(&root.post(&path(bot["id"].as_str().unwrap()), &body).await, 403, "forbidden");
        refused(&root.post(&path("00000000-0000-7000-8000-000000000000"), &body).await, 404, "not_found");
        refused(&root.post(&path("x"), &body).await, 404, "not_found");
        app.cx.disable_user(user_id(&ada)).await.unwrap();
        refused(&ask(&root, &ada, "read").await, 404, "not_found");
        assert!(events(&app, "impersonation.started").await.is_empty(), "nothing has begun");
    }

    async fn also_as_somebody_who_has_never_signed_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = admin(&app, "root").await;
        let user = made(&app, "new", |request| request.password = None).await;
        let reply = root.post(&format!("/admin/api/users/{}/impersonate", user.id), &json!({"reason": "x"})).await;
        private(&reply, 200);
        assert_eq!(reply.json["user"]["last_login_at"], json!(null));
    }
}

#[tokio::test]
async fn a_reason_is_needed_and_a_mode_is_one_of_two() {
    let app = TestApp::new(Backend::Sqlite).await;
    let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
    let path = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
    for (body, field, code) in [
        (json!({}), "reason", "required"),
        (json!({"reason": null}), "reason", "wrong_type"),
        (json!({"reason": 1}), "reason", "wrong_type"),
        (json!({"reason": ""}), "reason", "blank"),
        (json!({"reason": " \t"}), "reason", "blank"),
        (json!({"reason": "a\nb"}), "reason", "control_character"),
        (json!({"reason": "x".repeat(501)}), "reason", "too_long"),
        (json!({"reason": "x", "mode": "write"}), "mode", "unknown"),
        (json!({"reason": "x", "mode": "bot"}), "mode", "unknown"),
        (json!({"reason": "x", "mode": ""}), "mode", "unknown"),
        (json!({"reason": "x", "mode": true}), "mode", "wrong_type"),
    ] {
        invalid(&root.post(&path, &body).await, &[(field, code)]);
    }
    for body in [json!({"reason": "x".repeat(500), "mode": null}), json!({"reason": "x", "mode": "full"})] {
        private(&root.post(&path, &body).await, 200);
    }
}
