//! `/account`

use std::time::Duration;

use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use super::{Page, open, send, sent_on, sign_in_at, signed_in};
use crate::browsers::cleared_names;
use crate::on_both;
use crate::support::{admin, refused};

/// The ids of the sessions that have a button.
fn sessions(page: &Page) -> Vec<String> {
    let buttons = page.tags.iter().filter(|tag| tag.attribute("name") == Some("session"));
    buttons.map(|tag| tag.attribute("value").unwrap().to_owned()).collect()
}

on_both! {
    async fn sessions_are_shown_and_ended(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        app.clock.advance(Duration::from_secs(1));
        let laptop = app.browser();
        sent_on(&sign_in_at(&laptop, "/sign-in", "ada").await, "/account");
        app.clock.advance(Duration::from_secs(1));
        let phone = app.browser().with_header("user-agent", "A \"phone\" <3");
        sent_on(&sign_in_at(&phone, "/sign-in", "ada").await, "/account");
        let page = open(&laptop, "/account").await;
        let ids = sessions(&page);
        assert_eq!(ids.len(), 3, "the one of signing up, too");
        assert!(page.tags.iter().any(|tag| tag.name == "strong" && tag.text == "A \"phone\" <3"));
        assert_eq!(page.tags.iter().filter(|tag| tag.text == "this browser").count(), 1);
        let token = page.value("csrf_token").to_owned();
        let end = async |id: &str| {
            send(&laptop, "/account", &[("session", id), ("csrf_token", &token)]).await
        };
        // Newest first.
        sent_on(&end(&ids[0]).await, "/account");
        sent_on(&phone.get("/account").await, "/sign-in?return_to=%2Faccount");
        assert_eq!(sessions(&open(&laptop, "/account").await), ids[1..]);
        for gone in [&*ids[0], "nonsense", ""] {
            let page = Page::of(end(gone).await, 404);
            assert_eq!((page.code(), sessions(&page).len()), ("not_found", 2));
        }
        let reply = end(&ids[1]).await;
        sent_on(&reply, "/sign-out");
        assert_eq!(cleared_names(&reply), ["csrftoken", "pc_access", "pc_refresh"]);
    }

    async fn the_session_of_another_is_not_there(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        let mut bob = app.sign_up("bob").await;
        let token = open(&ada, "/account").await.value("csrf_token").to_owned();
        let fields = [("session", bob.session.as_deref().unwrap()), ("csrf_token", &token)];
        assert_eq!(Page::of(send(&ada, "/account", &fields).await, 404).code(), "not_found");
        assert_eq!(bob.refresh().await.status, 200);
    }

    async fn an_administrator_who_acts_may_look(backend: Backend) {
        let app = TestApp::new(backend).await;
        admin(&app, "root").await;
        let mut ada = app.sign_up("ada").await;
        for mode in ["read", "full"] {
            let mut root = app.browser();
            root.sign_in("root", "cookies").await;
            let begin = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
            assert_eq!(root.post(&begin, &json!({"reason": "x", "mode": mode})).await.status, 200);
            let token = root.fetch_csrf_token().await;
            let root = root.knowing(None);
            let page = open(&root, "/account").await;
            assert_eq!(page.by_id("name").unwrap().text, "ada");
            assert!(sessions(&page).is_empty() && page.links() == ["/sign-out"]);
            let code = if mode == "read" { "read_only_session" } else { "not_while_acting" };
            let fields = [("session", ada.session.as_deref().unwrap()), ("csrf_token", &token)];
            assert_eq!(Page::of(send(&root, "/account", &fields).await, 403).code(), code);
            assert_eq!(Page::of(root.get("/account/password").await, 403).code(), code);
            let fields = [("current_password", "x"), ("new_password", "y"), ("csrf_token", &token)];
            assert_eq!(Page::of(send(&root, "/account/password", &fields).await, 403).code(), code);
        }
        assert_eq!(ada.refresh().await.status, 200);
    }
}

#[tokio::test]
async fn nobody_is_sent_to_sign_in_and_comes_back() {
    let app = TestApp::new(Backend::Sqlite).await;
    for (path, place) in [
        ("/account", "/sign-in?return_to=%2Faccount"),
        ("/account/password", "/sign-in?return_to=%2Faccount%2Fpassword"),
        (
            "/account/password?return_to=/docs",
            "/sign-in?return_to=%2Faccount%2Fpassword%3Freturn_to%3D%252Fdocs",
        ),
    ] {
        let nobody = app.browser();
        sent_on(&nobody.get(path).await, place);
        sent_on(&send(&nobody, path, &[]).await, place);
    }
    // Who shows who they are by a header is nobody to a page.
    let ada = app.sign_up("ada").await;
    sent_on(&ada.get("/account").await, "/sign-in?return_to=%2Faccount");
    let other = app.browser();
    other.jar().put("pc_access", "garbage");
    sent_on(&other.get("/account").await, "/sign-in?return_to=%2Faccount");
    refused(&other.get("/auth/me").await, 401, "invalid_token");
}
