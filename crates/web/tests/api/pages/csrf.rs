//! The CSRF rules at every form of ours.

use portcullis_testkit::app::OWN_ORIGIN;
use portcullis_testkit::{Backend, PASSWORD, TestApp};

use super::{Page, filled, open, send, sent_on, sign_in_at, signed_in};
use crate::support::OTHER_PASSWORD;

const PAGES: [&str; 5] = ["/sign-in", "/sign-up", "/sign-out", "/account", "/account/password"];

const FOREIGN: [&[(&str, &str)]; 6] = [
    &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
    &[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")],
    &[("origin", OWN_ORIGIN), ("sec-fetch-site", "cross-site")],
    &[("origin", "null")],
    &[("referer", "https://evil.example/http://localhost:8400/sign-in")],
    &[],
];

#[tokio::test]
async fn no_form_is_taken_from_elsewhere_or_without_its_token() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("bob").await;
    let ada = signed_in(&app, "ada").await;
    let other = app.browser();
    sent_on(&sign_in_at(&other, "/sign-in", "ada").await, "/account");
    let page = open(&ada, "/account").await;
    let right = page.value("csrf_token").to_owned();
    let others = open(&other, "/account").await.value("csrf_token").to_owned();
    let nobodys = open(&app.browser(), "/sign-in").await.value("csrf_token").to_owned();
    let mut buttons = page.tags.iter().filter(|tag| tag.attribute("name") == Some("session"));
    let session = buttons.next().unwrap().attribute("value").unwrap();
    let held = ada.jar().clone();
    let [email, password] = filled("bob");
    let fields = [
        (&*email.0, &*email.1),
        (&*password.0, &*password.1),
        ("current_password", PASSWORD),
        ("new_password", OTHER_PASSWORD),
        ("session", session),
    ];
    for path in PAGES {
        for token in ["", "wrong", &nobodys, &others, &right[1..]] {
            let reply = send(&ada, path, &[&fields[..], &[("csrf_token", token)]].concat()).await;
            assert!(reply.header("set-cookie").is_none());
            assert_eq!(Page::of(reply, 403).code(), "csrf_failed", "{path}");
        }
        for page in FOREIGN {
            for browser in [&ada, &app.browser()] {
                let evil = browser.saying(page);
                let reply = send(&evil, path, &[&fields[..], &[("csrf_token", &*right)]].concat()).await;
                assert!(reply.header("set-cookie").is_none());
                assert_eq!(Page::of(reply, 403).code(), "csrf_failed", "{path} {page:?}");
            }
        }
        let reply = send(&ada, path, &fields).await;
        assert_eq!(Page::of(reply, 403).code(), "csrf_failed", "{path}");
    }
    assert_eq!(*ada.jar(), held, "nothing was set and nothing cleared");
    open(&ada, "/account").await;
    open(&other, "/account").await;
}

/// Whoever signed in in another tab meanwhile gets the form again, which works.
#[tokio::test]
async fn a_form_that_is_out_of_date_comes_back_with_the_right_token() {
    let app = TestApp::new(Backend::Sqlite).await;
    let tab = app.browser();
    let before = open(&tab, "/sign-in").await.value("csrf_token").to_owned();
    app.sign_up("ada").await;
    sent_on(&sign_in_at(&tab, "/sign-in", "ada").await, "/account");
    for path in ["/sign-in", "/sign-out"] {
        let fields = [("email", "ada@example.org"), ("password", PASSWORD), ("csrf_token", &*before)];
        let page = Page::of(send(&tab, path, &fields).await, 403);
        assert_eq!(page.code(), "csrf_failed");
        let now = page.value("csrf_token");
        assert_ne!(now, before);
        let fields = [("email", "ada@example.org"), ("password", PASSWORD), ("csrf_token", now)];
        assert_eq!(send(&tab, path, &fields).await.status, 303);
    }
}

#[tokio::test]
async fn a_trusted_page_may_send_them() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.web.trusted_origins = vec!["https://app.example.org".into()];
    })
    .await;
    app.sign_up("ada").await;
    let trusted =
        app.browser().saying(&[("origin", "https://app.example.org"), ("sec-fetch-site", "cross-site")]);
    sent_on(&sign_in_at(&trusted, "/sign-in", "ada").await, "/account");
}
