//! `POST /auth/passkeys/login/start` and `…/finish`

use std::time::Duration;

use portcullis_core::rate::Rate;
use portcullis_testkit::{Backend, PASSWORD, SecurityKey, TestApp};
use serde_json::{Value, json};

use super::{LOGIN_FINISH, LOGIN_START, begin, register, shown, sign_in, try_sign_in};
use crate::across::rate_limits::limited;
use crate::on_both;
use crate::support::{
    OTHER_PASSWORD, claims_of, credentials, events, invalid, mailed, private, refused, user_id,
};

on_both! {
    async fn nobody_is_named_and_somebody_is_signed_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::counting();
        register(&mut ada, &mut authenticator, "laptop").await;
        app.clock.advance(Duration::from_mins(1));

        let begun = begin(&app.anon(), LOGIN_START).await;
        let asked = &begun["publicKey"];
        assert_eq!((&asked["rpId"], &asked["userVerification"]), (&json!("localhost"), &json!("required")));
        assert_eq!(asked["allowCredentials"], json!([]));
        let reply = app.anon().post(LOGIN_FINISH, &shown(&mut authenticator, &begun)).await;
        private(&reply, 200);
        let mut there = app.anon();
        there.take_tokens(&reply);
        assert_eq!((&there.user, there.session == ada.session), (&ada.user, false));

        // As after every way of signing in.
        assert_eq!(claims_of(&there)["amr"], json!(["hwk", "user", "mfa"]));
        private(&there.get("/auth/me").await, 200);
        let first = there.refresh_token.clone().unwrap();
        private(&there.refresh().await, 200);
        assert_eq!(there.refresh_with(&first).await.json["refresh_token"], json!(there.refresh_token), "replayed");
        assert_eq!(claims_of(&there)["amr"], json!(["hwk", "user", "mfa"]), "after a refresh, too");
        let sessions = there.get("/auth/sessions").await.json;
        assert_eq!(sessions["items"][0]["id"], json!(there.session));
        let started = events(&app, "session.started").await;
        assert_eq!(started.last().unwrap()["detail"]["methods"], "hwk user mfa");
        assert_eq!(there.get("/auth/passkeys").await.json["items"][0]["last_used_at"], "2026-01-01T00:01:00Z");
    }

    async fn a_synced_passkey_is_kept_by_software(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::synced();
        let made = register(&mut ada, &mut authenticator, "phone").await;
        assert_eq!(made["backed_up"], true);
        // It counts nothing, as often as it is used.
        for _ in 0..2 {
            assert_eq!(claims_of(&sign_in(&app, &mut authenticator).await)["amr"], json!(["swk", "user", "mfa"]));
        }
    }

    async fn a_counter_that_goes_backwards_signs_nobody_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::counting();
        let made = register(&mut ada, &mut authenticator, "laptop").await;
        sign_in(&app, &mut authenticator).await;
        sign_in(&app, &mut authenticator).await;
        // Whoever made a copy before has used it less often; the same number is one too few.
        for behind in [1, 2] {
            let right = authenticator.counter;
            authenticator.counter -= behind;
            refused(&try_sign_in(&app, &mut authenticator).await, 401, "invalid_credentials");
            authenticator.counter = right;
        }
        let told = events(&app, "passkey.copied").await;
        assert_eq!((told.len(), &told[0]["user"]), (2, &json!(ada.user)));
        assert_eq!(told[0]["detail"], json!({"passkey": made["id"]}));
        assert_eq!(events(&app, "login.failed").await[0]["detail"]["reason"], "copied passkey");
        // The one that goes on is not shut out.
        sign_in(&app, &mut authenticator).await;
    }

    async fn a_ceremony_is_good_once_and_for_five_minutes(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::default();
        register(&mut ada, &mut authenticator, "x").await;
        let begun = begin(&app.anon(), LOGIN_START).await;
        let body = shown(&mut authenticator, &begun);
        private(&app.anon().post(LOGIN_FINISH, &body).await, 200);
        refused(&app.anon().post(LOGIN_FINISH, &body).await, 400, "passkey_refused");

        let late = begin(&app.anon(), LOGIN_START).await;
        app.clock.advance(Duration::from_mins(5));
        refused(&app.anon().post(LOGIN_FINISH, &shown(&mut authenticator, &late)).await, 400, "passkey_refused");
        let begun = begin(&app.anon(), LOGIN_START).await;
        app.clock.advance(Duration::from_mins(5) - Duration::from_micros(1));
        private(&app.anon().post(LOGIN_FINISH, &shown(&mut authenticator, &begun)).await, 200);
        let gone = app.cx.purge().await.unwrap();
        assert!(gone >= 1, "{gone}");
    }

    async fn whoever_may_not_sign_in_may_not_by_passkey(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::default();
        register(&mut ada, &mut authenticator, "x").await;
        let strict = app.another(|setup| setup.settings.require_email_verification = true).await;
        refused(&try_sign_in(&strict, &mut authenticator).await, 403, "email_not_verified");
        app.cx.disable_user(user_id(&ada)).await.unwrap();
        refused(&try_sign_in(&app, &mut authenticator).await, 401, "invalid_credentials");
        app.cx.enable_user(user_id(&ada)).await.unwrap();
        let user = app.cx.me(user_id(&ada)).await.unwrap().unwrap();
        app.cx.set_password(&user, "another good password".into(), true).await.unwrap();
        let there = sign_in(&app, &mut authenticator).await;
        refused(&there.get("/auth/passkeys").await, 403, "password_change_required");
    }

    async fn a_passkey_owes_nothing_and_a_password_owes_a_passkey(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::default();
        register(&mut ada, &mut authenticator, "x").await;
        let body = json!({"email": "ada@example.org", "password": portcullis_testkit::PASSWORD});
        let owed = app.anon().post("/auth/login", &body).await;
        refused(&owed, 403, "second_factor_required");
        assert!(owed.json["methods"].as_array().unwrap().contains(&json!("passkey")), "{}", owed.text());
        sign_in(&app, &mut authenticator).await;
    }

    /// Whoever registered an address before its owner keeps no way in that needs no password.
    async fn a_reset_that_proves_the_address_takes_the_passkeys_of_before(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut squatter = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::counting();
        register(&mut squatter, &mut authenticator, "squatter's").await;
        reset(&app, OTHER_PASSWORD).await;
        refused(&try_sign_in(&app, &mut authenticator).await, 401, "invalid_credentials");

        // From then on a reset leaves them, as it leaves every factor.
        let mut owner = app.anon();
        owner.take_tokens(&app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await);
        let mut own = SecurityKey::counting();
        register(&mut owner, &mut own, "laptop").await;
        reset(&app, PASSWORD).await;
        sign_in(&app, &mut own).await;
    }
}

/// What is told of who fails, beside what is the same for everybody.
#[track_caller]
fn without_marks(reply: &portcullis_testkit::Reply) -> Value {
    let mut told = reply.json.clone();
    for mark in ["ceremony", "instance", "request_id"] {
        told.as_object_mut().unwrap().remove(mark);
    }
    if let Some(asked) = told.get_mut("publicKey") {
        asked["challenge"] = json!("");
    }
    told
}

#[tokio::test]
async fn the_answers_are_the_same_for_everybody() {
    let app = TestApp::new(Backend::Sqlite).await;
    let nobody = app.anon().send(http::Method::POST, LOGIN_START, None).await;
    let mut ada = app.sign_up("ada").await;
    let mut authenticator = SecurityKey::default();
    register(&mut ada, &mut authenticator, "x").await;
    let somebody = ada.send(http::Method::POST, LOGIN_START, None).await;
    assert_eq!(without_marks(&nobody), without_marks(&somebody));
    let mut unknown = SecurityKey::claiming(authenticator.user.as_deref().unwrap());
    let unknown = try_sign_in(&app, &mut unknown).await;
    authenticator.verifies = false;
    let refused_one = try_sign_in(&app, &mut authenticator).await;
    assert_eq!(without_marks(&unknown), without_marks(&refused_one));
    refused(&unknown, 401, "invalid_credentials");
}

/// What an authenticator does wrong, and what the audit log says of it.
type Lie = fn(&mut SecurityKey, &SecurityKey);

const LIES: [(&str, Lie); 6] = [
    ("another origin", |a, _| a.origin = "https://evil.example".into()),
    ("another origin", |a, _| a.origin = "http://localhost:8401".into()),
    ("another relying party", |a, _| a.rp_id = "evil.example".into()),
    ("user not verified", |a, _| a.verifies = false),
    // Bob's authenticator says that it is ada's.
    ("another user's passkey", |a, ada| a.user.clone_from(&ada.user)),
    // Bob's signature under ada's name for her passkey.
    ("wrong signature", |a, ada| {
        a.credential_id.clone_from(&ada.credential_id);
        a.user.clone_from(&ada.user);
    }),
];

#[tokio::test]
async fn what_a_browser_would_not_have_answered_is_refused() {
    let app = TestApp::new(Backend::Sqlite).await;
    let (mut ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
    let mut of_ada = SecurityKey::default();
    register(&mut ada, &mut of_ada, "x").await;
    for (why, lie) in LIES {
        let mut of_bob = SecurityKey::default();
        register(&mut bob, &mut of_bob, "x").await;
        lie(&mut of_bob, &of_ada);
        app.clock.advance(Duration::from_millis(1));
        refused(&try_sign_in(&app, &mut of_bob).await, 401, "invalid_credentials");
        assert_eq!(events(&app, "login.failed").await.last().unwrap()["detail"]["reason"], why);
    }
    // Whose it is must be said where nobody was named.
    let mut silent = SecurityKey::default();
    register(&mut bob, &mut silent, "x").await;
    silent.user = None;
    refused(&try_sign_in(&app, &mut silent).await, 401, "invalid_credentials");
    // The ceremony of one browser, and the answer that another was asked for.
    let (one, two) = (begin(&app.anon(), LOGIN_START).await, begin(&app.anon(), LOGIN_START).await);
    let mut body = shown(&mut of_ada, &one);
    body["ceremony"] = two["ceremony"].clone();
    app.clock.advance(Duration::from_millis(1));
    refused(&app.anon().post(LOGIN_FINISH, &body).await, 401, "invalid_credentials");
    assert_eq!(events(&app, "login.failed").await.last().unwrap()["detail"]["reason"], "another challenge");
    // What was asked for a registration is no sign-in.
    let begun = begin(&ada, super::REGISTER_START).await;
    refused(&app.anon().post(LOGIN_FINISH, &shown(&mut of_ada, &begun)).await, 400, "passkey_refused");
    sign_in(&app, &mut of_ada).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_said_by_field() {
    let app = TestApp::new(Backend::Sqlite).await;
    for credential in [json!({}), json!("x"), json!({"id": "x", "rawId": "!", "type": "public-key"})] {
        let begun = begin(&app.anon(), LOGIN_START).await;
        let body = json!({"ceremony": begun["ceremony"], "credential": credential});
        invalid(&app.anon().post(LOGIN_FINISH, &body).await, &[("credential", "invalid")]);
    }
    let mut authenticator = SecurityKey::claiming(&[0; 16]);
    let begun = begin(&app.anon(), LOGIN_START).await;
    let mut body = shown(&mut authenticator, &begun);
    body["audience"] = json!("https://elsewhere.example");
    invalid(&app.anon().post(LOGIN_FINISH, &body).await, &[("audience", "unknown")]);
    body["delivery"] = json!("pigeon");
    invalid(&app.anon().post(LOGIN_FINISH, &body).await, &[("delivery", "invalid")]);
}

#[tokio::test]
async fn both_steps_are_rate_limited() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        limited(setup);
        let rates = setup.settings.rates.as_mut().expect("just set");
        rates.login = Rate::per_minute(2);
    })
    .await;
    for path in [LOGIN_START, LOGIN_FINISH] {
        let body =
            json!({"ceremony": "x", "credential": SecurityKey::default().get(&json!({"challenge": "AA"}))});
        for _ in 0..2 {
            assert_ne!(app.anon().post(path, &body).await.status, 429, "{path}");
        }
        refused(&app.anon().post(path, &body).await, 429, "rate_limited");
    }
}

#[tokio::test]
async fn a_browser_gets_cookies_in_the_place_of_those_it_has() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    let mut authenticator = SecurityKey::default();
    register(&mut ada, &mut authenticator, "x").await;
    let mut browser = app.browser();
    browser.fetch_csrf_token().await;
    let begun = browser.send(http::Method::POST, LOGIN_START, None).await.json;
    let mut body = shown(&mut authenticator, &begun);
    body["delivery"] = json!("cookie");
    let evil = browser.saying(&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]);
    refused(&evil.post(LOGIN_FINISH, &body).await, 403, "csrf_failed");
    let reply = browser.post(LOGIN_FINISH, &body).await;
    private(&reply, 200);
    assert!(reply.json["refresh_token"].is_null() && browser.cookie("pc_refresh").is_some());
    browser.fetch_csrf_token().await;
    private(&browser.refresh().await, 200);
}

/// Ada sets a password by a link in a mail.
async fn reset(app: &TestApp, password: &str) {
    let reply = app.anon().post("/auth/password/forgot", &json!({"email": "ada@example.org"})).await;
    private(&reply, 202);
    let body = json!({"token": mailed(app, "ada@example.org").await, "new_password": password});
    assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);
}
