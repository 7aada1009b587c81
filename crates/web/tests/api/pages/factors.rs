//! `/sign-in/factor`, `/account/factors`, `/account/factors/totp`, `/step-up`

use std::time::Duration;

use portcullis_core::time::Clock as _;
use portcullis_core::user::Role;
use portcullis_testkit::app::Browser;
use portcullis_testkit::{Authenticator, Backend, PASSWORD, TestApp};

use super::{Page, open, send, sent_on, sign_in_at, signed_in, submit};
use crate::on_both;
use crate::support::made;

const FACTORS: &str = "/account/factors";
const TOTP: &str = "/account/factors/totp";
const FACTOR: &str = "/sign-in/factor";
const STEP_UP: &str = "/step-up";

fn code(app: &TestApp, phone: &Authenticator) -> String {
    app.clock.advance(Duration::from_secs(30));
    phone.code(app.clock.now(), 0)
}

/// Sets up an app by the pages: the app, and the recovery codes.
async fn set_up(app: &TestApp, browser: &Browser) -> (Authenticator, Vec<String>) {
    sent_on(&submit(browser, FACTORS, &[("begin", "totp")]).await, TOTP);
    let page = open(browser, TOTP).await;
    let phone = Authenticator::new(&page.by_id("secret").unwrap().text);
    assert!(page.tags.iter().any(|tag| tag.name == "svg"), "a QR code");
    let right = phone.code(app.clock.now(), 0);
    let page = Page::of(submit(browser, TOTP, &[("code", &right)]).await, 200);
    let codes: Vec<_> =
        page.tags.iter().filter(|tag| tag.name == "code").map(|tag| tag.text.clone()).collect();
    assert_eq!(codes.len(), 10);
    (phone, codes)
}

on_both! {
    async fn an_app_is_set_up_shown_at_sign_in_and_removed(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        assert!(open(&ada, "/account").await.links().contains(&FACTORS));
        let (phone, codes) = set_up(&app, &ada).await;
        let page = open(&ada, FACTORS).await;
        assert!(page.by_id("factors").is_some() && page.by_id("recovery-codes").unwrap().text.contains("10"));

        let tablet = app.browser();
        sent_on(&sign_in_at(&tablet, "/sign-in?return_to=%2Faccount%2Fpassword", "ada").await,
            "/sign-in/factor?return_to=%2Faccount%2Fpassword");
        let at = "/sign-in/factor?return_to=%2Faccount%2Fpassword";
        let page = Page::of(submit(&tablet, at, &[("code", "000000")]).await, 403);
        assert_eq!((page.code(), page.is_wrong("code"), page.value("code")), ("wrong_code", true, ""));
        sent_on(&submit(&tablet, at, &[("code", &code(&app, &phone))]).await, "/account/password");
        assert!(tablet.cookie("pc_challenge").is_none() && tablet.cookie("pc_access").is_some());
        open(&tablet, "/account").await;
        // By a recovery code, typed as it was written down.
        let other = app.browser();
        sent_on(&sign_in_at(&other, "/sign-in", "ada").await, FACTOR);
        sent_on(&submit(&other, FACTOR, &[("code", &codes[0])]).await, "/account");

        let id = open(&ada, FACTORS).await;
        let id = id.tags.iter().find(|tag| tag.attribute("name") == Some("remove")).unwrap();
        let id = id.attribute("value").unwrap().to_owned();
        sent_on(&submit(&ada, FACTORS, &[("remove", &id)]).await, FACTORS);
        assert!(open(&ada, FACTORS).await.by_id("factors").is_none());
        sent_on(&sign_in_at(&app.browser(), "/sign-in", "ada").await, "/account");
    }

    async fn a_browser_that_is_trusted_is_not_asked_again(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        let (phone, _) = set_up(&app, &ada).await;
        let tablet = app.browser();
        sent_on(&sign_in_at(&tablet, "/sign-in", "ada").await, FACTOR);
        let fields = [("code", &*code(&app, &phone)), ("remember_device", "yes")];
        sent_on(&submit(&tablet, FACTOR, &fields).await, "/account");
        sent_on(&submit(&tablet, "/sign-out", &[]).await, "/sign-out");
        sent_on(&sign_in_at(&tablet, "/sign-in", "ada").await, "/account");
        // What changes factors asks all the same.
        sent_on(&submit(&tablet, FACTORS, &[("codes", "new")]).await, "/step-up?return_to=%2Faccount%2Ffactors");
        let at = "/step-up?return_to=%2Faccount%2Ffactors";
        assert_eq!(Page::of(submit(&tablet, at, &[("code", "1")]).await, 403).code(), "wrong_code");
        sent_on(&submit(&tablet, at, &[("code", &code(&app, &phone))]).await, FACTORS);
        let page = Page::of(submit(&tablet, FACTORS, &[("codes", "new")]).await, 200);
        assert_eq!(page.tags.iter().filter(|tag| tag.name == "code").count(), 10);
        let page = open(&ada, FACTORS).await;
        let device = page.tags.iter().find(|tag| tag.attribute("name") == Some("forget")).unwrap();
        let device = device.attribute("value").unwrap().to_owned();
        sent_on(&submit(&ada, FACTORS, &[("forget", &device)]).await, FACTORS);
        sent_on(&submit(&tablet, "/sign-out", &[]).await, "/sign-out");
        sent_on(&sign_in_at(&tablet, "/sign-in", "ada").await, FACTOR);
    }

    async fn whoever_signed_in_long_ago_shows_once_more_that_it_is_them(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        app.clock.advance(Duration::from_mins(11));
        sent_on(&submit(&ada, FACTORS, &[("begin", "totp")]).await, "/step-up?return_to=%2Faccount%2Ffactors");
        let at = "/step-up?return_to=%2Faccount%2Ffactors";
        let page = Page::of(submit(&ada, at, &[("current_password", "wrong")]).await, 403);
        assert_eq!((page.code(), page.is_wrong("current_password")), ("wrong_password", true));
        sent_on(&submit(&ada, at, &[("current_password", PASSWORD)]).await, FACTORS);
        sent_on(&submit(&ada, FACTORS, &[("begin", "totp")]).await, TOTP);
        let page = Page::of(submit(&ada, TOTP, &[("code", "000000")]).await, 403);
        assert_eq!(page.code(), "wrong_code");
        assert!(page.by_id("secret").is_some(), "it is still being set up");
    }

    async fn a_role_that_needs_one_leads_there(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            setup.settings.login.require_factor = vec![Role::from_stored(Role::ADMIN)];
        })
        .await;
        made(&app, "root", |request| request.role = "admin".into()).await;
        let root = app.browser();
        sent_on(&sign_in_at(&root, "/sign-in", "root").await, FACTORS);
        assert!(open(&root, FACTORS).await.by_id("must-set-up").is_some());
        sent_on(&root.get("/account").await, FACTORS);
        sent_on(&root.get("/sign-in").await, FACTORS);
        set_up(&app, &root).await;
        open(&root, "/account").await;
        let page = open(&root, FACTORS).await;
        let id = page.tags.iter().find(|tag| tag.attribute("name") == Some("remove")).unwrap();
        let id = id.attribute("value").unwrap().to_owned();
        assert_eq!(Page::of(submit(&root, FACTORS, &[("remove", &id)]).await, 409).code(), "factor_required");
    }
}

#[tokio::test]
async fn without_a_sign_in_that_owes_one_there_is_nothing_to_show() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada").await;
    let (phone, _) = set_up(&app, &ada).await;
    sent_on(&app.browser().get(FACTOR).await, "/sign-in");
    sent_on(&app.browser().get(STEP_UP).await, "/sign-in?return_to=%2Fstep-up");
    let tablet = app.browser();
    sent_on(&sign_in_at(&tablet, "/sign-in", "ada").await, FACTOR);
    let token = open(&tablet, FACTOR).await.value("csrf_token").to_owned();
    app.clock.advance(Duration::from_mins(5));
    let code = phone.code(app.clock.now(), 0);
    sent_on(&send(&tablet, FACTOR, &[("csrf_token", &token), ("code", &code)]).await, "/sign-in");
}
