//! Apps that handle the redirect themselves, and what a sign-in page is told.

use portcullis_testkit::Backend;
use serde_json::json;

use super::{APP, ada, begun, brought, world};
use crate::on_both;
use crate::support::{private, refused};

on_both! {
    async fn under_each_name_of_the_endpoint(backend: Backend) {
        let (app, fake) = world(backend).await;
        for path in ["/auth/oauth/acme/callback", "/auth/acme/callback", "/auth/acme/callback/"] {
            let begun = begun(&app.anon()).await;
            let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &ada(&fake));
            assert!(returned.url.starts_with(APP), "{}", returned.url);
            let reply = app.anon().post(path, &brought(&begun, &returned)).await;
            private(&reply, 200);
            assert!(reply.json["refresh_token"].is_string() && reply.json["device_token"].is_string());
        }
    }

    async fn a_page_that_brings_the_code_may_have_cookies(backend: Backend) {
        let (app, fake) = world(backend).await;
        let mut browser = app.browser();
        let begun = begun(&app.anon()).await;
        let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &ada(&fake));
        let mut body = brought(&begun, &returned);
        body["delivery"] = json!("cookie");
        let evil = browser.saying(&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]);
        refused(&evil.post("/auth/oauth/acme/callback", &body).await, 403, "csrf_failed");
        let reply = browser.post("/auth/oauth/acme/callback", &body).await;
        private(&reply, 200);
        assert!(reply.json["refresh_token"].is_null() && browser.cookie("pc_refresh").is_some());
        browser.fetch_csrf_token().await;
        private(&browser.refresh().await, 200);
    }

    async fn the_known_device_stays_known(backend: Backend) {
        let (app, fake) = world(backend).await;
        let device = async |device: Option<&str>| {
            let begun = begun(&app.anon()).await;
            let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &ada(&fake));
            let mut body = brought(&begun, &returned);
            body["device_token"] = json!(device);
            app.anon().post("/auth/oauth/acme/callback", &body).await.json["device_token"].as_str().unwrap().to_owned()
        };
        let first = device(None).await;
        assert_eq!(device(Some(&first)).await, first);
        assert_ne!(device(None).await, first);
    }
}

#[tokio::test]
async fn the_configuration_names_the_providers() {
    let (app, _fake) = world(Backend::Sqlite).await;
    let config = app.anon().get("/auth/config").await.json;
    let providers = config["providers"].as_array().unwrap();
    assert_eq!(providers.len(), 3);
    let acme = json!({
        "name": "acme", "title": "Title of acme", "start_url": "http://localhost:8400/auth/oauth/acme/start",
    });
    assert_eq!(providers[0], acme);
}

#[tokio::test]
async fn neither_state_nor_secret_is_stored_as_it_is() {
    let (app, fake) = world(Backend::Sqlite).await;
    let begun = begun(&app.anon()).await;
    let url = begun["authorization_url"].as_str().unwrap();
    let asked: std::collections::HashMap<String, String> =
        url::Url::parse(url).unwrap().query_pairs().into_owned().collect();
    let dump = std::fs::read(app.database.url.trim_start_matches("sqlite://")).unwrap();
    let wal = std::fs::read(format!("{}-wal", app.database.url.trim_start_matches("sqlite://")))
        .unwrap_or_default();
    for secret in [&asked["state"], &asked["nonce"], begun["flow_secret"].as_str().unwrap()] {
        let held = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!held(&dump) && !held(&wal));
    }
    assert_eq!(asked["code_challenge_method"], "S256");
    drop(fake);
}
