//! `POST /auth/passkeys/register/start` and `…/finish`

use std::time::Duration;

use portcullis_testkit::{Backend, SecurityKey, TestApp};
use serde_json::{Value, json};

use super::{REGISTER_FINISH, REGISTER_START, begin, created, register, sign_in};
use crate::on_both;
use crate::support::{api_token, claims_of, events, holder, invalid, private, redacted, refused};

on_both! {
    async fn one_is_registered_and_the_session_goes_on_with_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let other = app.sign_in("ada").await;
        let begun = begin(&ada, REGISTER_START).await;
        let asked = &begun["publicKey"];
        assert_eq!(asked["rp"], json!({"name": "Portcullis", "id": "localhost"}));
        assert_eq!((&asked["user"]["name"], &asked["user"]["displayName"]), (&json!("ada@example.org"), &json!("ada")));
        let selection = &asked["authenticatorSelection"];
        assert_eq!((&selection["residentKey"], &selection["requireResidentKey"]), (&json!("required"), &json!(true)));
        assert_eq!(selection["userVerification"], "required");
        assert_eq!(asked["excludeCredentials"], json!([]));

        let old = ada.clone();
        let reply = ada.post(REGISTER_FINISH, &created(&mut SecurityKey::default(), &begun, " laptop ")).await;
        private(&reply, 201);
        let expected = json!({
            "id": "[id]", "name": "laptop", "backed_up": false,
            "created_at": "2026-01-01T00:00:00Z", "last_used_at": null,
        });
        assert_eq!(redacted(&reply.json["passkey"]), expected);
        assert_eq!((&reply.json["session_id"], &reply.json["user"]["id"]), (&json!(ada.session), &json!(ada.user)));

        // What was out before ends; this session goes on with new tokens, and the other by a refresh.
        refused(&old.get("/auth/me").await, 401, "invalid_token");
        refused(&old.clone().refresh().await, 401, "refresh_revoked");
        refused(&other.get("/auth/me").await, 401, "invalid_token");
        private(&other.clone().refresh().await, 200);
        ada.take_tokens(&reply);
        assert_eq!(claims_of(&ada)["amr"], json!(["pwd", "hwk", "user", "mfa"]));
        private(&ada.get("/auth/me").await, 200);
        private(&ada.refresh().await, 200);

        let listed = ada.get("/auth/passkeys").await;
        private(&listed, 200);
        assert_eq!(redacted(&listed.json), json!({"items": [expected], "next_cursor": null}));
        let told = events(&app, "passkey.added").await;
        assert_eq!((told.len(), &told[0]["user"], &told[0]["session"]), (1, &json!(ada.user), &json!(ada.session)));
        assert_eq!(told[0]["detail"], json!({"passkey": reply.json["passkey"]["id"], "name": "laptop"}));
    }

    async fn a_user_has_several_up_to_twenty(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticators = Vec::new();
        for number in 0..20 {
            let mut authenticator = SecurityKey::default();
            register(&mut ada, &mut authenticator, &format!("number {number}")).await;
            authenticators.push(authenticator);
        }
        let begun = begin(&app.sign_up("bob").await, REGISTER_START).await;
        assert_eq!(begun["publicKey"]["excludeCredentials"], json!([]), "the others' are not told");
        refused(&ada.send(http::Method::POST, REGISTER_START, None).await, 409, "too_many_passkeys");
        assert_eq!(ada.get("/auth/passkeys").await.json["items"].as_array().unwrap().len(), 20);
        for authenticator in &mut authenticators {
            assert_eq!(sign_in(&app, authenticator).await.user, ada.user);
        }
    }

    async fn none_is_registered_twice_whoever_has_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let mut authenticator = SecurityKey::default();
        register(&mut ada, &mut authenticator, "one").await;
        let begun = begin(&ada, REGISTER_START).await;
        let excluded = begun["publicKey"]["excludeCredentials"].as_array().unwrap();
        assert_eq!(excluded.len(), 1, "the browser would not even make it");
        let again = created(&mut authenticator, &begun, "again");
        refused(&ada.post(REGISTER_FINISH, &again).await, 400, "passkey_refused");
        let begun = begin(&bob, REGISTER_START).await;
        let stolen = created(&mut authenticator, &begun, "stolen");
        refused(&bob.post(REGISTER_FINISH, &stolen).await, 409, "passkey_taken");
        assert_eq!(bob.get("/auth/passkeys").await.json["items"], json!([]));
        // Nothing has changed: no factor, and the access token is good.
        private(&bob.refresh().await, 200);
        assert_eq!(events(&app, "passkey.added").await.len(), 1);
    }

    async fn a_ceremony_is_good_once_in_its_session_for_five_minutes(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let mut elsewhere = app.sign_in("ada").await;
        let begun = begin(&ada, REGISTER_START).await;
        let body = created(&mut SecurityKey::default(), &begun, "x");
        for other in [&elsewhere, &bob] {
            refused(&other.post(REGISTER_FINISH, &body).await, 400, "passkey_refused");
        }
        let reply = ada.post(REGISTER_FINISH, &body).await;
        private(&reply, 201);
        ada.take_tokens(&reply);
        refused(&ada.post(REGISTER_FINISH, &body).await, 400, "passkey_refused");
        // What another session has begun is not ended beside a factor that it has not shown.
        private(&elsewhere.refresh().await, 200);
        refused(&elsewhere.post(REGISTER_FINISH, &body).await, 403, "fresh_login_required");

        let carl = app.sign_up("carl").await;
        let (late, in_time) = (begin(&carl, REGISTER_START).await, Duration::from_mins(5));
        app.clock.advance(in_time);
        let body = created(&mut SecurityKey::default(), &late, "late");
        refused(&carl.post(REGISTER_FINISH, &body).await, 400, "passkey_refused");
        let begun = begin(&carl, REGISTER_START).await;
        app.clock.advance(Duration::from_micros(299_999_999));
        private(&carl.post(REGISTER_FINISH, &created(&mut SecurityKey::default(), &begun, "x")).await, 201);
    }

    async fn it_needs_a_fresh_sign_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        app.clock.advance(Duration::from_secs(601));
        private(&ada.refresh().await, 200);
        let stale = ada.send(http::Method::POST, REGISTER_START, None).await;
        refused(&stale, 403, "fresh_login_required");
        assert_eq!((&stale.json["max_age"], &stale.json["methods"]), (&json!(600), &json!(["password"])));
        register(&mut app.sign_in("ada").await, &mut SecurityKey::default(), "x").await;
    }
}

/// What an authenticator does wrong.
type Lie = fn(&mut SecurityKey);

const LIES: [(&str, Lie); 4] = [
    ("another origin", |a| a.origin = "https://evil.example".into()),
    ("the same host by another port", |a| a.origin = "http://localhost:8401".into()),
    ("another relying party", |a| a.rp_id = "evil.example".into()),
    ("an unverified user", |a| a.verifies = false),
];

#[tokio::test]
async fn what_a_browser_would_not_have_answered_is_refused() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for (what, lie) in LIES {
        let mut authenticator = SecurityKey::default();
        lie(&mut authenticator);
        let begun = begin(&ada, REGISTER_START).await;
        let reply = ada.post(REGISTER_FINISH, &created(&mut authenticator, &begun, "x")).await;
        assert_eq!(reply.outcome(), (400, "passkey_refused"), "{what}");
    }
    // The answer to another challenge, and one for a sign-in.
    let (one, two) = (begin(&ada, REGISTER_START).await, begin(&ada, REGISTER_START).await);
    let mut body = created(&mut SecurityKey::default(), &one, "x");
    body["ceremony"] = two["ceremony"].clone();
    refused(&ada.post(REGISTER_FINISH, &body).await, 400, "passkey_refused");
    // Looking at it has used it up.
    let body = created(&mut SecurityKey::default(), &two, "x");
    refused(&ada.post(REGISTER_FINISH, &body).await, 400, "passkey_refused");
    assert_eq!(ada.get("/auth/passkeys").await.json["items"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_read_is_said_by_field() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for credential in [json!({}), json!("x"), json!(null), json!({"id": 1})] {
        let begun = begin(&ada, REGISTER_START).await;
        let body = json!({"ceremony": begun["ceremony"], "credential": credential});
        invalid(&ada.post(REGISTER_FINISH, &body).await, &[("credential", "invalid")]);
    }
    let begun = begin(&ada, REGISTER_START).await;
    for name in ["", " ", "a\nb", &"x".repeat(101)] {
        let body = created(&mut SecurityKey::default(), &begun, name);
        let reply = ada.post(REGISTER_FINISH, &body).await;
        refused(&reply, 422, "validation_failed");
        assert_eq!(reply.json["errors"][0]["field"], "name", "{name:?}");
    }
    for ceremony in ["", "x", "pcw_0000000000000000000000000000000000000000000000000"] {
        let mut body = created(&mut SecurityKey::default(), &begun, "x");
        body["ceremony"] = json!(ceremony);
        refused(&ada.post(REGISTER_FINISH, &body).await, 400, "passkey_refused");
    }
    // None of that has used it up; and it needs no name.
    let mut body = created(&mut SecurityKey::default(), &begun, "x");
    body["name"] = Value::Null;
    let reply = ada.post(REGISTER_FINISH, &body).await;
    private(&reply, 201);
    assert_eq!(reply.json["passkey"]["name"], "Passkey");
}

#[tokio::test]
async fn only_a_session_of_ones_own_registers() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let script = holder(&app, &api_token(&ada, &json!({"name": "x"})).await);
    for path in [REGISTER_START, REGISTER_FINISH] {
        let body = json!({"ceremony": "x", "credential": {}});
        refused(&script.post(path, &body).await, 403, "session_required");
    }
    private(&script.get("/auth/passkeys").await, 200);
    // Whoever has signed out cannot end what they began.
    let begun = begin(&ada, REGISTER_START).await;
    let mut other = app.another(|_| {}).await;
    other.cut_off().await;
    private(&ada.post("/auth/logout", &json!({})).await, 204);
    let body = created(&mut SecurityKey::default(), &begun, "x");
    refused(&ada.at(&other).post(REGISTER_FINISH, &body).await, 401, "invalid_token");
}

#[tokio::test]
async fn without_a_host_name_there_are_none() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.settings.relying_party = None).await;
    let ada = app.sign_up("ada").await;
    for path in [REGISTER_START, super::LOGIN_START] {
        refused(&ada.send(http::Method::POST, path, None).await, 404, "not_found");
    }
    assert_eq!(app.anon().get("/auth/config").await.json["methods"], json!(["password"]));
}
