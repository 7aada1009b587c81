//! Whoever came by way of a provider and has neither password nor factor: what needs a fresh sign-in leads them there again.

use std::time::Duration;

use portcullis_testkit::app::Browser;
use portcullis_testkit::{Backend, FakeIdp, SecurityKey, TestApp};

use super::passkeys::add;
use super::{Page, open, send, sent_on, submit};
use crate::auth::social::{ada, back, sent, sign_in, world};
use crate::on_both;

const FACTORS: &str = "/account/factors";
const PASSKEYS: &str = "/account/passkeys";
const TOTP: &str = "/account/factors/totp";

/// Where somebody signs in anew, and comes back to `place`.
fn anew(place: &str) -> String {
    format!("/sign-in?return_to={}&max_age=600", place.replace('/', "%2F"))
}

/// A browser in which somebody is signed in by way of `acme`, who signed in there longer ago than ten minutes.
async fn long_ago(app: &TestApp, fake: &FakeIdp) -> Browser {
    let browser = app.browser();
    sent_on(&sign_in(&browser, fake, &ada(fake)).await, "/account");
    app.clock.advance(Duration::from_mins(11));
    browser
}

/// Signs in anew as the page at `place` has it.
async fn signs_in_at(browser: &Browser, fake: &FakeIdp, place: &str) -> portcullis_testkit::Reply {
    let page = open(browser, place).await;
    let start = page.links().into_iter().find(|link| link.starts_with("/auth/oauth/acme/start"));
    let url = sent(browser, &start.expect("a button").replace("&amp;", "&")).await;
    back(browser, "acme", &fake.authorize(&url, &ada(fake))).await
}

on_both! {
    async fn a_passkey_is_added_after_a_sign_in_at_the_provider(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = long_ago(&app, &fake).await;
        let place = anew(PASSKEYS);
        let form = open(&browser, PASSKEYS).await;
        let shown = form.by_id("add-passkey").unwrap().attribute("data-fresh").unwrap().replace("&amp;", "&");
        assert_eq!(shown, place);
        let id = "01890000-0000-7000-8000-000000000000";
        sent_on(&submit(&browser, PASSKEYS, &[("remove", id)]).await, &place);
        sent_on(&signs_in_at(&browser, &fake, &place).await, PASSKEYS);
        Page::of(add(&browser, &mut SecurityKey::default(), "one").await, 200);
        // They have something to show by now.
        app.clock.advance(Duration::from_mins(11));
        let step_up = "/step-up?return_to=%2Faccount%2Fpasskeys";
        sent_on(&submit(&browser, PASSKEYS, &[("remove", id)]).await, step_up);
        assert!(open(&browser, step_up).await.by_id("use-passkey").is_some());
    }

    async fn an_app_for_codes_is_set_up_after_a_sign_in_at_the_provider(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = long_ago(&app, &fake).await;
        sent_on(&browser.get(TOTP).await, &anew(TOTP));
        sent_on(&submit(&browser, FACTORS, &[("begin", "totp")]).await, &anew(FACTORS));
        sent_on(&signs_in_at(&browser, &fake, &anew(FACTORS)).await, FACTORS);
        sent_on(&submit(&browser, FACTORS, &[("begin", "totp")]).await, TOTP);
        open(&browser, TOTP).await;
    }
}

#[tokio::test]
async fn the_page_that_asks_for_a_password_asks_nobody_who_has_none() {
    let (app, fake) = world(Backend::Sqlite).await;
    let browser = long_ago(&app, &fake).await;
    let step_up = "/step-up?return_to=%2Faccount%2Ffactors";
    sent_on(&browser.get(step_up).await, &anew(FACTORS));
    // It was open before the password went.
    let token = open(&browser, FACTORS).await.value("csrf_token").to_owned();
    let fields = [("csrf_token", &*token), ("current_password", "whatever they had")];
    sent_on(&send(&browser, step_up, &fields).await, &anew(FACTORS));
    sent_on(&send(&browser, "/step-up", &fields).await, &anew("/account"));
}
