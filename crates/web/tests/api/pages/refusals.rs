//! What the API refuses, pages refuse as pages: the same status, the same `Retry-After`, and the form again.

use portcullis_testkit::postgres::OwnCluster;
use portcullis_testkit::{Backend, Database, PASSWORD, TestApp};

use super::{Page, open, send, sent_on, sign_in_at, signed_in, submit};
use crate::across::rate_limits::limited;
use crate::browsers::set;
use crate::on_both;
use crate::support::{OTHER_PASSWORD, eventually};

on_both! {
    async fn too_many(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let ada = signed_in(&app, "ada").await;
        let new = [("email", "not an address"), ("password", "x")];
        let old = [("current_password", "wrong"), ("new_password", OTHER_PASSWORD)];
        for (path, fields, most, wait) in [
            ("/sign-in?max_age=0", &[("email", "nobody@example.org"), ("password", "x")][..], 9, "6"),
            ("/sign-up", &new, 2, "20"),
            ("/account/password", &old, 5, "12"),
        ] {
            let browser = if path.starts_with("/account") { ada.clone() } else { app.browser() };
            for _ in 0..most {
                assert_ne!(submit(&browser, path, fields).await.status, 429, "{path}");
            }
            let page = Page::of(submit(&browser, path, fields).await, 429);
            assert_eq!((page.code(), page.reply.header("retry-after")), ("rate_limited", Some(wait)), "{path}");
            assert!(page.reply.header("ratelimit").is_some());
            assert!(page.by_id("message").unwrap().text.contains(&format!("wait {wait} seconds")));
            assert!(page.by_id("submit").is_some(), "the form is there");
            if let ("email", address) = fields[0] {
                assert_eq!(page.value("email"), address);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database() {
    let cluster = OwnCluster::start(false);
    let app = TestApp::over(Database::elsewhere(cluster.create_database("portcullis")), |_| {}).await;
    let ada = signed_in(&app, "ada").await;
    let token = open(&ada, "/account").await.value("csrf_token").to_owned();
    let held = ada.jar().clone();
    cluster.stop();
    let out = ("store_unavailable", 503);
    for (path, fields) in [
        ("/sign-in", &[("email", "ada@example.org"), ("password", PASSWORD)][..]),
        ("/sign-up", &[("email", "new@example.org"), ("password", PASSWORD)]),
        ("/sign-out", &[]),
        ("/account", &[("session", "00000000-0000-7000-8000-000000000000")]),
        ("/account/password", &[("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)]),
    ] {
        let page = Page::of(send(&ada, path, &[fields, &[("csrf_token", &*token)]].concat()).await, out.1);
        assert_eq!(page.code(), out.0, "{path}");
        assert!(set(&page.reply).is_empty(), "{path}");
    }
    for path in ["/account", "/account/password"] {
        assert_eq!(Page::of(ada.get(path).await, out.1).code(), out.0);
    }
    open(&app.browser(), "/sign-in").await;
    app.clock.advance(std::time::Duration::from_mins(15));
    for path in ["/account", "/sign-in?return_to=/docs"] {
        let page = Page::of(ada.get(path).await, out.1);
        assert!(set(&page.reply).is_empty(), "a fault of ours never clears a cookie");
    }
    assert_eq!(*ada.jar(), held);
    cluster.start_again();
    eventually("the session goes on", async || ada.get("/account").await.status == 200).await;
    drop(app);
}

/// A node that lacks the key of what it is shown says so, and clears nothing.
#[tokio::test]
async fn without_the_key() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("ada").await;
    let newer = app.another(|setup| setup.server_keys = vec![[2; 32], [1; 32]]).await;
    let ada = newer.browser();
    sent_on(&sign_in_at(&ada, "/sign-in", "ada").await, "/account");
    let ada = ada.at(&app);
    for path in ["/sign-in", "/account", "/sign-out"] {
        let page = Page::of(send(&ada, path, &[("csrf_token", "x")]).await, 503);
        assert_eq!(page.code(), "key_unavailable", "{path}");
        assert!(set(&page.reply).is_empty());
    }
}

#[tokio::test]
async fn errors_in_our_own_words() {
    let app = TestApp::new(Backend::Sqlite).await;
    let browser = app.browser();
    for (path, code) in [
        ("/error?code=provider_error", "provider_error"),
        ("/error?code=invalid_link", "invalid_link"),
        ("/error", ""),
        ("/error?code=%3Cscript%3E", ""),
        ("/error?code=Your+account+is+locked,+call+555", ""),
    ] {
        let page = open(&browser, path).await;
        assert_eq!(page.code(), code);
        assert!(!page.reply.text().contains("555"));
    }
}
