use portcullis_core::registration::Mode;
use portcullis_testkit::{Backend, PASSWORD, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{credentials, invalid, private, redacted, refused, token_json, user_json};

on_both! {
    async fn makes_a_user_with_an_account_of_their_own(backend: Backend) {
        let app = TestApp::new(backend).await;
        let body = json!({"email": "ada@example.org", "password": PASSWORD, "name": "ada", "unknown": [1]});
        let reply = app.anon().post("/auth/register", &body).await;
        private(&reply, 201);
        assert_eq!(redacted(&reply.json), json!({"user": user_json("ada", None)}));
        let login = app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await;
        assert_eq!(login.json["user"]["id"], reply.json["user"]["id"]);
    }

    async fn with_delivery_signs_in_at_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let body = json!({"email": "ada@example.org", "password": PASSWORD, "name": "ada", "delivery": "body"});
        let reply = app.anon().post("/auth/register/", &body).await;
        private(&reply, 201);
        assert_eq!(redacted(&reply.json), token_json("ada"));
        let mut ada = app.anon();
        ada.take_tokens(&reply);
        assert_eq!(ada.get("/auth/me").await.status, 200);
        assert_eq!(ada.refresh().await.status, 200);
    }

    async fn a_taken_address_or_name_is_a_conflict_however_it_is_written(backend: Backend) {
        let app = TestApp::new(backend).await;
        let first = json!({"email": "Ada@Example.org", "username": "Ada", "password": PASSWORD});
        assert_eq!(app.anon().post("/auth/register", &first).await.status, 201);
        let again = json!({"email": "ADA@EXAMPLE.ORG", "password": PASSWORD});
        refused(&app.anon().post("/auth/register", &again).await, 409, "email_taken");
        let name = json!({"email": "other@example.org", "username": "aDA", "password": PASSWORD});
        refused(&app.anon().post("/auth/register", &name).await, 409, "username_taken");
    }

    async fn of_many_who_register_one_address_at_once_one_gets_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let calls = (0..20).map(|at| {
            let actor = if at % 2 == 0 { app.anon() } else { other.anon() };
            tokio::spawn(async move {
                actor.post("/auth/register", &credentials("ada", PASSWORD)).await.status
            })
        });
        let mut statuses = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            statuses.push(call.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses[0], 201);
        assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    }
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let app = TestApp::new(Backend::Sqlite).await;
    let body = json!({"email": "ada", "password": "tiny pw", "name": " ", "username": "a@b"});
    let reply = app.anon().post("/auth/register", &body).await;
    let fields = [
        ("email", "invalid_email"),
        ("name", "blank"),
        ("username", "invalid"),
        ("password", "password_too_short"),
    ];
    invalid(&reply, &fields);
    assert!(!reply.text().contains("tiny pw"), "what was sent is not repeated");
}

#[tokio::test]
async fn passwords_follow_the_rules() {
    let app = TestApp::new(Backend::Sqlite).await;
    let long = "a lot of words ".repeat(20);
    for (password, code) in [
        ("", "password_too_short"),
        ("fourteen chars", "password_too_short"),
        (long.as_str(), "password_too_long"),
        ("abababababababababab", "password_repetitive"),
        ("ada.lovelace@example.org", "password_context"),
    ] {
        let body = json!({"email": "ada.lovelace@example.org", "password": password});
        invalid(&app.anon().post("/auth/register", &body).await, &[("password", code)]);
    }
}

#[tokio::test]
async fn an_unknown_delivery_is_refused_before_anybody_is_made() {
    let app = TestApp::new(Backend::Sqlite).await;
    for delivery in ["Cookies", "carrier pigeon", ""] {
        let mut body = credentials("ada", PASSWORD);
        body["delivery"] = delivery.into();
        invalid(&app.anon().post("/auth/register", &body).await, &[("delivery", "invalid")]);
    }
    assert_eq!(app.anon().post("/auth/register", &credentials("ada", PASSWORD)).await.status, 201);
}

#[tokio::test]
async fn nobody_registers_where_it_is_closed() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.settings.registration.mode = Mode::Closed).await;
    let reply = app.anon().post("/auth/register", &credentials("ada", PASSWORD)).await;
    refused(&reply, 403, "registration_closed");
}
