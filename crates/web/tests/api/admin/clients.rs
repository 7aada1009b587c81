//! `/admin/api/clients`

use portcullis_testkit::{Backend, TestApp};
use serde_json::{Value, json};

use crate::oauth::support::{CHAT, DOCS, EXCHANGE, ISSUER, administrator, services};
use crate::on_both;
use crate::support::{invalid, private, redacted, refused, user_id};

const CLIENTS: &str = "/admin/api/clients";

on_both! {
    async fn made_listed_and_revoked(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let root = administrator(&app).await;
        let body = json!({"name": " Chat ", "grant_types": [EXCHANGE, "client_credentials"],
            "scopes": ["users:write", "a"], "audience": [DOCS, CHAT]});
        let made = root.post(CLIENTS, &body).await;
        private(&made, 201);
        let id = made.json["client_id"].as_str().unwrap().to_owned();
        let secret = made.json["client_secret"].as_str().unwrap().to_owned();
        assert!(secret.starts_with("pcs_") && secret.len() == 54, "{secret}");
        let mut expected = json!({
            "client_id": "[id]", "name": "Chat", "grant_types": ["client_credentials", EXCHANGE],
            "scopes": ["a", "users:write"], "audience": [CHAT, DOCS], "created_at": "2026-01-01T00:00:00Z",
        });
        let mut shown = redacted(&made.json);
        shown.as_object_mut().unwrap().remove("client_secret");
        assert_eq!(shown, expected);
        app.clock.advance(std::time::Duration::from_millis(1));
        let other = root.post(CLIENTS, &json!({"name": "Reader"})).await;
        private(&other, 201);
        assert_eq!((&other.json["audience"], &other.json["grant_types"]), (&Value::Null, &json!([])));

        let list = root.get(CLIENTS).await;
        private(&list, 200);
        assert!(!list.text().contains(&secret), "seen once");
        expected["client_id"] = json!(id);
        assert_eq!(list.json["items"][1], expected);
        let page = root.get(&format!("{CLIENTS}?limit=1")).await;
        assert_eq!(page.json["items"][0]["name"], "Reader");
        let next = root.get(&format!("{CLIENTS}?limit=1&cursor={}", page.json["next_cursor"].as_str().unwrap())).await;
        assert_eq!(next.json["items"][0]["name"], "Chat");

        let path = format!("{CLIENTS}/{id}");
        private(&root.delete(&path).await, 204);
        refused(&root.delete(&path).await, 404, "not_found");
        refused(&root.delete(&format!("{CLIENTS}/x")).await, 404, "not_found");
        assert_eq!(root.get(CLIENTS).await.json["items"].as_array().unwrap().len(), 1);

        let events: Vec<_> = app.cx.store.events(None, 100).await.unwrap().into_iter().map(|event| event.kind).collect();
        for kind in ["client.created", "client.revoked"] {
            assert!(events.iter().any(|found| found == kind), "{kind}: {events:?}");
        }
    }

    async fn by_nobody_who_is_no_administrator_any_more(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let mut other = app.another(services).await;
        let (root, second) = (administrator(&app).await, app.sign_up("second").await);
        // It has not heard of what follows, and believes the token.
        other.cut_off().await;
        app.cx.set_role(user_id(&root), "user").await.unwrap();
        let reply = root.at(&other).post(CLIENTS, &json!({"name": "x"})).await;
        refused(&reply, 401, "invalid_token");
        app.cx.set_role(user_id(&second), "admin").await.unwrap();
        let body = json!({"refresh_token": second.refresh_token, "audience": ISSUER});
        let reply = second.post("/auth/refresh", &body).await;
        let second = second.bearing(reply.json["access_token"].as_str());
        private(&second.at(&other).post(CLIENTS, &json!({"name": "x"})).await, 201);
        private(&second.post("/auth/logout", &body).await, 204);
        let reply = second.at(&other).post(CLIENTS, &json!({"name": "x"})).await;
        refused(&reply, 401, "invalid_token");
        assert_eq!(app.cx.list_clients(None, 10).await.unwrap().len(), 1);
    }

    async fn by_administrators_in_their_own_sessions_alone(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let root = administrator(&app).await;
        let body = json!({"refresh_token": root.refresh_token});
        let wide = root.post("/auth/refresh", &body).await;
        let wide = root.bearing(wide.json["access_token"].as_str());
        refused(&wide.post(CLIENTS, &json!({"name": "x"})).await, 403, "wrong_audience");
        let ada = app.sign_up("ada").await;
        let narrow = ada.post("/auth/refresh", &json!({"refresh_token": ada.refresh_token, "audience": ISSUER})).await;
        let ada = ada.bearing(narrow.json["access_token"].as_str());
        refused(&ada.post(CLIENTS, &json!({"name": "x"})).await, 403, "forbidden");
        refused(&ada.get(CLIENTS).await, 403, "forbidden");
        let token = root.post("/auth/tokens", &json!({"name": "x"})).await.json["token"].clone();
        refused(&root.bearing(token.as_str()).get(CLIENTS).await, 403, "session_required");
    }
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let app = TestApp::with(Backend::Sqlite, services).await;
    let root = administrator(&app).await;
    for (body, field, code) in [
        (json!({}), "name", "required"),
        (json!({"name": " "}), "name", "blank"),
        (json!({"name": "x".repeat(101)}), "name", "too_long"),
        (json!({"name": "x", "grant_types": ["password"]}), "grant_types", "unknown"),
        (json!({"name": "x", "grant_types": ["refresh_token"]}), "grant_types", "unknown"),
        (json!({"name": "x", "scopes": ["a b"]}), "scopes", "invalid"),
        (json!({"name": "x", "scopes": "a"}), "scopes", "wrong_type"),
        (json!({"name": "x", "audience": []}), "audience", "blank"),
        (json!({"name": "x", "audience": ["https://elsewhere.example"]}), "audience", "unknown"),
        (json!({"name": "x", "audience": [CHAT, "a b"]}), "audience", "unknown"),
    ] {
        invalid(&root.post(CLIENTS, &body).await, &[(field, code)]);
    }
    let reply = root.post(CLIENTS, &json!({"name": "", "scopes": [""], "audience": [""]})).await;
    invalid(&reply, &[("name", "blank"), ("scopes", "invalid"), ("audience", "unknown")]);
    assert_eq!(root.get(CLIENTS).await.json["items"], json!([]));
}
