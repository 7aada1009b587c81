//! `/sign-in`

use std::time::Duration;

use portcullis_testkit::{Backend, PASSWORD, TestApp};
use serde_json::json;

use super::{Page, filled, open, send, sent_on, sign_in_at, signed_in, submit};
use crate::browsers::{cleared_names, set_names};
use crate::on_both;
use crate::support::{OTHER_PASSWORD, admin, claims, events, made, refused};

on_both! {
    async fn by_address_or_by_name(backend: Backend) {
        let app = TestApp::new(backend).await;
        made(&app, "ada", |request| request.username = Some("countess".into())).await;
        for name in ["ada@example.org", " ADA@example.org ", "countess"] {
            let browser = app.browser();
            let reply = submit(&browser, "/sign-in", &[("email", name), ("password", PASSWORD)]).await;
            sent_on(&reply, "/account");
            assert_eq!(set_names(&reply), ["csrftoken", "pc_access", "pc_device", "pc_refresh"]);
            assert_eq!(claims(&browser.value("pc_access"))["aud"], "http://localhost:8400");
            assert_eq!(open(&browser, "/account").await.by_id("email").unwrap().text, "ada@example.org");
            assert_eq!(browser.get("/auth/me").await.status, 200, "it is a session like any other");
        }
    }

    async fn what_is_wrong_is_told_and_what_was_typed_is_kept(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let browser = app.browser();
        for (name, password) in
            [("ada@example.org", "wrong wrong wrong"), ("nobody@example.org", PASSWORD), ("a\"><script>", "x"), ("", "")]
        {
            let reply = submit(&browser, "/sign-in", &[("email", name), ("password", password)]).await;
            assert!(set_names(&reply).is_empty() && cleared_names(&reply).is_empty());
            let page = Page::of(reply, 401);
            assert_eq!((page.code(), page.value("email"), page.value("password")), ("invalid_credentials", name, ""));
            assert!(!page.reply.text().contains("wrong wrong"));
        }
        assert!(browser.jar().names().is_empty());
    }

    async fn signing_in_ends_the_session_before(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        let before = ada.copied();
        app.sign_up("bob").await;
        app.clock.advance(Duration::from_secs(1));
        sent_on(&sign_in_at(&ada, "/sign-in?max_age=0&return_to=/account", "bob").await, "/account");
        assert_eq!(open(&ada, "/account").await.by_id("name").unwrap().text, "bob");
        let mut before = before;
        before.fetch_csrf_token().await;
        refused(&before.refresh().await, 401, "refresh_revoked");
        let causes: Vec<_> =
            events(&app, "session.ended").await.iter().map(|event| event["detail"]["cause"].clone()).collect();
        assert_eq!(causes, ["replaced"]);
    }

    async fn whoever_must_change_their_password_does_so_first(backend: Backend) {
        let app = TestApp::new(backend).await;
        made(&app, "ada", |request| request.must_change_password = true).await;
        let browser = app.browser();
        sent_on(&sign_in_at(&browser, "/sign-in", "ada").await, "/account/password");
        let by_way = "/account/password?return_to=%2Fdocs";
        sent_on(&sign_in_at(&app.browser(), "/sign-in?return_to=/docs", "ada").await, by_way);
        sent_on(&browser.get("/sign-in?return_to=/docs").await, by_way);
        sent_on(&browser.get("/account").await, "/account/password");
        let change = [("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)];
        sent_on(&submit(&browser, by_way, &change).await, "/docs");
        open(&browser, "/account").await;
    }
}

#[tokio::test]
async fn whoever_is_signed_in_sees_that() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada").await;
    for path in ["/sign-in", "/sign-up", "/sign-in?max_age=60"] {
        let page = open(&ada, path).await;
        assert!(page.by_id("message").unwrap().text.contains("ada@example.org"), "{path}");
        assert_eq!(page.links(), ["/account", "/sign-out"]);
    }
    sent_on(&ada.get("/sign-in?return_to=/docs").await, "/docs");
    sent_on(&ada.get("/sign-up?return_to=/docs").await, "/docs");
}

#[tokio::test]
async fn whoever_signed_in_too_long_ago_does_so_again() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada").await;
    let path = "/sign-in?return_to=/docs&max_age=600";
    app.clock.advance(Duration::from_mins(10));
    sent_on(&ada.get(path).await, "/docs");
    app.clock.advance(Duration::from_secs(1));
    let page = open(&ada, path).await;
    assert_eq!((page.value("email"), page.value("password")), ("ada@example.org", ""));
    // A refresh does not make it any younger.
    app.clock.advance(Duration::from_mins(10));
    let page = open(&ada, path).await;
    assert_eq!(page.value("email"), "ada@example.org");
    sent_on(&sign_in_at(&ada, path, "ada").await, "/docs");
    sent_on(&ada.get(path).await, "/docs");
    for bad in ["x", "-1", "1.5", "99999999999999999999", ""] {
        let page = Page::of(ada.get(&format!("/sign-in?max_age={bad}")).await, 400);
        assert_eq!(page.code(), "malformed_request", "{bad}");
    }
}

#[tokio::test]
async fn an_administrator_who_acts_never_signed_in_as_the_user() {
    let app = TestApp::new(Backend::Sqlite).await;
    admin(&app, "root").await;
    let ada = app.sign_up("ada").await;
    let mut root = app.browser();
    root.sign_in("root", "cookies").await;
    let begin = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
    assert_eq!(root.post(&begin, &json!({"reason": "x"})).await.status, 200);
    let root = root.knowing(None);
    sent_on(&root.get("/sign-in?return_to=/docs").await, "/docs");
    assert_eq!(open(&root, "/sign-in?return_to=/docs&max_age=600").await.value("email"), "ada@example.org");
}

#[tokio::test]
async fn pages_do_not_sign_in_where_cookies_would_travel_in_clear() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.web.public_url = "http://auth.example".parse().unwrap();
        setup.web.hosts = vec!["localhost".into()];
    })
    .await;
    app.sign_up("ada").await;
    let browser = app.browser().saying(&[("origin", "http://auth.example")]);
    for path in ["/sign-in", "/sign-up"] {
        let page = Page::of(sign_in_at(&browser, path, "ada").await, 422);
        assert!(page.by_id("message").unwrap().text.contains("https"), "{}", page.reply.text());
    }
}

#[tokio::test]
async fn only_forms_that_can_be_read() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("ada").await;
    let browser = app.browser();
    for (fields, status, code) in [
        (vec![("email", "a"), ("email", "b")], 400, "malformed_form"),
        (vec![("email", "a\0b")], 422, "validation_failed"),
        (vec![("email", &*"x".repeat(70_000))], 413, "body_too_large"),
    ] {
        let page = Page::of(send(&browser, "/sign-in", &fields).await, status);
        assert_eq!(page.code(), code);
    }
    let [email, password] = filled("ada");
    let json = json!({"email": email.1, "password": password.1});
    assert_eq!(Page::of(browser.post("/sign-in", &json).await, 415).code(), "unsupported_media_type");
    let twice = browser.get("/sign-in?return_to=/docs&return_to=/docs").await;
    assert_eq!(Page::of(twice, 400).code(), "malformed_request");
    let ada = signed_in(&app, "bob").await.with_header("cookie", "pc_access=x");
    assert_eq!(Page::of(ada.get("/sign-in").await, 400).code(), "malformed_request");
}
