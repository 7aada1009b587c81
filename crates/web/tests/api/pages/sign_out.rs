//! `/sign-out`

use std::time::Duration;

use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::{open, send, sent_on, sign_in_at, signed_in, submit};
use crate::browsers::cleared_names;
use crate::on_both;
use crate::support::{admin, events, refused};

const OWN: [&str; 3] = ["csrftoken", "pc_access", "pc_refresh"];

on_both! {
    async fn the_button_ends_the_session_and_looking_does_not(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        let mut before = ada.copied();
        before.fetch_csrf_token().await;
        let page = open(&ada, "/sign-out").await;
        assert!(page.by_id("submit").is_some() && page.reply.header("set-cookie").is_none());
        open(&ada, "/account").await;
        let reply = submit(&ada, "/sign-out?return_to=/docs", &[]).await;
        sent_on(&reply, "/docs");
        assert_eq!(cleared_names(&reply), OWN);
        refused(&before.get("/auth/me").await, 401, "invalid_token");
        refused(&before.refresh().await, 401, "refresh_revoked");
        let ended = events(&app, "session.ended").await;
        assert_eq!((ended.len(), &ended[0]["detail"]["cause"]), (1, &json!("logout")));
        let page = open(&ada, "/sign-out?return_to=/docs").await;
        assert_eq!(page.links(), ["/docs", "/sign-in?return_to=%2Fdocs"]);
    }

    async fn also_when_nothing_is_good_any_more(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        app.clock.advance(Duration::from_hours(24 * 365));
        let reply = submit(&ada, "/sign-out", &[]).await;
        sent_on(&reply, "/sign-out");
        assert_eq!(cleared_names(&reply), OWN);
        // Twice, and of nobody.
        let nobody = app.browser();
        sent_on(&send(&nobody, "/sign-out", &[]).await, "/sign-out");
    }

    async fn an_administrator_who_acts_is_signed_out_of_both(backend: Backend) {
        let app = TestApp::new(backend).await;
        admin(&app, "root").await;
        let ada = app.sign_up("ada").await;
        let mut root = app.browser();
        root.sign_in("root", "cookies").await;
        let begin = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
        assert_eq!(root.post(&begin, &json!({"reason": "x"})).await.status, 200);
        let root = root.knowing(None);
        let reply = submit(&root, "/sign-out", &[]).await;
        let all = ["csrftoken", "pc_access", "pc_act_access", "pc_act_refresh", "pc_refresh"];
        assert_eq!(cleared_names(&reply), all);
        sent_on(&root.get("/account").await, "/sign-in?return_to=%2Faccount");
    }
}

/// `cookies.path` may keep the refresh cookie from pages.
#[tokio::test]
async fn by_the_access_token_alone() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.web.cookie_path = "/auth".into()).await;
    app.sign_up("ada").await;
    let ada = app.browser();
    sent_on(&sign_in_at(&ada, "/sign-in", "ada").await, "/account");
    let mut before = ada.copied();
    before.fetch_csrf_token().await;
    app.clock.advance(Duration::from_mins(20));
    sent_on(&submit(&ada, "/sign-out", &[]).await, "/sign-out");
    refused(&before.refresh().await, 401, "refresh_revoked");
    assert!(ada.cookie("pc_access").is_none());
}
