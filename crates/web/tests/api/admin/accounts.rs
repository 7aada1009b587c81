//! `/admin/api/accounts`, by administrators and by services with the scope.

use std::time::Duration;

use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use crate::oauth::support::{TOKEN, post};
use crate::on_both;
use crate::support::{admin, invalid, private, refused};

async fn service(app: &TestApp, scopes: &[&str]) -> portcullis_testkit::Actor {
    let root = app.sign_in("root").await;
    let body = json!({"name": "billing", "grant_types": ["client_credentials"], "scopes": scopes});
    let made = root.post("/admin/api/clients", &body).await.json;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let (id, secret) = (text("client_id"), text("client_secret"));
    let grant = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*secret)];
    let token = post(&app.anon(), TOKEN, &grant).await.json["access_token"].as_str().unwrap().to_owned();
    app.anon().bearing(Some(&token))
}

on_both! {
    async fn a_plan_is_set_shown_and_ended(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = admin(&app, "root").await;
        let ada = app.sign_up("ada").await;
        let account = ada.get("/auth/me").await.json["account"]["id"].as_str().unwrap().to_owned();
        let billing = service(&app, &["accounts:write"]).await;
        let path = format!("/admin/api/accounts/{account}/subscription");
        refused(&root.get(&path).await, 404, "not_found");
        refused(&root.delete(&path).await, 404, "not_found");
        for (actor, body, expected) in [
            (&root, json!({"plan": "pro", "status": "trialing", "trial_days": 14}),
                json!({"plan": "pro", "status": "trialing", "started_at": "2026-01-01T00:00:00Z",
                    "trial_ends_at": "2026-01-15T00:00:00Z", "period_ends_at": null})),
            (&billing, json!({"plan": "max", "period_ends_at": "2026-02-01T02:00:00+02:00"}),
                json!({"plan": "max", "status": "active", "started_at": "2026-01-01T00:00:00Z",
                    "trial_ends_at": null, "period_ends_at": "2026-02-01T00:00:00Z"})),
            (&billing, json!({"plan": "max", "status": "canceled", "period_ends_at": "2026-01-02T00:00:00Z"}),
                json!({"plan": "max", "status": "canceled", "started_at": "2026-01-01T00:00:00Z",
                    "trial_ends_at": null, "period_ends_at": "2026-01-02T00:00:00Z"})),
        ] {
            let reply = actor.send(http::Method::PUT, &path, Some(&body)).await;
            private(&reply, 200);
            assert_eq!(reply.json, expected);
            assert_eq!(actor.get(&path).await.json, expected);
            assert_eq!(ada.get("/auth/me").await.json["subscription"], expected);
            assert_eq!(ada.get(&format!("/auth/accounts/{account}")).await.json["subscription"], expected);
        }
        app.clock.advance(Duration::from_hours(24));
        let ada = app.sign_in("ada").await;
        assert_eq!(ada.get("/auth/me").await.json["subscription"]["status"], "expired");
        let root = app.sign_in("root").await;
        private(&root.delete(&path).await, 204);
        assert_eq!(ada.get("/auth/me").await.json["subscription"], json!(null));
        let unknown = "/admin/api/accounts/00000000-0000-7000-8000-000000000000/subscription";
        refused(&root.send(http::Method::PUT, unknown, Some(&json!({"plan": "pro"}))).await, 404, "not_found");
    }

    async fn listed_and_named(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = admin(&app, "root").await;
        app.clock.advance(Duration::from_millis(5));
        let ada = app.sign_up("ada").await;
        let account = ada.get("/auth/me").await.json["account"]["id"].as_str().unwrap().to_owned();
        let listed = root.get("/admin/api/accounts?limit=1").await;
        private(&listed, 200);
        assert_eq!(listed.json["items"][0]["id"], json!(account));
        let next = listed.json["next_cursor"].as_str().unwrap();
        let next = root.get(&format!("/admin/api/accounts?limit=1&cursor={next}")).await.json;
        assert_ne!(next["items"][0]["id"], json!(account));
        let path = format!("/admin/api/accounts/{account}");
        let named = root.patch(&path, &json!({"name": "Engines"})).await;
        private(&named, 200);
        assert_eq!((&named.json["name"], &root.get(&path).await.json), (&json!("Engines"), &named.json));
        invalid(&root.patch(&path, &json!({"name": ""})).await, &[("name", "blank")]);
        refused(&ada.patch(&path, &json!({"name": "x"})).await, 403, "forbidden");
        let kinds: Vec<_> = app.cx.store.events(None, 100).await.unwrap().into_iter().map(|event| event.kind).collect();
        assert!(kinds.iter().any(|kind| kind == "account.updated"), "{kinds:?}");
    }
}

#[tokio::test]
async fn a_service_needs_the_scope() {
    let app = TestApp::new(Backend::Sqlite).await;
    let root = admin(&app, "root").await;
    let account = root.get("/auth/me").await.json["account"]["id"].as_str().unwrap().to_owned();
    let path = format!("/admin/api/accounts/{account}/subscription");
    let put = async |actor: &portcullis_testkit::Actor| {
        actor.send(http::Method::PUT, &path, Some(&json!({"plan": "pro"}))).await
    };
    let [none, reader, writer] = [
        service(&app, &[]).await,
        service(&app, &["accounts:read"]).await,
        service(&app, &["accounts:write"]).await,
    ];
    for actor in [&none, &reader] {
        assert_eq!(put(actor).await.outcome(), (403, "insufficient_scope"));
    }
    private(&put(&writer).await, 200);
    assert_eq!(none.get(&path).await.outcome(), (403, "insufficient_scope"));
    for actor in [&reader, &writer] {
        private(&actor.get(&path).await, 200);
        refused(&actor.get("/auth/accounts").await, 403, "session_required");
        refused(&actor.get("/admin/api/invites").await, 403, "session_required");
    }
}

#[tokio::test]
async fn what_is_set_must_make_sense() {
    let app = TestApp::new(Backend::Sqlite).await;
    let root = admin(&app, "root").await;
    let account = root.get("/auth/me").await.json["account"]["id"].as_str().unwrap().to_owned();
    let path = format!("/admin/api/accounts/{account}/subscription");
    for (body, field, code) in [
        (json!({"plan": "a b"}), "plan", "invalid"),
        (json!({"plan": "a", "status": "expired"}), "status", "invalid"),
        (json!({"plan": "a", "status": "trialing"}), "trial_ends_at", "missing"),
        (json!({"plan": "a", "status": "canceled"}), "period_ends_at", "missing"),
        (json!({"plan": "a", "trial_days": 3}), "trial_ends_at", "contradiction"),
        (json!({"plan": "a", "status": "trialing", "trial_days": 0}), "trial_days", "out_of_range"),
        (
            json!({"plan": "a", "status": "trialing", "trial_days": 1, "trial_ends_at": "x"}),
            "trial_days",
            "contradiction",
        ),
        (json!({"plan": "a", "period_ends_at": "tomorrow"}), "period_ends_at", "invalid"),
        (
            json!({"plan": "a", "status": "trialing", "trial_days": 3, "period_ends_at": "2026-01-02T00:00:00Z"}),
            "period_ends_at",
            "contradiction",
        ),
    ] {
        invalid(&root.send(http::Method::PUT, &path, Some(&body)).await, &[(field, code)]);
    }
    refused(&root.get(&path).await, 404, "not_found");
}
