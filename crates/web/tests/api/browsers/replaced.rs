//! Signing in ends the session whose cookie came along: nothing of it is left behind in a browser that goes on as
//! somebody else.

use portcullis_testkit::app::Browser;
use portcullis_testkit::{PASSWORD, Reply, TestApp};
use serde_json::json;

use super::{cleared_names, signed_in};
use crate::on_both;
use crate::support::{admin, events, private, refused};

async fn login(browser: &Browser, name: &str, password: &str) -> Reply {
    let email = format!("{name}@example.org");
    browser.post("/auth/login", &json!({"email": email, "password": password, "delivery": "cookies"})).await
}

on_both! {
    async fn the_one_before_ends_whoever_it_belonged_to(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("bob").await;
        let mut ada = signed_in(&app, "ada", "cookies").await;
        let other = app.another(|_| {}).await;
        for name in ["bob", "ada", "ada"] {
            let before = ada.copied();
            let session = before.refresh().await.json["session_id"].clone();
            private(&login(&before.copied().at(&other), name, PASSWORD).await, 200);
            refused(&before.copied().refresh().await, 401, "refresh_revoked");
            let gone = app.anon().bearing(Some(&before.value("pc_access")));
            gone.until_refused("/auth/me").await;
            let ended = events(&app, "session.ended").await;
            let its: Vec<_> = ended.iter().filter(|event| event["session"] == session).collect();
            assert_eq!((its.len(), &its[0]["detail"]["cause"]), (1, &json!("replaced")));
            ada = app.browser();
            ada.sign_in("ada", "cookies").await;
        }
    }

    async fn a_wrong_password_ends_nothing(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await;
        refused(&login(&ada, "ada", "wrong wrong wrong").await, 401, "invalid_credentials");
        assert_eq!(ada.refresh().await.status, 200);
    }

    async fn signing_up_ends_it_too(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await;
        let before = ada.copied();
        let body = json!({"email": "new@example.org", "password": PASSWORD, "delivery": "cookie"});
        let reply = ada.post("/auth/register", &body).await;
        private(&reply, 201);
        assert_eq!(cleared_names(&reply), ["pc_access"], "what the new session has no use for");
        refused(&before.refresh().await, 401, "refresh_revoked");
        assert_eq!(ada.copied().get("/auth/me").await.status, 401);
    }

    async fn acting_ends_with_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        admin(&app, "root").await;
        let ada = app.sign_up("ada").await;
        let mut root = app.browser();
        root.sign_in("root", "cookies").await;
        let user = ada.user.as_deref().unwrap();
        let begin = format!("/admin/api/users/{user}/impersonate");
        private(&root.post(&begin, &json!({"reason": "x"})).await, 200);
        root.fetch_csrf_token().await;
        let before = root.copied();
        let reply = login(&root, "ada", PASSWORD).await;
        private(&reply, 200);
        assert_eq!(cleared_names(&reply), ["pc_act_access", "pc_act_refresh"]);
        refused(&before.refresh().await, 401, "refresh_revoked");
        before.jar().remove("pc_act_refresh");
        before.jar().remove("pc_act_access");
        let mut before = before;
        before.fetch_csrf_token().await;
        refused(&before.refresh().await, 401, "refresh_revoked");
        assert_eq!(root.get("/auth/me").await.json["name"], "ada");
    }

    /// Of two sign-ins at once in one browser each ends the one before; none fails.
    async fn many_at_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await;
        app.sign_up("bob").await;
        let calls = (0..12).map(|at| {
            let tab = ada.copied();
            tokio::spawn(async move { login(&tab, if at % 2 == 0 { "ada" } else { "bob" }, PASSWORD).await })
        });
        for call in calls.collect::<Vec<_>>() {
            private(&call.await.unwrap(), 200);
        }
        refused(&ada.refresh().await, 401, "refresh_revoked");
        let replaced = events(&app, "session.ended").await;
        assert_eq!(replaced.len(), 1, "it ended once: {replaced:?}");
    }
}
