//! When and from where a token was used.

use std::time::Duration;

use portcullis_testkit::{Actor, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{api_token, events, holder};

async fn use_it(node: &TestApp, made: &Value, address: &str) {
    assert_eq!(holder(node, made).from_address(address).get("/auth/me").await.status, 200);
    node.cx.write_uses().await.unwrap();
}

async fn last_used(ada: &mut Actor) -> Value {
    ada.refresh().await;
    ada.get("/auth/tokens").await.json["items"][0]["last_used_at"].clone()
}

on_both! {
    async fn written_every_five_minutes_by_whichever_node(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let made = api_token(&ada, &json!({"name": "x"})).await;
        assert_eq!(last_used(&mut ada).await, json!(null));
        assert_eq!(holder(&app, &made).from_address("192.0.2.1").get("/auth/me").await.status, 200);
        assert_eq!(last_used(&mut ada).await, json!(null), "off the path of requests");
        for (seconds, node, expected) in [
            (0, &app, "2026-01-01T00:00:00Z"),
            (299, &other, "2026-01-01T00:00:00Z"),
            (1, &app, "2026-01-01T00:05:00Z"),
            (10, &other, "2026-01-01T00:05:00Z"),
            (289, &app, "2026-01-01T00:05:00Z"),
            (1, &app, "2026-01-01T00:10:00Z"),
        ] {
            app.clock.advance(Duration::from_secs(seconds));
            use_it(node, &made, "192.0.2.1").await;
            assert_eq!(last_used(&mut ada).await, expected, "after {seconds} more");
        }
        let told = holder(&other, &made).from_address("192.0.2.1").get("/auth/tokens/current").await;
        assert_eq!(told.json["last_used_at"], "2026-01-01T00:10:00Z");
        assert!(events(&app, "api_token.used_elsewhere").await.is_empty());
    }

    async fn another_address_is_told_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let made = api_token(&ada, &json!({"name": "x"})).await;
        use_it(&app, &made, "192.0.2.1").await;
        app.clock.advance(Duration::from_mins(1));
        for node in [&app, &other, &app] {
            use_it(node, &made, "192.0.2.7").await;
        }
        let told = events(&app, "api_token.used_elsewhere").await;
        assert_eq!(told.len(), 1);
        assert_eq!((told[0]["user"].as_str(), told[0]["address"].as_str()), (ada.user.as_deref(), Some("192.0.2.7")));
        assert_eq!(told[0]["detail"]["api_token"], made["id"]);
        app.clock.advance(Duration::from_secs(59));
        use_it(&app, &made, "192.0.2.1").await;
        assert_eq!(events(&app, "api_token.used_elsewhere").await.len(), 1, "two lines do not fill the log");
        app.clock.advance(Duration::from_secs(1));
        use_it(&app, &made, "192.0.2.1").await;
        assert_eq!(events(&app, "api_token.used_elsewhere").await.len(), 2);
    }
}
