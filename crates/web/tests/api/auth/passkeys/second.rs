//! A passkey as the second factor: `POST /auth/login/factor`, `POST /auth/step-up`, `/auth/factors`

use std::time::Duration;

use portcullis_testkit::{Actor, Backend, PASSWORD, SecurityKey, TestApp};
use serde_json::{Value, json};

use super::{
    LOGIN_FINISH, LOGIN_START, REGISTER_FINISH, REGISTER_START, begin, created, register, shown, sign_in,
};
use crate::auth::factors::{LOGIN_FACTOR, STEP_UP};
use crate::on_both;
use crate::support::{claims_of, credentials, events, invalid, private, refused};

/// The challenge of `name`, whose password was right.
pub(crate) async fn owing(app: &TestApp, name: &str) -> Value {
    let reply = app.anon().post("/auth/login", &credentials(name, PASSWORD)).await;
    refused(&reply, 403, "second_factor_required");
    assert_eq!(reply.json["methods"], json!(["passkey", "recovery_code"]));
    reply.json["challenge"].clone()
}

/// What ends the second half, by a ceremony that begins with `start`.
pub(crate) async fn second_half(
    app: &TestApp,
    authenticator: &mut SecurityKey,
    challenge: &Value,
    start: &Value,
) -> Value {
    let reply = app.anon().post(LOGIN_START, start).await;
    private(&reply, 200);
    let mut body = shown(authenticator, &reply.json);
    body["challenge"] = challenge.clone();
    body["method"] = json!("passkey");
    body
}

on_both! {
    async fn a_password_and_then_a_passkey(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::counting();
        register(&mut ada, &mut authenticator, "x").await;
        let challenge = owing(&app, "ada").await;
        // The browser is asked for one of hers alone.
        let start = json!({"challenge": challenge});
        let asked = app.anon().post(LOGIN_START, &start).await.json;
        assert_eq!(asked["publicKey"]["allowCredentials"].as_array().unwrap().len(), 1);
        let body = second_half(&app, &mut authenticator, &challenge, &start).await;
        let reply = app.anon().post(LOGIN_FACTOR, &body).await;
        private(&reply, 200);
        let mut there = app.anon();
        there.take_tokens(&reply);
        assert_eq!(claims_of(&there)["amr"], json!(["pwd", "hwk", "user", "mfa"]));
        private(&there.refresh().await, 200);
        // Neither challenge nor ceremony is good again.
        refused(&app.anon().post(LOGIN_FACTOR, &body).await, 400, "invalid_challenge");
        let challenge = owing(&app, "ada").await;
        let mut again = body.clone();
        again["challenge"] = challenge.clone();
        refused(&app.anon().post(LOGIN_FACTOR, &again).await, 403, "wrong_code");
        // A ceremony that names nobody does, too.
        let body = second_half(&app, &mut authenticator, &challenge, &json!({})).await;
        private(&app.anon().post(LOGIN_FACTOR, &body).await, 200);
    }

    async fn not_by_the_passkey_of_another(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (mut of_ada, mut of_bob) = (SecurityKey::default(), SecurityKey::default());
        register(&mut ada, &mut of_ada, "x").await;
        register(&mut bob, &mut of_bob, "x").await;
        let challenge = owing(&app, "ada").await;
        for start in [json!({}), json!({"challenge": challenge})] {
            let body = second_half(&app, &mut of_bob, &challenge, &start).await;
            refused(&app.anon().post(LOGIN_FACTOR, &body).await, 403, "wrong_code");
        }
        // A ceremony of bob's challenge is not ada's, and signs in nobody by itself.
        let of_bobs = json!({"challenge": owing(&app, "bob").await});
        let body = second_half(&app, &mut of_ada, &challenge, &of_bobs).await;
        refused(&app.anon().post(LOGIN_FACTOR, &body).await, 403, "wrong_code");
        let body = second_half(&app, &mut of_bob, &challenge, &of_bobs).await;
        refused(&app.anon().post(LOGIN_FINISH, &body).await, 400, "passkey_refused");
        let failed = events(&app, "factor.failed").await;
        assert!(failed.len() == 3 && failed.iter().all(|event| event["detail"]["method"] == "passkey"));
        let body = second_half(&app, &mut of_ada, &challenge, &json!({"challenge": challenge})).await;
        private(&app.anon().post(LOGIN_FACTOR, &body).await, 200);
        // What is used up tells nobody whose passkeys there are.
        let start = json!({"challenge": challenge});
        refused(&app.anon().post(LOGIN_START, &start).await, 400, "invalid_challenge");
    }

    async fn a_copy_is_no_second_factor(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::counting();
        register(&mut ada, &mut authenticator, "x").await;
        sign_in(&app, &mut authenticator).await;
        authenticator.counter = 1;
        let challenge = owing(&app, "ada").await;
        let body = second_half(&app, &mut authenticator, &challenge, &json!({})).await;
        refused(&app.anon().post(LOGIN_FACTOR, &body).await, 403, "wrong_code");
        assert_eq!(events(&app, "passkey.copied").await.len(), 1);
    }

    async fn it_shows_once_more_who_one_is(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (mut of_ada, mut of_bob) = (SecurityKey::default(), SecurityKey::default());
        register(&mut ada, &mut of_ada, "x").await;
        register(&mut bob, &mut of_bob, "x").await;
        app.clock.advance(Duration::from_secs(601));
        private(&ada.refresh().await, 200);
        refused(&ada.send(http::Method::POST, REGISTER_START, None).await, 403, "fresh_login_required");
        let step_up = async |actor: &Actor, authenticator: &mut SecurityKey| {
            let mut body = shown(authenticator, &begin(&app.anon(), LOGIN_START).await);
            body["method"] = json!("passkey");
            actor.post(STEP_UP, &body).await
        };
        refused(&step_up(&ada, &mut of_bob).await, 403, "wrong_code");
        let reply = step_up(&ada, &mut of_ada).await;
        private(&reply, 200);
        ada.take_tokens(&reply);
        register(&mut ada, &mut SecurityKey::default(), "another").await;
        for body in [json!({"method": "passkey"}), json!({"method": "passkey", "ceremony": "x", "credential": {}})] {
            invalid(&ada.post(STEP_UP, &body).await, &[("credential", "invalid")]);
        }
    }

    async fn the_list_of_factors_holds_them_and_lets_them_go(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let passkey = register(&mut ada, &mut SecurityKey::default(), "x").await;
        let listed = ada.get("/auth/factors").await;
        private(&listed, 200);
        let told = &listed.json["items"];
        assert_eq!(told.as_array().unwrap().len(), 1);
        assert_eq!((&told[0]["id"], &told[0]["kind"]), (&passkey["id"], &json!("passkey")));
        assert!(listed.json["recovery_codes"].as_i64().unwrap() > 0);
        let path = format!("/auth/factors/{}", passkey["id"].as_str().unwrap());
        private(&ada.delete(&path).await, 204);
        private(&ada.refresh().await, 200);
        refused(&ada.delete(&path).await, 404, "not_found");
        let left = ada.get("/auth/factors").await.json;
        assert_eq!((&left["items"], &left["recovery_codes"]), (&json!([]), &json!(0)));
        private(&app.sign_in("ada").await.get("/auth/me").await, 200);
    }

    async fn a_recovery_code_stands_for_one_that_is_lost(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let begun = begin(&ada, REGISTER_START).await;
        let reply = ada.post(REGISTER_FINISH, &created(&mut SecurityKey::default(), &begun, "x")).await;
        private(&reply, 201);
        ada.take_tokens(&reply);
        let codes = reply.json["recovery_codes"].as_array().unwrap().clone();
        assert!(codes.len() >= 8);
        let begun = begin(&ada, REGISTER_START).await;
        let more = ada.post(REGISTER_FINISH, &created(&mut SecurityKey::default(), &begun, "y")).await;
        assert_eq!(more.json["recovery_codes"], json!([]), "there are some left");
        let body = json!({"challenge": owing(&app, "ada").await, "method": "recovery_code", "code": codes[0]});
        private(&app.anon().post(LOGIN_FACTOR, &body).await, 200);
    }

    async fn whose_role_needs_a_factor_may_register_one_and_keeps_it(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            setup.settings.login.require_factor = vec![portcullis_core::user::Role::from_stored("user")];
        })
        .await;
        let mut ada = app.sign_up("ada").await;
        refused(&ada.get("/auth/sessions").await, 403, "factor_setup_required");
        let only = register(&mut ada, &mut SecurityKey::default(), "x").await;
        private(&ada.get("/auth/sessions").await, 200);
        let path = format!("/auth/passkeys/{}", only["id"].as_str().unwrap());
        refused(&ada.delete(&path).await, 409, "factor_required");
        register(&mut ada, &mut SecurityKey::default(), "y").await;
        private(&ada.delete(&path).await, 204);
    }
}

#[tokio::test]
async fn the_user_is_told_by_mail() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    let passkey = register(&mut ada, &mut SecurityKey::default(), "x").await;
    private(&ada.delete(&format!("/auth/passkeys/{}", passkey["id"].as_str().unwrap())).await, 204);
    let mails = app.mails().await;
    let subjects: Vec<_> = mails.iter().map(|mail| &*mail.subject).collect();
    assert_eq!(subjects, ["A second factor was added", "A second factor was removed"]);
}
