//! Whose access token ran out gets the next one by opening a page.

use std::time::Duration;

use http::{Method, Request};
use portcullis_testkit::app::Browser;
use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::{Page, open, sent_on, sign_in_at, signed_in, submit};
use crate::across::rate_limits::limited;
use crate::browsers::{cleared_names, set, set_names};
use crate::on_both;
use crate::support::{admin, refused};

const RENEWED: [&str; 3] = ["csrftoken", "pc_access", "pc_refresh"];

fn opening(browser: &Browser) -> Browser {
    browser.saying(&[
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ])
}

on_both! {
    async fn by_opening_any_page_from_anywhere(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = opening(&signed_in(&app, "ada").await);
        for (path, place) in [
            ("/sign-in?return_to=/docs", Some("/docs")),
            ("/account", None),
            ("/account/password", None),
            ("/sign-up", None),
        ] {
            assert!(set(&ada.get(path).await).is_empty(), "{path}: the token is good");
            app.clock.advance(Duration::from_mins(15));
            let before = ada.value("pc_refresh");
            let reply = ada.get(path).await;
            assert_eq!(set_names(&reply), RENEWED, "{path}");
            assert_ne!(ada.value("pc_refresh"), before);
            match place {
                Some(place) => sent_on(&reply, place),
                None => drop(Page::of(reply, 200)),
            }
            assert_eq!(ada.get("/auth/me").await.status, 200);
        }
    }

    /// Tabs that are restored together.
    async fn many_tabs_at_once_get_the_same(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        app.clock.advance(Duration::from_hours(10));
        let tabs: Vec<_> = (0..8).map(|_| ada.copied()).collect();
        let asked = tabs.iter().cloned().map(|tab| {
            tokio::spawn(async move { sent_on(&tab.get("/sign-in?return_to=/docs").await, "/docs") })
        });
        for done in asked.collect::<Vec<_>>() {
            done.await.unwrap();
        }
        let next = tabs[0].value("pc_refresh");
        assert_ne!(next, ada.value("pc_refresh"));
        assert!(tabs.iter().all(|tab| tab.value("pc_refresh") == next));
        open(&tabs[3], "/account").await;
    }

    async fn a_session_that_is_over_takes_its_cookies_along(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        let ended = ada.copied();
        submit(&ada, "/sign-out", &[]).await;
        let reply = ended.get("/sign-in?return_to=/docs").await;
        assert_eq!(cleared_names(&reply), RENEWED);
        Page::of(reply, 200);
        sent_on(&sign_in_at(&ended, "/sign-in?return_to=/docs", "ada").await, "/docs");

        let idle = ended;
        app.clock.advance(Duration::from_hours(24 * 31));
        let reply = idle.get("/account").await;
        sent_on(&reply, "/sign-in?return_to=%2Faccount");
        assert_eq!(cleared_names(&reply), RENEWED);
    }

    async fn a_spent_token_is_theft_here_too(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        let thief = ada.copied();
        app.clock.advance(Duration::from_mins(15));
        open(&ada, "/account").await;
        app.clock.advance(Duration::from_mins(15));
        open(&ada, "/account").await;
        let reply = thief.get("/account").await;
        assert_eq!(cleared_names(&reply), RENEWED);
        let reply = ada.get("/account").await;
        sent_on(&reply, "/sign-in?return_to=%2Faccount");
        assert_eq!(cleared_names(&reply), RENEWED);
    }

    /// When acting ends, the administrator goes on as themselves.
    async fn acting_is_renewed_and_ends(backend: Backend) {
        let app = TestApp::new(backend).await;
        admin(&app, "root").await;
        let ada = app.sign_up("ada").await;
        let mut root = app.browser();
        root.sign_in("root", "cookies").await;
        let begin = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
        assert_eq!(root.post(&begin, &json!({"reason": "x"})).await.status, 200);
        let root = root.knowing(None);
        app.clock.advance(Duration::from_mins(20));
        let reply = root.get("/account").await;
        assert_eq!(set_names(&reply), ["csrftoken", "pc_act_access", "pc_act_refresh"]);
        assert_eq!(Page::of(reply, 200).by_id("name").unwrap().text, "ada");
        app.clock.advance(Duration::from_mins(41));
        let reply = root.get("/sign-in?return_to=/docs").await;
        sent_on(&reply, "/sign-in?return_to=%2Fdocs");
        assert_eq!(cleared_names(&reply), ["pc_act_access", "pc_act_refresh"]);
        let reply = root.get("/sign-in?return_to=%2Fdocs").await;
        assert_eq!(set_names(&reply), RENEWED);
        sent_on(&reply, "/docs");
        assert_eq!(open(&root, "/account").await.by_id("email").unwrap().text, "root@example.org");
    }
}

#[tokio::test]
async fn frames_images_and_scripts_open_no_page() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada").await;
    app.clock.advance(Duration::from_mins(15));
    for (mode, dest) in
        [("navigate", "iframe"), ("no-cors", "image"), ("cors", "empty"), ("navigate", "object")]
    {
        let framed = ada.saying(&[("sec-fetch-mode", mode), ("sec-fetch-dest", dest)]);
        let page = open(&framed, "/sign-in?return_to=/docs").await;
        assert!(set(&page.reply).is_empty(), "{mode} {dest}");
        sent_on(&framed.get("/account").await, "/sign-in?return_to=%2Faccount");
    }
    for path in ["/sign-in", "/account"] {
        let head = ada.exchange(Request::builder().method(Method::HEAD).uri(path), "".into()).await;
        assert!(set(&head).is_empty() && head.body.is_empty());
    }
    sent_on(&ada.get("/sign-in?return_to=/docs").await, "/docs");
}

/// Its page keeps the access token to itself: sent back, it would come here again, and so on.
#[tokio::test]
async fn the_session_of_a_single_page_app_is_left_alone() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("ada").await;
    let mut spa = app.browser();
    spa.sign_in("ada", "cookie").await;
    let page = spa.knowing(None);
    for path in ["/sign-in?return_to=/docs", "/sign-up"] {
        let page = open(&page, path).await;
        assert!(page.by_id("email").is_some() && set(&page.reply).is_empty());
    }
    // Even beside an access token that strayed there.
    spa.jar().put("pc_access", "garbage");
    open(&page, "/sign-in?return_to=/docs").await;
    spa.jar().remove("pc_access");
    assert_eq!(spa.refresh().await.status, 200);
    // It can be signed out, and replaced.
    sent_on(&sign_in_at(&page, "/sign-in?return_to=/docs", "ada").await, "/docs");
    open(&page, "/account").await;
}

#[tokio::test]
async fn tokens_for_others_too_are_renewed_for_us_alone() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.settings.audiences.push("https://api.example".into());
    })
    .await;
    app.sign_up("ada").await;
    let mut ada = app.browser();
    ada.sign_in("ada", "cookies").await;
    let page = ada.knowing(None);
    let fields = [
        ("current_password", portcullis_testkit::PASSWORD),
        ("new_password", crate::support::OTHER_PASSWORD),
    ];
    sent_on(&submit(&page, "/account/password", &fields).await, "/account");
}

#[tokio::test]
async fn too_many_are_told_to_wait_and_keep_their_cookies() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        limited(setup);
        setup.settings.lifetimes.access = Duration::from_secs(1);
    })
    .await;
    let ada = signed_in(&app, "ada").await;
    for _ in 0..20 {
        app.clock.advance(Duration::from_secs(1));
        open(&ada, "/account").await;
    }
    app.clock.advance(Duration::from_secs(1));
    for path in ["/account", "/sign-in"] {
        let page = Page::of(ada.get(path).await, 429);
        assert_eq!(page.code(), "rate_limited");
        assert!(set(&page.reply).is_empty());
    }
    app.clock.advance(Duration::from_mins(1));
    open(&ada, "/account").await;
    let mut nobody = app.browser();
    nobody.jar().put("pc_refresh", "garbage");
    nobody.jar().put("pc_access", "garbage");
    assert_eq!(cleared_names(&nobody.get("/sign-in").await), RENEWED);
    nobody.fetch_csrf_token().await;
    refused(&nobody.refresh().await, 401, "missing_token");
}

on_both! {
    /// With `cookies.path` the refresh token gets to `/auth` alone.
    async fn also_where_the_refresh_token_is_kept_from_pages(backend: Backend) {
        let app = TestApp::with(backend, |setup| setup.web.cookie_path = "/auth".into()).await;
        app.sign_up("ada").await;
        let ada = opening(&app.browser());
        let by_page = app.browser();
        sent_on(&sign_in_at(&by_page, "/sign-in", "ada").await, "/account");
        *ada.jar() = by_page.jar().clone();
        sent_on(&ada.get("/sign-in?return_to=/docs").await, "/docs");
        app.clock.advance(Duration::from_mins(15));
        sent_on(&ada.get("/account").await, "/sign-in?return_to=%2Faccount");
        let path = "/sign-in?return_to=%2Faccount&max_age=3600";
        let renew = "/auth/renew?return_to=%2Faccount&max_age=3600";
        let reply = ada.get(path).await;
        assert!(set(&reply).is_empty());
        sent_on(&reply, renew);
        let reply = ada.get(renew).await;
        assert_eq!(set_names(&reply), RENEWED);
        sent_on(&reply, path);
        sent_on(&ada.get(path).await, "/account");
        open(&ada, "/account").await;
        // Another site can send a visitor through, and not on to itself.
        let evil = "/auth/renew?return_to=https://evil.example";
        assert_eq!(Page::of(ada.get(evil).await, 400).code(), "malformed_request");
    }

    async fn and_nobody_goes_round_in_circles(backend: Backend) {
        let app = TestApp::with(backend, |setup| setup.web.cookie_path = "/auth".into()).await;
        app.sign_up("ada").await;
        let ada = app.browser();
        sent_on(&sign_in_at(&ada, "/sign-in", "ada").await, "/account");
        let lost = ada.copied();
        lost.jar().remove("pc_refresh");
        app.clock.advance(Duration::from_mins(15));
        sent_on(&lost.get("/sign-in").await, "/auth/renew");
        sent_on(&lost.get("/auth/renew").await, "/sign-in?renewed=no");
        open(&lost, "/sign-in?renewed=no").await;
        app.clock.advance(Duration::from_hours(24 * 31));
        sent_on(&ada.get("/sign-in").await, "/auth/renew");
        let reply = ada.get("/auth/renew").await;
        sent_on(&reply, "/sign-in?renewed=no");
        assert_eq!(cleared_names(&reply), RENEWED);
        open(&ada, "/sign-in").await;
    }
}
