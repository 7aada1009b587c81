//! `/account/passkeys`, and the button of `/sign-in`

use std::time::Duration;

use portcullis_testkit::app::Browser;
use portcullis_testkit::{Backend, SecurityKey, TestApp};
use serde_json::{Value, json};

use super::{Page, open, send, sent_on, signed_in};
use crate::auth::passkeys::{LOGIN_START, REGISTER_START};
use crate::on_both;
use crate::support::{private, refused};

const PAGE: &str = "/account/passkeys";
const FRESH: &str = "/step-up?return_to=%2Faccount%2Fpasskeys";

/// What the script of the page asks for.
async fn begin(browser: &Browser, path: &str, token: &str) -> Value {
    let reply = browser.knowing(Some(token)).send(http::Method::POST, path, None).await;
    private(&reply, 200);
    reply.json
}

/// Adds a passkey as the script of the page does.
pub(super) async fn add(
    browser: &Browser,
    authenticator: &mut SecurityKey,
    name: &str,
) -> portcullis_testkit::Reply {
    let token = open(browser, PAGE).await.value("csrf_token").to_owned();
    let begun = begin(browser, REGISTER_START, &token).await;
    let credential = authenticator.create(&begun["publicKey"]).to_string();
    let ceremony = begun["ceremony"].as_str().unwrap();
    let fields =
        [("csrf_token", &*token), ("ceremony", ceremony), ("credential", &credential), ("name", name)];
    send(browser, PAGE, &fields).await
}

/// The names that are shown.
fn names(page: &Page) -> Vec<&str> {
    page.tags.iter().filter(|tag| tag.name == "strong").map(|tag| &*tag.text).collect()
}

/// The ids that have a button.
fn ids(page: &Page) -> Vec<String> {
    let buttons = page.tags.iter().filter(|tag| tag.attribute("name") == Some("remove"));
    buttons.map(|tag| tag.attribute("value").unwrap().to_owned()).collect()
}

on_both! {
    async fn passkeys_are_added_renamed_removed_and_sign_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let browser = signed_in(&app, "ada").await;
        assert!(open(&browser, "/account").await.links().contains(&PAGE));
        assert!(open(&browser, PAGE).await.by_id("none").is_some());
        let (mut laptop, mut phone) = (SecurityKey::default(), SecurityKey::synced());
        let first = Page::of(add(&browser, &mut laptop, "my <laptop>").await, 200);
        assert!(first.links().contains(&PAGE), "recovery codes, and on from there");
        app.clock.advance(Duration::from_secs(1));
        // The session has shown it: another may follow at once.
        sent_on(&add(&browser, &mut phone, "phone").await, PAGE);
        let page = open(&browser, PAGE).await;
        assert_eq!(names(&page), ["my <laptop>", "phone"]);
        let (token, found) = (page.value("csrf_token").to_owned(), ids(&page));
        let fields = [("csrf_token", &*token), ("passkey", &found[0]), ("new_name", "desk")];
        sent_on(&send(&browser, PAGE, &fields).await, PAGE);
        assert_eq!(names(&open(&browser, PAGE).await), ["desk", "phone"]);
        sent_on(&send(&browser, PAGE, &[("csrf_token", &token), ("remove", &found[0])]).await, PAGE);
        assert_eq!(names(&open(&browser, PAGE).await), ["phone"]);

        let other = app.browser();
        let page = open(&other, "/sign-in?return_to=/docs").await;
        assert_eq!(page.by_id("email").unwrap().attribute("autocomplete"), Some("username webauthn"));
        let token = page.value("csrf_token").to_owned();
        for (authenticator, comes_to) in [(&mut laptop, 401), (&mut phone, 303)] {
            let begun = begin(&other, LOGIN_START, &token).await;
            let credential = authenticator.get(&begun["publicKey"]).to_string();
            let ceremony = begun["ceremony"].as_str().unwrap();
            let fields = [("csrf_token", &*token), ("ceremony", ceremony), ("credential", &credential)];
            let reply = send(&other, "/sign-in?return_to=/docs", &fields).await;
            assert_eq!(reply.status, comes_to, "{}", reply.text());
            if comes_to == 303 {
                sent_on(&reply, "/docs");
            } else {
                assert_eq!(Page::of(reply, 401).code(), "invalid_credentials");
            }
        }
        assert_eq!(names(&open(&other, PAGE).await), ["phone"]);
    }

    async fn what_is_wrong_is_said_on_the_page(backend: Backend) {
        let app = TestApp::new(backend).await;
        let browser = signed_in(&app, "ada").await;
        let mut authenticator = SecurityKey::default();
        Page::of(add(&browser, &mut authenticator, "one").await, 200);
        let shown = async |fields: &[(&str, &str)], status| {
            let token = open(&browser, PAGE).await.value("csrf_token").to_owned();
            let reply = send(&browser, PAGE, &[&[("csrf_token", &*token)], fields].concat()).await;
            let page = Page::of(reply, status);
            assert_eq!(names(&page), ["one"], "the rest of the page is there");
            page.code().to_owned()
        };
        let id = ids(&open(&browser, PAGE).await).remove(0);
        assert_eq!(shown(&[("passkey", &id), ("new_name", " ")], 422).await, "validation_failed");
        assert_eq!(shown(&[("passkey", "x"), ("new_name", "two")], 404).await, "not_found");
        assert_eq!(shown(&[("remove", "x")], 404).await, "not_found");
        assert_eq!(shown(&[("ceremony", "x"), ("credential", "x"), ("name", "two")], 400).await, "passkey_refused");
        let again = Page::of(add(&browser, &mut authenticator, "again").await, 400);
        assert_eq!(again.code(), "passkey_refused");
        app.database.tamper("UPDATE users SET password_hash = NULL");
        assert_eq!(shown(&[("remove", &id)], 409).await, "last_way_in");
    }
}

#[tokio::test]
async fn whoever_signed_in_too_long_ago_does_so_again() {
    let app = TestApp::new(Backend::Sqlite).await;
    let browser = signed_in(&app, "ada").await;
    Page::of(add(&browser, &mut SecurityKey::default(), "one").await, 200);
    app.clock.advance(Duration::from_secs(601));
    let page = open(&browser, PAGE).await;
    assert_eq!(page.by_id("add-passkey").unwrap().attribute("data-fresh"), Some(FRESH));
    let (token, id) = (page.value("csrf_token").to_owned(), ids(&page).remove(0));
    let stale = browser.knowing(Some(&token)).send(http::Method::POST, REGISTER_START, None).await;
    refused(&stale, 403, "fresh_login_required");
    sent_on(&send(&browser, PAGE, &[("csrf_token", &token), ("remove", &id)]).await, FRESH);
    assert_eq!(open(&browser, FRESH).await.value("email"), "ada@example.org");
}

#[tokio::test]
async fn an_administrator_who_acts_sees_none() {
    let app = TestApp::new(Backend::Sqlite).await;
    crate::support::admin(&app, "root").await;
    let ada = app.sign_up("ada").await;
    let mut root = app.browser();
    root.sign_in("root", "cookies").await;
    let begin = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
    assert_eq!(root.post(&begin, &json!({"reason": "x", "mode": "full"})).await.status, 200);
    let root = root.knowing(None);
    assert_eq!(Page::of(root.get(PAGE).await, 403).code(), "not_while_acting");
}

#[tokio::test]
async fn without_a_host_name_the_pages_do_not_speak_of_them() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.settings.relying_party = None).await;
    let browser = signed_in(&app, "ada").await;
    assert!(!open(&browser, "/account").await.links().contains(&PAGE));
    assert_eq!(Page::of(browser.get(PAGE).await, 404).code(), "not_found");
    let page = open(&app.browser(), "/sign-in").await;
    assert!(page.by_id("use-passkey").is_none());
    assert_eq!(page.by_id("email").unwrap().attribute("autocomplete"), Some("username"));
}
