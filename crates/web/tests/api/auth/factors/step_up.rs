//! `POST /auth/step-up`

use std::time::Duration;

use portcullis_testkit::{Backend, PASSWORD, TestApp};
use serde_json::json;

use super::{STEP_UP, TOTP, set_up};
use crate::on_both;
use crate::support::{OTHER_PASSWORD, claims_of, events, invalid, private, refused};

on_both! {
    /// The password alone must not do what a step-up asks the factor for.
    async fn a_new_password_makes_no_session_fresh_that_owes_a_factor(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        app.clock.advance(Duration::from_secs(700));
        private(&ada.refresh().await, 200);
        let gone = format!("/auth/factors/{}", phone.id);
        refused(&ada.delete(&gone).await, 403, "fresh_login_required");
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        let reply = ada.post("/auth/password/change", &body).await;
        private(&reply, 200);
        ada.take_tokens(&reply);
        refused(&ada.delete(&gone).await, 403, "fresh_login_required");
    }

    async fn renews_the_sign_in_of_this_session(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut tablet = app.sign_in("ada").await;
        app.clock.advance(Duration::from_mins(11));
        ada.refresh().await;
        let before = ada.clone();
        refused(&ada.get("/auth/me/export").await, 403, "fresh_login_required");
        let reply = ada.post(STEP_UP, &json!({"password": PASSWORD})).await;
        private(&reply, 200);
        ada.take_tokens(&reply);
        assert_eq!(ada.session, before.session);
        assert_eq!(claims_of(&ada)["auth_time"].as_i64(), claims_of(&ada)["iat"].as_i64());
        assert_eq!(claims_of(&ada)["amr"], json!(["pwd"]));
        private(&ada.get("/auth/me/export").await, 200);
        assert_eq!(ada.refresh().await.status, 200);
        private(&ada.get("/auth/me/export").await, 200);
        refused(&app.anon().refresh_with(before.refresh_token.as_deref().unwrap()).await, 401, "refresh_revoked");
        tablet.refresh().await;
        refused(&tablet.get("/auth/me/export").await, 403, "fresh_login_required");
        assert_eq!(events(&app, "session.stepped_up").await.len(), 1);
    }

    async fn whoever_has_a_factor_shows_that(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut tablet = app.sign_in("ada").await;
        let phone = set_up(&app, &mut ada).await;
        tablet.refresh().await;
        // The tablet has signed in a moment ago, but has never shown the factor.
        let reply = tablet.post(TOTP, &json!({})).await;
        refused(&reply, 403, "fresh_login_required");
        assert_eq!(reply.json["methods"], json!(["totp", "recovery_code"]));
        let reply = tablet.post(STEP_UP, &json!({"password": PASSWORD})).await;
        refused(&reply, 403, "second_factor_required");
        assert_eq!(reply.json["methods"], json!(["totp", "recovery_code"]));
        let code = phone.next(&app);
        let reply = tablet.post(STEP_UP, &json!({"method": "totp", "code": code})).await;
        private(&reply, 200);
        tablet.take_tokens(&reply);
        assert_eq!(claims_of(&tablet)["amr"], json!(["pwd", "otp", "mfa"]));
        private(&tablet.post(TOTP, &json!({})).await, 201);
        refused(&tablet.post(STEP_UP, &json!({"method": "totp", "code": code})).await, 403, "wrong_code");
        let code = &phone.recovery_codes[0];
        private(&ada.post(STEP_UP, &json!({"method": "recovery_code", "code": code})).await, 200);
    }

    async fn of_two_with_one_code_one_steps_up(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let mut tablet = app.sign_in("ada").await;
        let phone = set_up(&app, &mut ada).await;
        tablet.refresh().await;
        let (tablet, body) = (tablet.at(&other), json!({"method": "totp", "code": phone.next(&app)}));
        let (one, two) = tokio::join!(ada.post(STEP_UP, &body), tablet.post(STEP_UP, &body));
        let mut came_to = [one.outcome(), two.outcome()];
        came_to.sort_unstable();
        assert_eq!(came_to, [(200, ""), (403, "wrong_code")]);
    }

    async fn what_is_wrong_or_cannot_be_read(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        refused(&ada.post(STEP_UP, &json!({"password": "wrong"})).await, 403, "wrong_password");
        refused(&ada.post(STEP_UP, &json!({"method": "totp", "code": "123456"})).await, 403, "wrong_code");
        for body in [json!({}), json!({"password": PASSWORD, "method": "totp", "code": "1"})] {
            invalid(&ada.post(STEP_UP, &body).await, &[("method", "required")]);
        }
        let token = crate::support::api_token(&ada, &json!({"name": "ci"})).await;
        let ci = crate::support::holder(&app, &token);
        refused(&ci.post(STEP_UP, &json!({"password": PASSWORD})).await, 403, "session_required");
    }
}

#[tokio::test]
async fn in_cookies_as_a_refresh() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("ada").await;
    let mut browser = app.browser();
    browser.sign_in("ada", "cookies").await;
    let before = (browser.value("pc_refresh"), browser.value("pc_access"));
    refused(&browser.knowing(None).post(STEP_UP, &json!({"password": PASSWORD})).await, 403, "csrf_failed");
    let reply = browser.post(STEP_UP, &json!({"password": PASSWORD})).await;
    private(&reply, 200);
    assert!(reply.json.get("access_token").is_none());
    assert!(browser.value("pc_refresh") != before.0 && browser.value("pc_access") != before.1);
    browser.fetch_csrf_token().await;
    assert_eq!(browser.refresh().await.status, 200);
}
