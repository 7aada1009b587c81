//! `registration.hook_url`: the operator's service is asked before anybody is made, and fails closed.

use portcullis_app::settings::RegistrationHook;
use portcullis_core::standard_webhook::{ID, SIGNATURE, TIMESTAMP, WebhookSecret, check};
use portcullis_core::time::Clock as _;
use portcullis_testkit::{Backend, Setup, TestApp};
use serde_json::{Value, json};

use super::invites::{by_invite, invite, register};
use crate::support::{admin, private, refused};

const HOOK: &str = "https://hook.example/registering";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn secret() -> WebhookSecret {
    WebhookSecret::parse(SECRET).expect("a secret")
}

fn hooked(setup: &mut Setup) {
    setup.settings.registration.hook = Some(RegistrationHook::new(HOOK.into(), secret()));
}

#[tokio::test]
async fn it_is_asked_by_a_signed_message_and_may_let_in() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        hooked(setup);
        by_invite(setup);
    })
    .await;
    app.outbound.respond(HOOK, 200, r#"{"allow": true}"#);
    let root = admin(&app, "root").await;
    assert!(app.outbound.posted().is_empty(), "what operators do is not asked about");
    let made = invite(&root, &json!({})).await;
    private(&register(&app.anon(), "ada", &json!({"invite_code": made["code"]})).await, 201);
    let posted = app.outbound.posted();
    assert_eq!(posted.len(), 1);
    let headers = [ID, TIMESTAMP, SIGNATURE].map(|name| posted[0].header(name));
    assert!(check(headers, app.clock.now(), &posted[0].body, &secret()));
    let message: Value = serde_json::from_slice(&posted[0].body).unwrap();
    assert_eq!(
        (&message["type"], &message["timestamp"]),
        (&json!("user.registering"), &json!("2026-01-01T00:00:00Z"))
    );
    assert_eq!(
        (&message["data"]["email"], &message["data"]["name"]),
        (&json!("ada@example.org"), &json!("ada"))
    );
    assert_eq!((&message["data"]["invite_id"], &message["data"]["account_id"]), (&made["id"], &Value::Null));
    let text = String::from_utf8_lossy(&posted[0].body).into_owned();
    assert!(!text.contains(portcullis_testkit::PASSWORD) && !text.contains(made["code"].as_str().unwrap()));
    // Whoever would not be let in anyway is not asked about.
    refused(&register(&app.anon(), "bob", &json!({"invite_code": made["code"]})).await, 400, "invite_used");
    assert_eq!(app.outbound.posted().len(), 1);
}

#[tokio::test]
async fn it_may_refuse_in_its_own_words() {
    let app = TestApp::with(Backend::Sqlite, hooked).await;
    app.outbound.respond(HOOK, 200, r#"{"allow": false, "message": "Only for\nmembers of the club."}"#);
    let reply = register(&app.anon(), "ada", &json!({})).await;
    refused(&reply, 403, "registration_refused");
    assert_eq!(reply.json["detail"], "Only for members of the club.");
    app.outbound.respond(HOOK, 200, r#"{"allow": false}"#);
    refused(&register(&app.anon(), "ada", &json!({})).await, 403, "registration_refused");
    assert_eq!(app.cx.store.count_users().await.unwrap(), 0);
}

#[tokio::test]
async fn whatever_is_no_leave_keeps_everybody_out() {
    let app = TestApp::with(Backend::Sqlite, hooked).await;
    refused(&register(&app.anon(), "ada", &json!({})).await, 503, "registration_unavailable");
    for (status, body) in [
        (500, r#"{"allow": true}"#),
        (204, ""),
        (302, r#"{"allow": true}"#),
        (200, ""),
        (200, "true"),
        (200, r#"{"allow": "true"}"#),
        (200, r#"{"allowed": true}"#),
    ] {
        app.outbound.respond(HOOK, status, body);
        refused(&register(&app.anon(), "ada", &json!({})).await, 503, "registration_unavailable");
    }
    assert_eq!(app.cx.store.count_users().await.unwrap(), 0);
    app.outbound.respond(HOOK, 200, r#"{"allow": true}"#);
    private(&register(&app.anon(), "ada", &json!({})).await, 201);
}
