//! Buttons of providers on our pages, and what `/account` tells of them.

use std::time::Duration;

use portcullis_testkit::app::Browser;
use portcullis_testkit::{Backend, FakeIdp, TestApp};

use super::{Page, open, send, sent_on, sign_in_at, submit};
use crate::auth::social::{ada, arrived, back, identities_of, sent, sign_in, world, world_with};
use crate::support::{events, private};

/// A browser in which `bob` is signed in by the page.
async fn bob(app: &TestApp) -> Browser {
    app.sign_up("bob").await;
    let browser = app.browser();
    sent_on(&sign_in_at(&browser, "/sign-in", "bob").await, "/account");
    browser
}

/// Presses a button of `/account`.
async fn press(browser: &Browser, button: &str, value: &str) -> portcullis_testkit::Reply {
    submit(browser, "/account", &[(button, value)]).await
}

/// Where the page leads on that answers a button.
fn led(reply: portcullis_testkit::Reply) -> String {
    let page = Page::of(reply, 200);
    page.by_id("onward").expect("a link").attribute("href").expect("a place").replace("&amp;", "&")
}

async fn links(browser: &Browser, fake: &FakeIdp) {
    let url = led(press(browser, "link", "acme").await);
    sent_on(&back(browser, "acme", &fake.authorize(&url, &ada(fake))).await, "/account");
}

#[tokio::test]
async fn sign_in_and_sign_up_lead_to_every_provider_and_on() {
    let (app, _fake) = world(Backend::Sqlite).await;
    for path in ["/sign-in", "/sign-up"] {
        let page = open(&app.browser(), &format!("{path}?return_to=/account/password")).await;
        for name in ["acme", "other", "plain"] {
            let place = format!("/auth/oauth/{name}/start?return_to=%2Faccount%2Fpassword");
            assert!(page.links().contains(&&*place), "{:?}", page.links());
        }
        assert!(page.reply.text().contains("with Title of acme"));
    }
    let bare = TestApp::new(Backend::Sqlite).await;
    assert!(!open(&bare.browser(), "/sign-in").await.reply.text().contains("/auth/oauth/"));
}

#[tokio::test]
async fn linked_and_unlinked_by_buttons() {
    let (app, fake) = world(Backend::Sqlite).await;
    let browser = bob(&app).await;
    links(&browser, &fake).await;
    let page = open(&browser, "/account").await;
    assert!(
        page.reply.text().contains("How else you sign in") && page.reply.text().contains("ada@example.org")
    );
    assert!(!page.reply.text().contains("name=\"link\" value=\"acme\""), "it is there");
    let user = app.anon().bearing(Some(&browser.value("pc_access")));
    let id = identities_of(&user).await[0]["id"].as_str().unwrap().to_owned();
    sent_on(&press(&browser, "unlink", &id).await, "/account");
    assert!(identities_of(&user).await.is_empty());
    let page = Page::of(press(&browser, "unlink", &id).await, 404);
    assert_eq!(page.code(), "not_found");
    assert_eq!(Page::of(press(&browser, "link", "nobody").await, 404).code(), "not_found");
    // Without the token nothing is done.
    let forged = send(&browser, "/account", &[("link", "acme"), ("csrf_token", "x")]).await;
    assert_eq!(Page::of(forged, 403).code(), "csrf_failed");
}

#[tokio::test]
async fn the_last_way_in_stays_and_the_page_says_so() {
    let (app, fake) = world(Backend::Sqlite).await;
    let browser = app.browser();
    sent_on(&sign_in(&browser, &fake, &ada(&fake)).await, "/account");
    let user = app.anon().bearing(Some(&browser.value("pc_access")));
    let id = identities_of(&user).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(Page::of(press(&browser, "unlink", &id).await, 409).code(), "last_way_in");
}

#[tokio::test]
async fn who_signed_in_long_ago_shows_once_more_that_it_is_them() {
    let (app, fake) = world(Backend::Sqlite).await;
    let (by_password, by_provider) = (bob(&app).await, app.browser());
    sent_on(&sign_in(&by_provider, &fake, &ada(&fake)).await, "/account");
    app.clock.advance(Duration::from_mins(11));
    sent_on(&press(&by_password, "link", "acme").await, "/step-up?return_to=%2Faccount");
    let anew = "/sign-in?return_to=%2Faccount&max_age=600";
    sent_on(&press(&by_provider, "link", "other").await, anew);
    // Without a password, by way of the provider, which is asked to have them sign in there anew.
    let page = open(&by_provider, anew).await;
    let start = page
        .links()
        .into_iter()
        .find(|link| link.starts_with("/auth/oauth/acme/start"))
        .unwrap()
        .replace("&amp;", "&");
    let url = sent(&by_provider, &start).await;
    assert!(url.contains("prompt=login") || url.contains("max_age=0"), "{url}");
    sent_on(&back(&by_provider, "acme", &fake.authorize(&url, &ada(&fake))).await, "/account");
    led(press(&by_provider, "link", "other").await);
}

#[tokio::test]
async fn what_went_wrong_on_the_way_to_link_is_told_on_a_page() {
    let (app, fake) = world(Backend::Sqlite).await;
    arrived(&app, &fake, &ada(&fake)).await;
    let browser = bob(&app).await;
    let url = led(press(&browser, "link", "acme").await);
    let page = Page::of(back(&browser, "acme", &fake.authorize(&url, &ada(&fake))).await, 409);
    assert_eq!(page.code(), "identity_taken");
    let user = app.anon().bearing(Some(&browser.value("pc_access")));
    private(&user.get("/auth/me").await, 200);
    assert!(identities_of(&user).await.is_empty());
    assert!(events(&app, "identity.linked").await.is_empty());
}

#[tokio::test]
async fn strict_cookies_come_along_from_a_page_that_leads_on() {
    let (app, fake) = world_with(Backend::Sqlite, |setup| {
        setup.web.cookie_same_site = portcullis_web::SameSite::Strict;
    })
    .await;
    let browser = app.browser();
    let url = sent(&browser, "/auth/oauth/acme/start?return_to=/account/password").await;
    assert!(browser.cookie("pc_flow").unwrap().attributes.contains("SameSite=Lax"));
    let reply = back(&browser, "acme", &fake.authorize(&url, &ada(&fake))).await;
    assert_eq!(led(reply), "/account/password");
    assert!(browser.cookie("pc_access").unwrap().attributes.contains("SameSite=Strict"));
}

#[tokio::test]
async fn a_second_factor_is_asked_for_on_its_page() {
    let (app, fake) = world(Backend::Sqlite).await;
    let user = arrived(&app, &fake, &ada(&fake)).await;
    app.owe_totp(crate::support::user_id(&user)).await;
    let browser = app.browser();
    sent_on(&sign_in(&browser, &fake, &ada(&fake)).await, "/sign-in/factor");
    assert!(browser.cookie("pc_access").is_none() && browser.cookie("pc_challenge").is_some());
    open(&browser, "/sign-in/factor").await;
}
