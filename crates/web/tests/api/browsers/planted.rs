//! What somebody who can write cookies for our host, such as another host of `cookies.domain`, gains by putting
//! tokens of their own there: nothing comes before the session of whoever sits in front of the browser.

use portcullis_testkit::app::Browser;
use portcullis_testkit::{PASSWORD, TestApp};
use serde_json::json;

use super::{cleared_names, signed_in};
use crate::on_both;
use crate::pages::{Page, open, send, sent_on};
use crate::support::{OTHER_PASSWORD, admin, refused};

/// Puts a cookie of `from` into another browser, under this name.
fn plant(into: &Browser, name: &str, from: &Browser, cookie: &str) {
    into.jar().put(name, &from.value(cookie));
}

/// An administrator in a browser, acting as bob.
async fn acting(app: &TestApp) -> Browser {
    admin(app, "root").await;
    let bob = app.sign_up("bob").await;
    let mut root = app.browser();
    root.sign_in("root", "cookies").await;
    let begin = format!("/admin/api/users/{}/impersonate", bob.user.as_deref().unwrap());
    assert_eq!(root.post(&begin, &json!({"reason": "x", "mode": "full"})).await.status, 200);
    root.fetch_csrf_token().await;
    root
}

on_both! {
    async fn a_token_of_ones_own_never_acts(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = signed_in(&app, "ada", "cookies").await;
        let eve = signed_in(&app, "eve", "cookies").await;
        plant(&ada, "pc_act_access", &eve, "pc_access");
        refused(&ada.get("/auth/me").await, 401, "invalid_token");
        refused(&ada.patch("/auth/me", &json!({"name": "x"})).await, 401, "invalid_token");
        sent_on(&ada.get("/account").await, "/sign-in?return_to=%2Faccount");

        // The refresh token is not spent either, and what does not belong there goes.
        plant(&ada, "pc_act_refresh", &eve, "pc_refresh");
        ada.fetch_csrf_token().await;
        let reply = ada.refresh().await;
        refused(&reply, 401, "invalid_token");
        assert_eq!(cleared_names(&reply), ["pc_act_access", "pc_act_refresh"]);
        assert_eq!(eve.refresh().await.json["user"]["name"], "eve");
        ada.fetch_csrf_token().await;
        assert_eq!(ada.refresh().await.json["user"]["name"], "ada");
        assert_eq!(ada.get("/auth/me").await.json["name"], "ada");
    }

    async fn pages_renew_no_such_token(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await.knowing(None);
        let eve = signed_in(&app, "eve", "cookies").await;
        plant(&ada, "pc_act_access", &eve, "pc_access");
        plant(&ada, "pc_act_refresh", &eve, "pc_refresh");
        let reply = ada.get("/sign-in?return_to=/docs").await;
        sent_on(&reply, "/sign-in?return_to=%2Fdocs");
        assert_eq!(cleared_names(&reply), ["pc_act_access", "pc_act_refresh"]);
        assert_eq!(open(&ada, "/account").await.by_id("name").unwrap().text, "ada");
        assert_eq!(eve.refresh().await.status, 200);
    }

    async fn a_session_that_acts_is_nobodys_own(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = acting(&app).await;
        let mut other = app.browser();
        plant(&other, "pc_access", &root, "pc_act_access");
        refused(&other.get("/auth/me").await, 401, "invalid_token");
        plant(&other, "pc_refresh", &root, "pc_act_refresh");
        other.fetch_csrf_token().await;
        let reply = other.refresh().await;
        refused(&reply, 401, "invalid_token");
        assert_eq!(cleared_names(&reply), ["csrftoken", "pc_access", "pc_refresh"]);
        assert_eq!(root.refresh().await.json["user"]["name"], "bob");
    }

    /// A button acts for the access token, so its form must belong to that one, and not to a refresh token beside it.
    async fn a_button_is_held_to_the_session_it_acts_for(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await.knowing(None);
        let eve = signed_in(&app, "eve", "cookies").await.knowing(None);
        plant(&ada, "pc_refresh", &eve, "pc_refresh");
        let change = [("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)];
        let eves = open(&eve, "/account/password").await.value("csrf_token").to_owned();
        let reply = send(&ada, "/account/password", &[&[("csrf_token", &*eves)], &change[..]].concat()).await;
        assert_eq!(Page::of(reply, 403).code(), "csrf_failed");
        let adas = open(&ada, "/account/password").await.value("csrf_token").to_owned();
        assert_ne!(adas, eves);
        let reply = send(&ada, "/account/password", &[&[("csrf_token", &*adas)], &change[..]].concat()).await;
        sent_on(&reply, "/account");
        assert_eq!(ada.get("/auth/me").await.json["name"], "ada");
    }
}
