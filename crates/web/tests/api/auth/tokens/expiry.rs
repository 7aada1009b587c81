//! The end of a token, by the manual clock.

use std::time::Duration;

use portcullis_testkit::TestApp;
use serde_json::json;

use crate::on_both;
use crate::support::{api_token, holder, private, refused};

const DAY: u64 = 86_400;

on_both! {
    async fn good_until_the_second_it_ends(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        app.clock.advance(Duration::from_millis(700));
        let made = api_token(&ada, &json!({"name": "x", "expires_in_days": 1})).await;
        assert_eq!(made["expires_at"], "2026-01-02T00:00:00Z", "in whole seconds");
        let script = holder(&app, &made);
        assert_eq!(script.get("/auth/me").await.status, 200, "known from now on");
        app.clock.advance(Duration::from_millis(86_400_000 - 701));
        for node in [&app, &other] {
            assert_eq!(script.at(node).get("/auth/me").await.status, 200);
        }
        app.clock.advance(Duration::from_millis(1));
        for node in [&app, &other, &app.another(|_| {}).await] {
            refused(&script.at(node).get("/auth/me").await, 401, "invalid_token");
            refused(&script.at(node).get("/auth/tokens/current").await, 401, "invalid_token");
            let proxied = script.at(node).proxied("GET", "app.example", "/");
            assert_eq!(proxied.get("/auth/verify").await.status, 401);
        }
    }

    async fn what_ran_out_or_was_revoked_is_deleted_a_week_later(backend: Backend) {
        // No mail is sent, which would be deleted after a week, too.
        let app = TestApp::with(backend, |setup| setup.settings.email_verification = false).await;
        let ada = app.sign_up("ada").await;
        api_token(&ada, &json!({"name": "stays"})).await;
        api_token(&ada, &json!({"name": "runs out", "expires_in_days": 1})).await;
        let revoked = api_token(&ada, &json!({"name": "is revoked"})).await;
        private(&ada.delete(&format!("/auth/tokens/{}", revoked["id"].as_str().unwrap())).await, 204);
        app.clock.advance(Duration::from_secs(7 * DAY - 1));
        app.cx.purge().await.unwrap();
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(app.cx.purge().await.unwrap(), 1, "the revoked one");
        app.clock.advance(Duration::from_secs(DAY - 1));
        assert_eq!(app.cx.purge().await.unwrap(), 0);
        app.clock.advance(Duration::from_secs(1));
        app.cx.keep_house_once("a test").await.unwrap();
        assert_eq!(app.cx.purge().await.unwrap(), 0, "the expired one went with the periodic work");
        let ada = app.sign_in("ada").await;
        assert_eq!(ada.get("/auth/tokens").await.json["items"].as_array().unwrap().len(), 1);
    }
}
