//! `/account/password`

use std::time::Duration;

use portcullis_testkit::{PASSWORD, TestApp};

use super::{Page, open, send, sent_on, sign_in_at, signed_in, submit};
use crate::browsers::set_names;
use crate::on_both;
use crate::support::{OTHER_PASSWORD, refused};

const PATH: &str = "/account/password";

on_both! {
    async fn this_session_goes_on_and_others_end(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        let phone = app.browser();
        sent_on(&sign_in_at(&phone, "/sign-in", "ada").await, "/account");
        let mut stolen = ada.copied();
        stolen.fetch_csrf_token().await;
        let page = open(&ada, PATH).await;
        assert_eq!(page.value("email"), "ada@example.org", "for password managers");
        let fields = [("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)];
        let reply = submit(&ada, PATH, &fields).await;
        sent_on(&reply, "/account");
        assert_eq!(set_names(&reply), ["csrftoken", "pc_access", "pc_device", "pc_refresh"]);
        open(&ada, "/account").await;
        sent_on(&phone.get("/account").await, "/sign-in?return_to=%2Faccount");
        refused(&stolen.refresh().await, 401, "refresh_revoked");
        let login = [("email", "ada@example.org"), ("password", OTHER_PASSWORD)];
        sent_on(&submit(&app.browser(), "/sign-in", &login).await, "/account");
    }

    async fn what_is_wrong_stands_next_to_its_field(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        for (current, new, status, wrong, code) in [
            ("wrong", OTHER_PASSWORD, 403, "current_password", "wrong_password"),
            (PASSWORD, "short", 422, "new_password", "validation_failed"),
            (PASSWORD, PASSWORD, 422, "new_password", "password_unchanged"),
        ] {
            let fields = [("current_password", current), ("new_password", new)];
            let reply = submit(&ada, PATH, &fields).await;
            assert!(set_names(&reply).is_empty());
            let page = Page::of(reply, status);
            assert_eq!(page.code(), code);
            for field in ["current_password", "new_password"] {
                assert_eq!(page.is_wrong(field), field == wrong);
                assert_eq!(page.value(field), "");
            }
        }
        sent_on(&sign_in_at(&app.browser(), "/sign-in", "ada").await, "/account");
    }

    /// A page that was open for longer than the access token lived; what is renewed on the way is not lost.
    async fn also_from_a_page_that_was_open_for_long(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada").await;
        let token = open(&ada, PATH).await.value("csrf_token").to_owned();
        app.clock.advance(Duration::from_hours(1));
        let fields = [("current_password", "wrong"), ("new_password", OTHER_PASSWORD), ("csrf_token", &*token)];
        let reply = send(&ada, PATH, &fields).await;
        assert_eq!(set_names(&reply), ["csrftoken", "pc_access", "pc_refresh"]);
        let page = Page::of(reply, 403);
        assert_eq!((page.code(), page.value("csrf_token")), ("wrong_password", &*token));
        app.clock.advance(Duration::from_hours(1));
        let fields = [("current_password", PASSWORD), ("new_password", OTHER_PASSWORD), ("csrf_token", &*token)];
        sent_on(&send(&ada, PATH, &fields).await, "/account");
        app.clock.advance(Duration::from_hours(1));
        open(&ada, "/account").await;
    }
}
