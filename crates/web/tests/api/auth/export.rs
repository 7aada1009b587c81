//! `GET /auth/me/export`

use std::time::Duration;

use portcullis_testkit::{Backend, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{admin, api_token, events, private, refused};

const EXPORT: &str = "/auth/me/export";

on_both! {
    async fn everything_and_no_secret(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        app.sign_up("bob").await;
        app.clock.advance(Duration::from_millis(1));
        let token = api_token(&ada, &json!({"name": "ci", "scopes": ["a", "b"], "description": "for builds"})).await;
        ada.post("/auth/bots", &json!({"name": "helper"})).await;
        let root = admin(&app, "root").await.from_address("203.0.113.9");
        let path = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
        private(&root.post(&path, &json!({"reason": "ticket 7"})).await, 200);
        app.clock.advance(Duration::from_millis(1));

        let reply = ada.get(EXPORT).await;
        private(&reply, 200);
        let all = &reply.json;
        assert_eq!((&all["user"]["email"], &all["exported_at"]), (&json!("ada@example.org"), &json!("2026-01-01T00:00:00.002Z")));
        assert_eq!((&all["memberships"][0]["name"], &all["memberships"][0]["role"]), (&json!("ada's Account"), &json!("owner")));
        assert_eq!(all["memberships"].as_array().unwrap().len(), 1);
        let sessions = all["sessions"].as_array().unwrap();
        let own: Vec<_> = sessions.iter().filter(|session| session["acting"] == false).collect();
        assert_eq!((sessions.len(), own.len()), (2, 1));
        assert_eq!((&own[0]["id"], &own[0]["address"]), (&json!(ada.session), &json!("127.0.0.1")));
        assert_eq!((&all["api_tokens"][0]["name"], &all["api_tokens"][0]["scopes"]), (&json!("ci"), &json!(["a", "b"])));
        assert_eq!(all["bots"][0]["name"], "helper");
        let kinds: Vec<_> = all["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
        for kind in ["user.registered", "session.started", "impersonation.started"] {
            assert!(kinds.contains(&kind), "{kinds:?}");
        }
        let acted = all["events"].as_array().unwrap().iter().find(|event| event["own"] == false).unwrap();
        assert_eq!((&acted["address"], &acted["detail"]["reason"]), (&Value::Null, &json!("ticket 7")));
        assert_eq!(all["more_events"], json!(false));

        let text = reply.text();
        for secret in [token["token"].as_str(), ada.refresh_token.as_deref(), Some("argon2"), Some("203.0.113.9"), Some("bob@")] {
            assert!(!text.contains(secret.unwrap()), "{secret:?}");
        }
        let noted = events(&app, "user.data_exported").await;
        assert_eq!((noted.len(), &noted[0]["session"]), (1, &json!(ada.session)));
    }
}

#[tokio::test]
async fn only_after_a_fresh_sign_in() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    app.clock.advance(Duration::from_mins(10));
    private(&ada.get(EXPORT).await, 200);
    app.clock.advance(Duration::from_secs(1));
    // To refresh is not to sign in.
    assert_eq!(ada.refresh().await.status, 200);
    let stale = ada.get(EXPORT).await;
    refused(&stale, 403, "fresh_login_required");
    assert_eq!((&stale.json["max_age"], &stale.json["methods"]), (&json!(600), &json!(["password"])));
    private(&app.sign_in("ada").await.get(EXPORT).await, 200);
}
