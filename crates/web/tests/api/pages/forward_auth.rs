//! A site behind a reverse proxy: away to sign in, and back.

use std::time::Duration;

use portcullis_core::access::{Require, Requirement};
use portcullis_testkit::app::{Browser, FORWARD_SECRET};
use portcullis_testkit::{Backend, Reply, TestApp};

use super::{Page, open, sent_on, sign_in_at, submit};
use crate::auth::verify::{PAGE, VERIFY, rule, set_rules};
use crate::browsers::set;
use crate::on_both;

const PUBLIC: &str = "https://auth.example.com";

async fn app(backend: Backend) -> TestApp {
    TestApp::with(backend, |setup| {
        setup.web.public_url = PUBLIC.parse().unwrap();
        setup.web.hosts = vec!["localhost".into()];
        setup.web.cookie_domain = Some("example.com".into());
        setup.web.return_urls = vec!["https://app.example.com".into(), "https://app.example.net".into()];
        set_rules(
            setup,
            vec![rule("/pay", Require::SignedIn(vec![Requirement::Fresh(Duration::from_mins(10))]))],
        );
    })
    .await
}

fn browser(app: &TestApp) -> Browser {
    app.browser().saying(&[("origin", PUBLIC), ("sec-fetch-site", "same-origin")])
}

/// The browser asks the proxy for a page, and the proxy asks us.
async fn ask(browser: &Browser, host: &str, target: &str) -> Reply {
    let page = browser.saying(&[
        ("accept", PAGE),
        ("sec-fetch-mode", "navigate"),
        ("x-portcullis-forward", FORWARD_SECRET),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", host),
        ("x-forwarded-uri", target),
    ]);
    page.get(VERIFY).await
}

/// Where the proxy sends the browser, on our host.
#[track_caller]
fn away(reply: &Reply) -> String {
    assert_eq!(reply.status, 302, "{}", reply.text());
    reply.header("location").unwrap().strip_prefix(PUBLIC).expect("to us").to_owned()
}

on_both! {
    async fn away_to_sign_in_and_back_and_again_when_the_token_ran_out(backend: Backend) {
        let app = app(backend).await;
        app.sign_up("ada").await;
        let ada = browser(&app);
        let page = "https://app.example.com/a/b?c=d%26e";
        let place = away(&ask(&ada, "app.example.com", "/a/b?c=d%26e").await);
        sent_on(&sign_in_at(&ada, &place, "ada").await, page);
        assert_eq!(ask(&ada, "app.example.com", "/a/b?c=d%26e").await.status, 200);
        for _ in 0..3 {
            app.clock.advance(Duration::from_mins(15));
            let place = away(&ask(&ada, "app.example.com", "/a/b?c=d%26e").await);
            let before = ada.value("__Secure-pc_access");
            // Without a question, without a script.
            sent_on(&ada.get(&place).await, page);
            assert_ne!(ada.value("__Secure-pc_access"), before);
            assert_eq!(ask(&ada, "app.example.com", "/a/b?c=d%26e").await.status, 200);
        }
        sent_on(&submit(&ada, "/sign-out", &[]).await, "/sign-out");
        let place = away(&ask(&ada, "app.example.com", "/").await);
        open(&ada, &place).await;
    }

    async fn a_fresh_sign_in_is_asked_for_and_is_enough(backend: Backend) {
        let app = app(backend).await;
        app.sign_up("ada").await;
        let ada = browser(&app);
        sent_on(&sign_in_at(&ada, "/sign-in", "ada").await, "/account");
        assert_eq!(ask(&ada, "app.example.com", "/pay").await.status, 200);
        app.clock.advance(Duration::from_mins(11));
        assert_eq!(ask(&ada, "app.example.com", "/").await.status, 200);
        for _ in 0..2 {
            let place = away(&ask(&ada, "app.example.com", "/pay").await);
            let shown = open(&ada, &place).await;
            assert_eq!(shown.value("email"), "ada@example.org");
            // The same after the token ran out: a refresh is no sign-in.
            app.clock.advance(Duration::from_mins(15));
            open(&ada, &place).await;
        }
        let place = away(&ask(&ada, "app.example.com", "/pay").await);
        sent_on(&sign_in_at(&ada, &place, "ada").await, "https://app.example.com/pay");
        assert_eq!(ask(&ada, "app.example.com", "/pay").await.status, 200);
    }
}

/// A host that is listed but outside of `cookies.domain`: the way back would lead here again without end.
#[tokio::test]
async fn where_our_cookies_do_not_get_nobody_goes_round_in_circles() {
    let app = app(Backend::Sqlite).await;
    app.sign_up("ada").await;
    let ada = browser(&app);
    let place = away(&ask(&ada, "app.example.net", "/").await);
    sent_on(&sign_in_at(&ada, &place, "ada").await, "https://app.example.net/");
    let reply = ada.get(&place).await;
    assert!(set(&reply).is_empty());
    assert!(Page::of(reply, 200).links().contains(&"https://app.example.net/"));
}
