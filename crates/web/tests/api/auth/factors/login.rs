//! `POST /auth/login/factor`: the second half of a sign-in.

use std::time::Duration;

use portcullis_testkit::{Backend, PASSWORD, TestApp};
use serde_json::{Value, json};

use super::{LOGIN_FACTOR, challenge, set_up, show, sign_in, wrong};
use crate::on_both;
use crate::support::{
    OTHER_PASSWORD, claims_of, credentials, events, invalid, private, redacted, refused, token_json,
};

on_both! {
    async fn a_password_alone_is_half_a_sign_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let reply = app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await;
        refused(&reply, 403, "second_factor_required");
        assert_eq!(reply.json["methods"], json!(["totp", "recovery_code"]));
        assert!(reply.header("set-cookie").is_none() && reply.json.get("access_token").is_none());
        let challenge = reply.json["challenge"].as_str().unwrap();
        let mut phone_actor = app.anon();
        let reply = show(&phone_actor, challenge, "totp", &phone.next(&app)).await;
        private(&reply, 200);
        let mut body = redacted(&reply.json);
        body["user"]["last_login_at"] = token_json("ada")["user"]["last_login_at"].clone();
        assert_eq!(body, token_json("ada"));
        phone_actor.take_tokens(&reply);
        let claims = claims_of(&phone_actor);
        assert_eq!(claims["amr"], json!(["pwd", "otp", "mfa"]));
        assert_eq!(phone_actor.refresh().await.status, 200);
        assert_eq!(claims_of(&phone_actor)["amr"], json!(["pwd", "otp", "mfa"]));
        let sessions = phone_actor.get("/auth/sessions").await;
        assert_eq!(sessions.json["items"][0]["methods"], json!(["pwd", "otp", "mfa"]));
        assert_eq!(sessions.json["items"].as_array().unwrap().len(), 2);
        let started = events(&app, "session.started").await;
        assert_eq!(started.last().unwrap()["detail"]["methods"], json!("pwd otp mfa"));
    }

    async fn a_challenge_is_good_for_one_sign_in_and_a_code_for_one_use(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let (first, second) = (challenge(&app.anon(), "ada").await, challenge(&app.anon(), "ada").await);
        let code = phone.next(&app);
        private(&show(&app.anon(), &first, "totp", &code).await, 200);
        refused(&show(&app.anon(), &first, "totp", &code).await, 400, "invalid_challenge");
        refused(&show(&app.anon(), &second, "totp", &code).await, 403, "wrong_code");
        // Nor is one from before it, though it is within the skew.
        refused(&show(&app.anon(), &second, "totp", &phone.code(&app, -1)).await, 403, "wrong_code");
        private(&show(&app.anon(), &second, "totp", &phone.code(&app, 1)).await, 200);
    }

    async fn one_step_of_skew_is_forgiven(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        app.clock.advance(Duration::from_mins(2));
        let challenge = challenge(&app.anon(), "ada").await;
        for steps in [-2, 2] {
            refused(&show(&app.anon(), &challenge, "totp", &phone.code(&app, steps)).await, 403, "wrong_code");
        }
        private(&show(&app.anon(), &challenge, "totp", &phone.code(&app, -1)).await, 200);
    }

    async fn of_two_with_one_code_one_signs_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        for same_challenge in [true, false] {
            let first = challenge(&app.anon(), "ada").await;
            let second = if same_challenge { first.clone() } else { challenge(&app.anon(), "ada").await };
            let code = phone.next(&app);
            let (here, there) = (app.anon(), other.anon());
            let (one, two) = tokio::join!(
                show(&here, &first, "totp", &code),
                show(&there, &second, "totp", &code)
            );
            let won = [&one, &two].into_iter().filter(|reply| reply.status == 200).count();
            assert_eq!(won, 1, "{} {}", one.text(), two.text());
        }
    }

    async fn a_challenge_runs_out_after_five_minutes(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let challenge = challenge(&app.anon(), "ada").await;
        app.clock.advance(Duration::from_secs(299));
        refused(&show(&app.anon(), &challenge, "totp", &wrong(&app, &phone)).await, 403, "wrong_code");
        app.clock.advance(Duration::from_secs(1));
        refused(&show(&app.anon(), &challenge, "totp", &phone.code(&app, 0)).await, 400, "invalid_challenge");
    }

    async fn what_proves_the_user_anew_ends_a_challenge(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let begun = challenge(&app.anon(), "ada").await;
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        private(&ada.post("/auth/password/change", &body).await, 200);
        refused(&show(&app.anon(), &begun, "totp", &phone.next(&app)).await, 400, "invalid_challenge");
    }

    async fn in_cookies_only_the_browser_that_began_goes_on(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let mut browser = app.browser();
        browser.fetch_csrf_token().await;
        let mut body = credentials("ada", PASSWORD);
        body["delivery"] = "cookie".into();
        let reply = browser.post("/auth/login", &body).await;
        refused(&reply, 403, "second_factor_required");
        let cookie = browser.cookie("pc_challenge").expect("a cookie");
        assert!(cookie.attributes.contains("HttpOnly"), "no script reads it");
        let challenge = reply.json["challenge"].as_str().unwrap().to_owned();
        assert_ne!(challenge, cookie.value);
        app.clock.advance(Duration::from_secs(30));
        let code = phone.code(&app, 0);
        let body = json!({"challenge": challenge, "method": "totp", "code": code});
        // Without the cookie, in the body, from a foreign page, and with another's cookie.
        let mut elsewhere = app.browser();
        elsewhere.fetch_csrf_token().await;
        refused(&elsewhere.post(LOGIN_FACTOR, &body).await, 400, "invalid_challenge");
        refused(&app.anon().post(LOGIN_FACTOR, &body).await, 403, "csrf_failed");
        for text in [challenge.as_str(), &cookie.value] {
            let body = json!({"challenge": text, "method": "totp", "code": code, "delivery": "body"});
            refused(&app.anon().post(LOGIN_FACTOR, &body).await, 400, "invalid_challenge");
        }
        let foreign = browser.saying(&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]);
        refused(&foreign.post(LOGIN_FACTOR, &body).await, 403, "csrf_failed");
        let mut named = body.clone();
        named["challenge"] = "0".repeat(64).into();
        refused(&browser.post(LOGIN_FACTOR, &named).await, 400, "invalid_challenge");

        let reply = browser.post(LOGIN_FACTOR, &body).await;
        private(&reply, 200);
        assert_eq!(reply.json.get("refresh_token"), None);
        assert!(browser.cookie("pc_challenge").is_none() && browser.cookie("pc_refresh").is_some());
        browser.fetch_csrf_token().await;
        assert_eq!(browser.refresh().await.status, 200);
    }

    async fn what_cannot_be_read_is_said(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        set_up(&app, &mut ada).await;
        let challenge = challenge(&app.anon(), "ada").await;
        invalid(&show(&app.anon(), &challenge, "sms", "123456").await, &[("method", "unsupported")]);
        invalid(&show(&app.anon(), &challenge, "totp", "").await, &[("code", "required")]);
        let body = json!({"challenge": "pcl_nonsense", "method": "totp", "code": "1", "delivery": "body"});
        refused(&app.anon().post(LOGIN_FACTOR, &body).await, 400, "invalid_challenge");
        let body = json!({"challenge": challenge, "method": "totp", "code": Value::Null});
        invalid(&app.anon().post(LOGIN_FACTOR, &body).await, &[("code", "required")]);
    }

    async fn a_user_without_a_factor_is_asked_for_none(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        set_up(&app, &mut ada).await;
        let bob = app.sign_up("bob").await;
        assert_eq!(claims_of(&bob)["amr"], json!(["pwd"]));
        app.sign_in("bob").await;
    }

    async fn a_disabled_user_gets_no_further(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let begun = challenge(&app.anon(), "ada").await;
        app.cx.disable_user(crate::support::user_id(&ada)).await.unwrap();
        refused(&show(&app.anon(), &begun, "totp", &phone.next(&app)).await, 400, "invalid_challenge");
        refused(&app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await, 401, "invalid_credentials");
    }
}

#[tokio::test]
async fn the_old_session_of_the_browser_ends_with_the_second_half() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    let phone = set_up(&app, &mut ada).await;
    app.sign_up("bob").await;
    let mut browser = app.browser();
    browser.sign_in("bob", "cookie").await;
    let mut body = credentials("ada", PASSWORD);
    body["delivery"] = "cookie".into();
    let reply = browser.post("/auth/login", &body).await;
    refused(&reply, 403, "second_factor_required");
    assert_eq!(browser.refresh().await.status, 200, "half a sign-in ends nothing");
    let body = json!({"challenge": reply.json["challenge"], "method": "totp", "code": phone.next(&app)});
    browser.fetch_csrf_token().await;
    private(&browser.post(LOGIN_FACTOR, &body).await, 200);
    let ended = events(&app, "session.ended").await;
    assert_eq!(ended.last().unwrap()["detail"]["cause"], "replaced");
    drop(sign_in(&app, "ada", &phone).await);
}
