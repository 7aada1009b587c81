//! Roles whose users must have a second factor.

use portcullis_core::user::Role;
use portcullis_testkit::{Backend, PASSWORD, TestApp};
use serde_json::json;

use super::{CONFIRM, Phone, STEP_UP, TOTP, set_up, sign_in};
use crate::on_both;
use crate::support::{admin, api_token, claims_of, holder, private, refused, user_id};

async fn strict(backend: Backend) -> TestApp {
    TestApp::with(backend, |setup| {
        setup.settings.login.require_factor = vec![Role::from_stored(Role::ADMIN)];
    })
    .await
}

on_both! {
    async fn get_a_session_that_can_do_nothing_else(backend: Backend) {
        let app = strict(backend).await;
        let root = admin(&app, "root").await;
        let claims = claims_of(&root);
        assert_eq!((&claims["pwd_change"], &claims["factor_setup"]), (&json!(true), &json!(true)));
        for path in ["/admin/api/users", "/auth/sessions", "/auth/tokens", "/auth/me/export"] {
            refused(&root.get(path).await, 403, "factor_setup_required");
        }
        refused(&root.post("/auth/tokens", &json!({"name": "ci"})).await, 403, "factor_setup_required");
        let by_password = json!({"name": "ci", "email": "root@example.org", "password": PASSWORD});
        refused(&app.anon().post("/auth/tokens", &by_password).await, 403, "factor_setup_required");
        refused(&root.proxied("GET", "app.example", "/").get("/auth/verify").await, 403, "factor_setup_required");
        private(&root.get("/auth/me").await, 200);
        assert_eq!(root.get("/auth/factors").await.json["required"], json!(true));
        private(&root.post(STEP_UP, &json!({"password": PASSWORD})).await, 200);
        let mut root = app.sign_in("root").await;
        let reply = root.refresh().await;
        assert_eq!((reply.status, &reply.json["must_set_up_factor"]), (200, &json!(true)));

        let phone = Phone::new(&root.post(TOTP, &json!({})).await.json);
        let reply = root.post(CONFIRM, &json!({"code": phone.code(&app, 0)})).await;
        private(&reply, 200);
        assert_eq!(reply.json["must_set_up_factor"], json!(false));
        root.take_tokens(&reply);
        private(&root.get("/admin/api/users").await, 200);
        assert!(claims_of(&root).get("pwd_change").is_none());
        // The last one stays.
        refused(&root.delete(&format!("/auth/factors/{}", phone.id)).await, 409, "factor_required");
        private(&sign_in(&app, "root", &phone).await.get("/admin/api/users").await, 200);
    }

    async fn also_after_a_change_of_role(backend: Backend) {
        let app = strict(backend).await;
        let mut ada = app.sign_up("ada").await;
        private(&ada.get("/auth/sessions").await, 200);
        let token = api_token(&ada, &json!({"name": "ci"})).await;
        app.cx.set_role(user_id(&ada), "admin").await.unwrap();
        ada.until_refused("/auth/me").await;
        assert_eq!(ada.refresh().await.json["must_set_up_factor"], json!(true));
        refused(&ada.get("/auth/sessions").await, 403, "factor_setup_required");
        private(&holder(&app, &token).get("/auth/me").await, 200);
        app.cx.set_role(user_id(&ada), "user").await.unwrap();
        ada.until_refused("/auth/me").await;
        ada.refresh().await;
        private(&ada.get("/auth/sessions").await, 200);
    }

    async fn an_operator_who_removes_the_factors_asks_for_new_ones(backend: Backend) {
        let app = strict(backend).await;
        let mut root = admin(&app, "root").await;
        set_up(&app, &mut root).await;
        private(&root.get("/auth/sessions").await, 200);
        let user = app.cx.me(user_id(&root)).await.unwrap().unwrap();
        assert!(app.cx.reset_factors(&user, None).await.unwrap());
        root.until_refused("/auth/me").await;
        assert_eq!(root.refresh().await.json["must_set_up_factor"], json!(true));
        set_up(&app, &mut root).await;
        private(&root.get("/auth/sessions").await, 200);
    }

    async fn a_password_comes_before_a_factor(backend: Backend) {
        let app = strict(backend).await;
        crate::support::made(&app, "root", |request| {
            request.role = "admin".into();
            request.must_change_password = true;
        })
        .await;
        let root = app.sign_in("root").await;
        refused(&root.post(TOTP, &json!({})).await, 403, "password_change_required");
        refused(&root.get("/auth/sessions").await, 403, "password_change_required");
    }
}
