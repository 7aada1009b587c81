use portcullis_testkit::{Backend, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{invalid, made, private, redacted, refused, user_json};

/// [`user_json`], and what their account has subscribed to.
fn me_json(name: &str) -> Value {
    let mut expected = user_json(name, Some("2026-01-01T00:00:00Z"));
    expected["subscription"] = Value::Null;
    expected
}

on_both! {
    async fn shows_the_user(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        for path in ["/auth/me", "/auth/me/"] {
            let reply = ada.get(path).await;
            private(&reply, 200);
            assert_eq!(redacted(&reply.json), me_json("ada"));
        }
    }

    async fn only_what_is_sent_changes_and_null_clears(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let first = json!({"phone": "+49 30 123", "job_title": "Countess", "timezone": "Europe/London",
            "locale": "en-GB", "username": "Ada_L", "unknown": {"x": 1}});
        let reply = ada.patch("/auth/me", &first).await;
        private(&reply, 200);
        let mut expected = me_json("ada");
        for (name, value) in first.as_object().unwrap().iter().filter(|(name, _)| *name != "unknown") {
            expected[name] = value.clone();
        }
        assert_eq!(redacted(&reply.json), expected);
        let reply = ada.patch("/auth/me/", &json!({"phone": null, "name": "  Ada Löve  ", "username": null})).await;
        private(&reply, 200);
        for (name, value) in [("phone", Value::Null), ("name", "Ada Löve".into()), ("username", Value::Null)] {
            expected[name] = value;
        }
        assert_eq!(redacted(&reply.json), expected);
        assert_eq!(ada.patch("/auth/me", &json!({})).await.json, reply.json);
        assert_eq!(ada.get("/auth/me").await.json, reply.json);
    }

    async fn a_user_name_belongs_to_one(backend: Backend) {
        let app = TestApp::new(backend).await;
        made(&app, "bob", |request| request.username = Some("bob".into())).await;
        let ada = app.sign_up("ada").await;
        refused(&ada.patch("/auth/me", &json!({"username": "BOB"})).await, 409, "username_taken");
        assert_eq!(ada.patch("/auth/me", &json!({"username": "ada"})).await.status, 200);
        assert_eq!(ada.patch("/auth/me", &json!({"username": "Ada"})).await.json["username"], "Ada");
    }

    async fn changes_at_once_do_not_undo_each_other(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let fields = ["name", "phone", "job_title"];
        let calls = fields.map(|field| {
            let actor = if field == "phone" { ada.at(&other) } else { ada.clone() };
            tokio::spawn(async move { actor.patch("/auth/me", &json!({field: "new"})).await })
        });
        for call in calls {
            assert_eq!(call.await.unwrap().status, 200);
        }
        let me = ada.get("/auth/me").await.json;
        assert!(fields.iter().all(|field| me[field] == "new"), "{me}");
    }
}

#[tokio::test]
async fn wrong_values_change_nothing() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let before = ada.get("/auth/me").await.json;
    let long = "x".repeat(101);
    let body = json!({"name": long, "username": "a b", "phone": "1\n2", "job_title": "", "timezone": "Mars Base",
        "locale": "en_GB"});
    let fields = [
        ("username", "invalid"),
        ("name", "too_long"),
        ("phone", "control_character"),
        ("job_title", "blank"),
        ("timezone", "invalid"),
        ("locale", "invalid"),
    ];
    invalid(&ada.patch("/auth/me", &body).await, &fields);
    for (email, field, code) in [
        (json!("new@example.org"), "current_password", "required"),
        (json!("new"), "email", "invalid_email"),
        (Value::Null, "email", "required"),
    ] {
        let body = json!({"name": "fine", "email": email});
        invalid(&ada.patch("/auth/me", &body).await, &[(field, code)]);
    }
    assert_eq!(ada.get("/auth/me").await.json, before);
}
