//! When cookies go: with their session, and never by a fault of ours.

use std::time::Duration;

use http::Method;
use portcullis_testkit::app::Browser;
use portcullis_testkit::postgres::OwnCluster;
use portcullis_testkit::{Backend, Database, PASSWORD, Reply, TestApp};
use serde_json::json;

use super::{cleared_names, set, set_names, signed_in};
use crate::across::rate_limits::limited;
use crate::on_both;
use crate::support::{OTHER_PASSWORD, eventually, private, refused};

const OWN: [&str; 3] = ["csrftoken", "pc_access", "pc_refresh"];

async fn logout(browser: &Browser) -> Reply {
    browser.send(Method::POST, "/auth/logout", None).await
}

on_both! {
    async fn signing_out_takes_them_away(backend: Backend) {
        let app = TestApp::new(backend).await;
        for (path, name) in [("/auth/logout", "ada"), ("/auth/logout/all", "bob")] {
            let ada = signed_in(&app, name, "cookies").await;
            let before = ada.copied();
            let reply = ada.send(Method::POST, path, None).await;
            private(&reply, 204);
            assert_eq!(cleared_names(&reply), OWN);
            refused(&before.get("/auth/me").await, 401, "invalid_token");
            refused(&before.refresh().await, 401, "refresh_revoked");
            refused(&ada.refresh().await, 401, "missing_token");
        }
    }

    async fn ending_the_session_that_asks_takes_them_away(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await;
        let mut phone = app.browser();
        let signed_in = phone.sign_in("ada", "cookies").await;
        let session = |reply: &Reply| reply.json["session_id"].as_str().unwrap().to_owned();
        let phones = session(&signed_in);
        let reply = ada.delete(&format!("/auth/sessions/{phones}")).await;
        private(&reply, 204);
        assert!(set(&reply).is_empty(), "that was the other's");
        let own = session(&ada.refresh().await);
        let reply = ada.delete(&format!("/auth/sessions/{own}")).await;
        private(&reply, 204);
        assert_eq!(cleared_names(&reply), OWN);
    }

    /// The refresh token's cookie may have been lost, or kept from us by `cookies.path`.
    async fn signing_out_with_an_access_token_alone(backend: Backend) {
        let app = TestApp::new(backend).await;
        for (name, minutes) in [("ada", 0), ("bob", 20)] {
            let mut ada = signed_in(&app, name, "cookies").await;
            let before = ada.copied();
            ada.jar().remove("pc_refresh");
            ada.fetch_csrf_token().await;
            app.clock.advance(Duration::from_mins(minutes));
            refused(&logout(&ada.knowing(None)).await, 403, "csrf_failed");
            refused(&logout(&ada.saying(&[("origin", "https://evil.example")])).await, 403, "csrf_failed");
            let reply = logout(&ada).await;
            private(&reply, 204);
            assert_eq!(cleared_names(&reply), ["csrftoken", "pc_access"]);
            refused(&before.get("/auth/me").await, 401, "invalid_token");
            refused(&before.refresh().await, 401, "refresh_revoked");
            refused(&logout(&ada).await, 401, "missing_token");
        }
    }

    async fn signing_out_with_an_expired_access_token(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await;
        app.clock.advance(Duration::from_hours(1));
        refused(&ada.get("/auth/me").await, 401, "invalid_token");
        let reply = logout(&ada).await;
        private(&reply, 204);
        assert_eq!(cleared_names(&reply), OWN);
    }

    async fn a_refresh_of_a_dead_session_takes_them_away(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = signed_in(&app, "ada", "cookies").await;
        let ended = ada.copied();
        logout(&ada).await;
        gone(&ended.refresh().await, "refresh_revoked");

        let mut ada = app.browser();
        ada.sign_in("ada", "cookies").await;
        let thief = ada.copied();
        for _ in 0..2 {
            ada.refresh().await;
        }
        gone(&thief.copied().refresh().await, "refresh_reused");
        gone(&ada.refresh().await, "refresh_revoked");

        ada.sign_in("ada", "cookies").await;
        let idle = ada.copied();
        app.clock.advance(Duration::from_hours(31 * 24));
        gone(&idle.refresh().await, "refresh_expired");

        let garbage = app.browser();
        for name in ["pc_refresh", "pc_access"] {
            garbage.jar().put(name, "garbage");
        }
        gone(&garbage.refresh().await, "invalid_token");
    }

    /// Two tabs: what the slower one hears of the old token must not take the new one away.
    async fn whoever_was_given_another_token_meanwhile_keeps_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = signed_in(&app, "ada", "cookies").await;
        let slow = ada.copied();
        let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        private(&ada.post("/auth/password/change", &change).await, 200);
        let reply = slow.refresh().await;
        refused(&reply, 401, "refresh_revoked");
        assert!(set(&reply).is_empty());
        let back = json!({"current_password": OTHER_PASSWORD, "new_password": PASSWORD});
        private(&ada.post("/auth/password/change", &back).await, 200);
        let slow = ada.copied();
        ada.sign_in("ada", "cookies").await;
        let reply = slow.refresh().await;
        refused(&reply, 401, "refresh_revoked");
        assert!(set(&reply).is_empty());
        assert_eq!(ada.refresh().await.status, 200);
    }
}

#[track_caller]
fn gone(reply: &Reply, code: &str) {
    refused(reply, 401, code);
    assert_eq!(cleared_names(reply), OWN);
    assert!(set_names(reply).is_empty());
}

#[tokio::test]
async fn a_bearer_takes_no_other_sessions_cookies_away() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = signed_in(&app, "ada", "cookies").await;
    let bob = app.sign_up("bob").await;
    let bobs = ada.bearing(bob.access_token.as_deref());
    for (method, path) in [
        (Method::DELETE, format!("/auth/sessions/{}", bob.session.as_deref().unwrap())),
        (Method::POST, "/auth/logout/all".to_owned()),
    ] {
        let reply = bobs.send(method, &path, None).await;
        assert!(set(&reply).is_empty(), "{path}");
    }
    assert_eq!(ada.refresh().await.status, 200);
}

#[tokio::test]
async fn limits_take_nothing_away() {
    let app = TestApp::with(Backend::Sqlite, limited).await;
    let ada = signed_in(&app, "ada", "cookies").await;
    for _ in 0..20 {
        assert_eq!(ada.refresh().await.status, 200);
    }
    let reply = ada.refresh().await;
    refused(&reply, 429, "rate_limited");
    assert!(set(&reply).is_empty());
}

/// An operator whose claims fit into no cookie breaks sign-ins, and ends no session: the refresh token that was spent
/// has its successor, which is good again when the claims are mended.
#[tokio::test]
async fn claims_that_are_too_long_end_nothing() {
    let app = TestApp::new(Backend::Sqlite).await;
    let verbose = app
        .another(|setup| {
            setup.settings.claims.insert("motto".into(), "x".repeat(4096).into());
        })
        .await;
    let ada = signed_in(&app, "ada", "cookies").await;
    for by_page in [false, true] {
        // Longer than the access token lives, and than the grace.
        app.clock.advance(Duration::from_mins(15));
        let there = ada.at(&verbose);
        let reply = if by_page { there.get("/account").await } else { there.refresh().await };
        assert_eq!(reply.status, 500, "{}", reply.text());
        assert_eq!(set_names(&reply), ["csrftoken", "pc_refresh"]);
        assert!(cleared_names(&reply).is_empty());
    }
    app.clock.advance(Duration::from_mins(15));
    let reply = ada.refresh().await;
    private(&reply, 200);
    assert_eq!(set_names(&reply), OWN);
}

/// The database is gone: nobody is signed out by that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_takes_nothing_away() {
    let cluster = OwnCluster::start(false);
    let database = Database::elsewhere(cluster.create_database("portcullis"));
    let app = TestApp::over(database, |_| {}).await;
    app.clock.set(app.cx.store.database_clock().await.unwrap().unwrap());
    let ada = signed_in(&app, "ada", "cookies").await;
    let held = ada.jar().clone();
    cluster.stop();
    for reply in [ada.refresh().await, logout(&ada).await] {
        refused(&reply, 503, "store_unavailable");
        assert!(set(&reply).is_empty());
    }
    assert_eq!(*ada.jar(), held);
    cluster.start_again();
    eventually("the database is back", async || ada.refresh().await.status == 200).await;
    drop(app);
}
