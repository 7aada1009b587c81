//! Who asks our own API by the cookie `pc_access`.

use std::time::Duration;

use http::Method;
use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::signed_in;
use crate::on_both;
use crate::support::{api_token, made, private, refused};

on_both! {
    async fn everything_a_bearer_may(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await;
        private(&ada.get("/auth/me").await, 200);
        let listed = ada.get("/auth/sessions").await;
        assert_eq!(listed.json["items"][0]["current"], true);
        let token = ada.post("/auth/tokens", &json!({"name": "x"})).await;
        private(&token, 201);
        let id = token.json["id"].as_str().unwrap();
        private(&ada.patch(&format!("/auth/tokens/{id}"), &json!({"name": "y"})).await, 200);
        private(&ada.delete(&format!("/auth/tokens/{id}")).await, 204);
        private(&ada.post("/auth/bots", &json!({"name": "x"})).await, 201);
        refused(&ada.get("/admin/api/clients").await, 403, "forbidden");
    }

    async fn only_while_the_token_lives(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await;
        app.clock.advance(Duration::from_mins(15));
        refused(&ada.get("/auth/me").await, 401, "invalid_token");
        refused(&ada.patch("/auth/me", &json!({"name": "x"})).await, 401, "invalid_token");
        assert_eq!(ada.refresh().await.status, 200);
        private(&ada.patch("/auth/me", &json!({"name": "x"})).await, 200);
    }

    async fn whoever_must_change_their_password_first_does_so(backend: Backend) {
        let app = TestApp::new(backend).await;
        made(&app, "ada", |request| request.must_change_password = true).await;
        let mut ada = app.browser();
        ada.sign_in("ada", "cookies").await;
        private(&ada.get("/auth/me").await, 200);
        refused(&ada.patch("/auth/me", &json!({"name": "x"})).await, 403, "password_change_required");
        let change = json!({"current_password": portcullis_testkit::PASSWORD,
            "new_password": crate::support::OTHER_PASSWORD});
        private(&ada.post("/auth/password/change", &change).await, 200);
        private(&ada.patch("/auth/me", &json!({"name": "x"})).await, 200);
    }
}

#[tokio::test]
async fn nothing_but_a_sessions_access_token_counts_in_a_cookie() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let token = api_token(&ada, &json!({"name": "x"})).await["token"].as_str().unwrap().to_owned();
    for value in [&*token, ada.refresh_token.as_deref().unwrap(), "garbage", "a.b.c", ""] {
        let browser = app.browser();
        browser.jar().put("pc_access", value);
        refused(&browser.get("/auth/me").await, 401, "invalid_token");
    }
    for name in ["pc_refresh", "PC_ACCESS", "__Host-pc_access"] {
        let browser = app.browser();
        browser.jar().put(name, ada.access_token.as_deref().unwrap());
        refused(&browser.get("/auth/me").await, 401, "missing_token");
    }
}

#[tokio::test]
async fn delivery_cookie_leaves_the_access_token_to_the_page() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada", "cookie").await;
    refused(&ada.get("/auth/me").await, 401, "missing_token");
    refused(&ada.patch("/auth/me", &json!({"name": "x"})).await, 401, "missing_token");
    let access = ada.refresh().await.json["access_token"].as_str().unwrap().to_owned();
    let page = ada.bearing(Some(&access)).saying(&[]).knowing(None);
    private(&page.patch("/auth/me", &json!({"name": "x"})).await, 200);
}

#[tokio::test]
async fn refreshing_without_any_token_is_nobody_and_without_a_page_too() {
    let app = TestApp::new(Backend::Sqlite).await;
    for nobody in [app.browser(), app.browser().saying(&[])] {
        refused(&nobody.refresh().await, 401, "missing_token");
        for body in [json!({}), json!({"refresh_token": null}), json!({"audience": "x"})] {
            refused(&nobody.post("/auth/refresh", &body).await, 401, "missing_token");
        }
        refused(&nobody.send(Method::POST, "/auth/logout", None).await, 401, "missing_token");
    }
}

#[tokio::test]
async fn a_refresh_by_cookie_may_ask_for_an_audience() {
    let api = "https://api.example";
    let app = TestApp::with(Backend::Sqlite, |setup| setup.settings.audiences.push(api.into())).await;
    let ada = signed_in(&app, "ada", "cookies").await;
    let aud = || crate::support::claims(&ada.value("pc_access"))["aud"].clone();
    assert_eq!(aud(), json!(["http://localhost:8400", api]));
    private(&ada.post("/auth/refresh", &json!({"audience": api})).await, 200);
    assert_eq!(aud(), api);
    let unknown = ada.post("/auth/refresh", &json!({"audience": "x"})).await;
    refused(&unknown, 422, "validation_failed");
    assert!(super::set(&unknown).is_empty());
}
