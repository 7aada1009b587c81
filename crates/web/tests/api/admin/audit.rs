//! `/admin/api/audit`

use portcullis_testkit::{Actor, Backend, TestApp};
use serde_json::{Value, json};

use crate::oauth::support::{ISSUER, administrator, services};
use crate::on_both;
use crate::support::{invalid, private, redacted, refused, user_id};

const AUDIT: &str = "/admin/api/audit";
const EXPORT: &str = "/admin/api/audit/export";

fn kinds(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

async fn all(root: &Actor, query: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let reply = root.get(&format!("{AUDIT}?limit=2&{query}{cursor}")).await;
        private(&reply, 200);
        let page = reply.json["items"].as_array().unwrap();
        assert!(page.len() <= 2);
        items.extend(page.iter().cloned());
        match reply.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

on_both! {
    async fn read_by_what_who_and_when(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let root = administrator(&app).await;
        app.clock.advance(std::time::Duration::from_secs(1));
        let ada = app.sign_up("ada").await;
        app.clock.advance(std::time::Duration::from_secs(1));
        private(&ada.post("/auth/logout/all", &json!({})).await, 204);

        let everything = all(&root, "").await;
        assert_eq!(kinds(&json!(everything))[0], "session.ended");
        let id = user_id(&ada);
        let on_ada = all(&root, &format!("user={id}")).await;
        // Of one moment are the first two, so that their order is by chance.
        let mut found = json!(on_ada);
        found.as_array_mut().unwrap()[1..].sort_by_key(|event| event["kind"].to_string());
        assert_eq!(kinds(&found), ["session.ended", "session.started", "user.registered"]);
        assert_eq!(redacted(&found[1]), json!({
            "id": "[id]", "seq": null, "at": "2026-01-01T00:00:01Z", "kind": "session.started", "user": "[id]",
            "actor": found[1]["actor"].as_str().map(|_| "[id]"), "session": "[id]",
            "address": found[1]["address"], "detail": found[1]["detail"],
        }));
        let sessions = all(&root, &format!("user={id}&kind=session.*")).await;
        assert_eq!(json!(sessions), json!([found[0], found[1]]));
        assert_eq!(all(&root, "kind=session.ended").await, on_ada[..1]);
        assert_eq!(all(&root, "since=2026-01-01T00:00:02Z").await, on_ada[..1]);
        assert_eq!(all(&root, &format!("user={id}&until=2026-01-01T00:00:02Z")).await, on_ada[1..]);
        assert!(all(&root, "kind=nothing.*").await.is_empty());

        app.cx.chain_once().await.unwrap();
        let chained = all(&root, "").await;
        assert_eq!(chained[0]["seq"], chained.len());

        let export = root.get(&format!("{EXPORT}?user={id}")).await;
        assert_eq!((export.status, export.header("content-type")), (200, Some("application/x-ndjson")));
        assert_eq!(export.header("cache-control"), Some("no-store"));
        let text = export.text();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, all(&root, &format!("user={id}")).await);
    }

    async fn by_administrators_in_their_own_sessions_alone(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let root = administrator(&app).await;
        let ada = app.sign_up("ada").await;
        let narrow = ada.post("/auth/refresh", &json!({"refresh_token": ada.refresh_token, "audience": ISSUER})).await;
        let ada = ada.bearing(narrow.json["access_token"].as_str());
        let token = root.post("/auth/tokens", &json!({"name": "x"})).await.json["token"].clone();
        for path in [AUDIT, EXPORT] {
            refused(&ada.get(path).await, 403, "forbidden");
            refused(&root.bearing(token.as_str()).get(path).await, 403, "session_required");
            refused(&app.anon().get(path).await, 401, "missing_token");
        }
    }
}

#[tokio::test]
async fn wrong_filters_are_named() {
    let app = TestApp::with(Backend::Sqlite, services).await;
    let root = administrator(&app).await;
    for path in [AUDIT, EXPORT] {
        let query = "kind=session&user=ada&actor=%20&since=yesterday&until=1";
        let reply = root.get(&format!("{path}?{query}")).await;
        let fields = ["kind", "user", "actor", "since", "until"].map(|field| (field, "invalid"));
        invalid(&reply, &fields);
    }
    invalid(&root.get(&format!("{AUDIT}?limit=0")).await, &[("limit", "invalid")]);
    invalid(&root.get(&format!("{AUDIT}?cursor=x")).await, &[("cursor", "invalid")]);
}
