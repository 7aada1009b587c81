//! While an administrator acts as another user: `pc_act_…` beside the administrator's own.

use std::time::Duration;

use portcullis_testkit::app::Browser;
use portcullis_testkit::{Reply, TestApp};
use serde_json::json;

use super::{cleared_names, set, set_names, signed_in};
use crate::on_both;
use crate::support::{admin, claims, events, private, refused};

/// An administrator in a browser, acting as `ada`.
async fn acting(app: &TestApp, delivery: &str, mode: &str) -> (Browser, Reply) {
    admin(app, "root").await;
    let ada = app.sign_up("ada").await;
    let mut root = app.browser();
    let signed_in = root.sign_in("root", delivery).await;
    if delivery == "cookie" {
        root = root.bearing(signed_in.json["access_token"].as_str());
    }
    let begin = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
    let reply = root.post(&begin, &json!({"reason": "a reason", "mode": mode})).await;
    private(&reply, 200);
    let mut root = root.bearing(None);
    root.fetch_csrf_token().await;
    (root, reply)
}

on_both! {
    async fn both_are_there_and_the_acting_one_is_used(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, reply) = acting(&app, "cookies", "full").await;
        assert_eq!(set_names(&reply), ["csrftoken", "pc_act_access", "pc_act_refresh"]);
        assert!(reply.json["access_token"].is_null() && reply.json["refresh_token"].is_null());
        assert_eq!(
            root.jar().names(),
            ["csrftoken", "pc_access", "pc_act_access", "pc_act_refresh", "pc_device", "pc_refresh"]
        );
        for cookie in set(&reply).iter().filter(|cookie| cookie.name != "csrftoken") {
            assert_eq!(cookie.attributes, "Path=/; HttpOnly; SameSite=Lax");
        }
        assert_eq!(root.get("/auth/me").await.json["name"], "ada");
        private(&root.patch("/auth/me", &json!({"job_title": "x"})).await, 200);
        let reply = root.refresh().await;
        assert_eq!(set_names(&reply), ["csrftoken", "pc_act_access", "pc_act_refresh"]);
        assert_eq!(reply.json["user"]["name"], "ada");
        assert_eq!(root.get("/auth/me").await.json["name"], "ada");
    }

    async fn stopping_leaves_the_administrator(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut root, _) = acting(&app, "cookies", "read").await;
        let before = root.copied();
        refused(&root.knowing(None).post("/auth/impersonation/stop", &json!({})).await, 403, "csrf_failed");
        let reply = root.post("/auth/impersonation/stop", &json!({})).await;
        private(&reply, 204);
        assert_eq!(cleared_names(&reply), ["pc_act_access", "pc_act_refresh"]);
        assert_eq!(root.get("/auth/me").await.json["email"], "root@example.org");
        // Scripts that read the cookie have the right token at once.
        let own = root.value("csrftoken");
        assert_eq!(root.fetch_csrf_token().await, own);
        assert_eq!(root.refresh().await.json["user"]["email"], "root@example.org");
        refused(&before.get("/auth/me").await, 401, "invalid_token");
    }

    async fn stopping_needs_no_access_token_that_is_still_good(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, _) = acting(&app, "cookies", "read").await;
        let twice = root.copied();
        app.clock.advance(Duration::from_mins(16));
        for root in [&root, &twice] {
            refused(&root.get("/auth/me").await, 401, "invalid_token");
            refused(&root.saying(&[]).post("/auth/impersonation/stop", &json!({})).await, 403, "csrf_failed");
            let reply = root.post("/auth/impersonation/stop", &json!({})).await;
            private(&reply, 204);
            assert_eq!(cleared_names(&reply), ["pc_act_access", "pc_act_refresh"]);
        }
        let stopped = events(&app, "session.ended").await;
        assert_eq!((stopped.len(), &stopped[0]["detail"]["cause"]), (1, &json!("acting_ended")));
        let mut root = root;
        root.fetch_csrf_token().await;
        assert_eq!(root.refresh().await.json["user"]["email"], "root@example.org");
        // With nothing to stop, it says so.
        refused(&root.post("/auth/impersonation/stop", &json!({})).await, 409, "conflict");
    }

    async fn signing_out_ends_both(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, _) = acting(&app, "cookies", "read").await;
        let before = root.copied();
        let reply = root.post("/auth/logout", &json!({})).await;
        private(&reply, 204);
        assert_eq!(
            cleared_names(&reply),
            ["csrftoken", "pc_access", "pc_act_access", "pc_act_refresh", "pc_refresh"]
        );
        refused(&before.refresh().await, 401, "refresh_revoked");
        for name in ["pc_act_access", "pc_act_refresh"] {
            before.jar().remove(name);
        }
        let mut before = before;
        before.fetch_csrf_token().await;
        refused(&before.refresh().await, 401, "refresh_revoked");
    }

    async fn after_its_hour_the_administrators_own_is_next(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut root, _) = acting(&app, "cookies", "read").await;
        app.clock.advance(Duration::from_hours(1));
        refused(&root.get("/auth/me").await, 401, "invalid_token");
        let reply = root.refresh().await;
        refused(&reply, 401, "refresh_expired");
        assert_eq!(cleared_names(&reply), ["pc_act_access", "pc_act_refresh"]);
        root.fetch_csrf_token().await;
        assert_eq!(root.refresh().await.json["user"]["email"], "root@example.org");
        assert_eq!(root.get("/auth/me").await.json["email"], "root@example.org");
    }

    async fn an_access_token_that_went_astray_makes_nobody_the_administrator_again(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, _) = acting(&app, "cookies", "full").await;
        root.jar().remove("pc_act_access");
        refused(&root.get("/auth/me").await, 401, "invalid_token");
        refused(&root.patch("/auth/me", &json!({"name": "x"})).await, 401, "invalid_token");
        assert_eq!(root.refresh().await.json["user"]["name"], "ada");
        assert_eq!(root.get("/auth/me").await.json["name"], "ada");
    }

    async fn in_a_single_page_app(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, reply) = acting(&app, "cookie", "read").await;
        assert_eq!(set_names(&reply), ["csrftoken", "pc_act_refresh"]);
        let access = reply.json["access_token"].as_str().unwrap();
        assert!(claims(access)["act"]["sub"].is_string());
        let refreshed = root.refresh().await;
        assert_eq!(refreshed.json["user"]["name"], "ada");
        // Stopped by bearer, as it does everything; the cookie came along.
        let page = root.bearing(refreshed.json["access_token"].as_str()).saying(&[]).knowing(None);
        let stopped = page.post("/auth/impersonation/stop", &json!({})).await;
        private(&stopped, 204);
        assert_eq!(cleared_names(&stopped), ["pc_act_refresh"]);
        let mut root = root;
        root.fetch_csrf_token().await;
        assert_eq!(root.refresh().await.json["user"]["email"], "root@example.org");
    }
}

on_both! {
    /// However acting ends, as long as it is by whoever holds it, the audit log names the administrator.
    async fn whoever_acted_stands_in_the_audit_log(backend: Backend) {
        for end in ["/auth/impersonation/stop", "/auth/logout", "/auth/login"] {
            let app = TestApp::new(backend).await;
            let (root, reply) = acting(&app, "cookies", "read").await;
            let begun = events(&app, "impersonation.started").await;
            let body = if end == "/auth/login" {
                json!({"email": "ada@example.org", "password": portcullis_testkit::PASSWORD, "delivery": "cookies"})
            } else {
                json!({})
            };
            assert!(root.post(end, &body).await.status < 300, "{end}");
            let ended = events(&app, "session.ended").await;
            let its: Vec<_> = ended.iter().filter(|event| event["session"] == reply.json["session_id"]).collect();
            assert_eq!(its.len(), 1, "{end}");
            assert!(its[0]["actor"].is_string() && its[0]["actor"] == begun[0]["actor"], "{end}: {}", its[0]);
            assert_eq!(its[0]["user"], begun[0]["user"]);
            let own = ended.iter().filter(|event| event["session"] != reply.json["session_id"]);
            assert!(own.into_iter().all(|event| event["actor"].is_null()), "nobody but the user acts there");
        }
    }
}

#[tokio::test]
async fn from_a_session_in_the_body_it_stays_there() {
    let app = TestApp::new(portcullis_testkit::Backend::Sqlite).await;
    let root = admin(&app, "root").await;
    let ada = app.sign_up("ada").await;
    let begin = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
    let reply = root.post(&begin, &json!({"reason": "x"})).await;
    private(&reply, 200);
    assert!(reply.json["refresh_token"].is_string() && set(&reply).is_empty());
    // Also beside cookies of another session in that browser.
    let browser = signed_in(&app, "bob", "cookies").await.bearing(root.access_token.as_deref());
    let reply = browser.post(&begin, &json!({"reason": "x"})).await;
    assert!(reply.json["refresh_token"].is_string() && set(&reply).is_empty());
}
