use std::collections::HashSet;
use std::time::Duration;

use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{invalid, private, redacted, refused};

on_both! {
    async fn lists_the_live_ones_newest_first(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        app.clock.advance(Duration::from_mins(1));
        let phone = app.anon().with_header("user-agent", "Phone \u{fc}").from_address("2001:db8::7");
        let body = crate::support::credentials("ada", portcullis_testkit::PASSWORD);
        assert_eq!(phone.post("/auth/login", &body).await.status, 200);
        app.sign_up("bob").await;
        let gone = app.sign_in("ada").await;
        gone.delete(&format!("/auth/sessions/{}", gone.session.as_deref().unwrap())).await;
        let reply = ada.get("/auth/sessions").await;
        private(&reply, 200);
        let expected = json!({"items": [
            {"id": "[id]", "device": "Phone \u{fc}", "address": "2001:db8::7", "created_at": "2026-01-01T00:01:00Z",
             "last_used_at": "2026-01-01T00:01:00Z", "current": false, "acting": false, "methods": ["pwd"]},
            {"id": "[id]", "device": "portcullis-tests", "address": "127.0.0.1",
             "created_at": "2026-01-01T00:00:00Z", "last_used_at": "2026-01-01T00:00:00Z", "current": true, "acting": false, "methods": ["pwd"]},
        ], "next_cursor": null});
        assert_eq!(redacted(&reply.json), expected);
        assert_eq!(reply.json["items"][1]["id"].as_str(), ada.session.as_deref());
        assert_eq!(ada.get("/auth/sessions/").await.json, reply.json);
    }

    async fn use_is_noted_by_rotation(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        app.clock.advance(Duration::from_secs(90));
        ada.from_address("192.0.2.7").refresh().await;
        let item = ada.get("/auth/sessions").await.json["items"][0].clone();
        assert_eq!(item["last_used_at"], "2026-01-01T00:01:30Z");
        assert_eq!(item["created_at"], "2026-01-01T00:00:00Z");
        assert_eq!(item["address"], "192.0.2.7");
    }

    async fn pages_hold_each_session_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        for _ in 0..6 {
            app.clock.advance(Duration::from_millis(1));
            app.sign_in("ada").await;
        }
        let (mut seen, mut path) = (Vec::new(), "/auth/sessions?limit=3".to_owned());
        for _ in 0..4 {
            let page = ada.get(&path).await.json;
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/auth/sessions/?cursor={cursor}&limit=3");
        }
        assert_eq!(seen.len(), 7);
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 7);
        assert_eq!(seen.last(), ada.session.as_ref(), "the oldest comes last");
    }

    async fn ending_one_ends_it_alone(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut tablet = app.sign_in("ada").await;
        let path = format!("/auth/sessions/{}", tablet.session.as_deref().unwrap());
        private(&ada.delete(&path).await, 204);
        refused(&tablet.get("/auth/me").await, 401, "invalid_token");
        refused(&tablet.refresh().await, 401, "refresh_revoked");
        refused(&ada.delete(&path).await, 404, "not_found");
        assert_eq!(ada.refresh().await.status, 200);
        let own = format!("/auth/sessions/{}/", ada.session.as_deref().unwrap());
        private(&ada.delete(&own).await, 204);
        refused(&ada.get("/auth/sessions").await, 401, "invalid_token");
    }

    async fn those_of_others_are_not_there(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let mut bob = app.sign_up("bob").await;
        let bobs = bob.session.clone().unwrap();
        for id in [&*bobs, "00000000-0000-7000-8000-000000000000", "x", "1", "%00", "%ff", "..%2fme"] {
            refused(&ada.delete(&format!("/auth/sessions/{id}")).await, 404, "not_found");
        }
        assert_eq!(bob.get("/auth/me").await.status, 200);
        assert_eq!(bob.refresh().await.status, 200);
    }
}

#[tokio::test]
async fn a_page_has_one_to_a_hundred() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for limit in ["1", "100", "+5"] {
        let encoded = limit.replace('+', "%2B");
        assert_eq!(ada.get(&format!("/auth/sessions?limit={encoded}")).await.status, 200, "{limit}");
    }
    for limit in ["0", "101", "-1", "x", "", "1.0", "99999999999999999999999", "1%20"] {
        let reply = ada.get(&format!("/auth/sessions?limit={limit}")).await;
        invalid(&reply, &[("limit", "invalid")]);
    }
    for cursor in ["x", "", "%F0%9F%90%99", "00000000-0000-7000-8000"] {
        let reply = ada.get(&format!("/auth/sessions?cursor={cursor}")).await;
        invalid(&reply, &[("cursor", "invalid")]);
    }
    for query in ["limit=1&limit=2", "limit=%", "limit=%ff"] {
        refused(&ada.get(&format!("/auth/sessions?{query}")).await, 400, "malformed_request");
    }
    invalid(&ada.get("/auth/sessions?limit=1%00").await, &[("limit", "nul_character")]);
}
