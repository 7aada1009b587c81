//! Rate limits, shared by the nodes of one database.

use std::time::Duration;

use portcullis_app::settings::Rates;
use portcullis_core::rate::Rate;
use portcullis_testkit::{PASSWORD, Reply, Setup, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{credentials, forged, private, refused};

/// The limits of a fresh installation.
pub(crate) fn limited(setup: &mut Setup) {
    setup.settings.rates = Some(Rates {
        login: Rate::per_minute(10),
        register: Rate::per_minute(3),
        refresh: Rate::per_minute(20),
        refresh_replays: Rate::per_minute(600),
        refresh_forgeries: Rate::per_minute(30),
        password_change: Rate::per_minute(5),
        password_forgot: Rate::per_minute(5),
        password_reset: Rate::per_minute(5),
        email_verify: Rate::per_minute(5),
        send_verification: Rate::per_minute(5),
        token_create: Rate::per_minute(5),
        oauth_token: Rate::per_minute(30),
    });
}

#[track_caller]
fn is_limited(reply: &Reply, name: &str, policy: &str, wait: u64) {
    refused(reply, 429, "rate_limited");
    assert_eq!(reply.header("retry-after"), Some(&*wait.to_string()));
    assert_eq!(reply.header("ratelimit-policy"), Some(&*format!("\"{name}\";{policy}")));
    assert_eq!(reply.header("ratelimit"), Some(&*format!("\"{name}\";r=0;t={wait}")));
}

on_both! {
    async fn ten_logins_a_minute_from_one_address_on_all_nodes(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let other = app.another(limited).await;
        app.sign_up("ada").await;
        let body = credentials("ada", PASSWORD);
        let from = |node: &TestApp, address: &str| node.anon().from_address(address);
        for at in 0..10 {
            let node = if at % 2 == 0 { &app } else { &other };
            // Whatever `Authorization` says is not read, and does not count apart.
            let actor = from(node, "192.0.2.1").with_header("authorization", &format!("Bearer {at}"));
            assert_eq!(actor.post("/auth/login", &body).await.status, 200, "{at}");
        }
        for node in [&app, &other, &app] {
            is_limited(&from(node, "192.0.2.1").post("/auth/login", &body).await, "login", "q=10;w=60", 6);
        }
        assert_eq!(from(&app, "192.0.2.2").post("/auth/login", &body).await.status, 200, "another address");
        assert_eq!(from(&app, "::ffff:192.0.2.1").post("/auth/login", &body).await.status, 429, "the same one");
        app.clock.advance(Duration::from_secs(6));
        assert_eq!(from(&other, "192.0.2.1").post("/auth/login", &body).await.status, 200, "one is free again");
        assert_eq!(from(&app, "192.0.2.1").post("/auth/login", &body).await.status, 429);
    }

    async fn an_ipv6_subscriber_is_one_and_a_site_has_ten_times_as_much(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        app.sign_up("ada").await;
        let body = credentials("ada", PASSWORD);
        let post = async |subnet: u16, host: u16| {
            let actor = app.anon().from_address(&format!("2001:db8:1:{subnet:x}::{host:x}"));
            actor.post("/auth/login", &body).await.status
        };
        for host in 0..10 {
            assert_eq!(post(0, host).await, 200);
        }
        assert_eq!(post(0, 99).await, 429, "the /64 is full");
        for subnet in 1..10 {
            for host in 0..10 {
                assert_eq!(post(subnet, host).await, 200);
            }
        }
        assert_eq!(post(10, 0).await, 429, "the /48 is full");
    }

    async fn three_registrations_a_minute_wrong_ones_included(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let register = async |name: &str| app.anon().post("/auth/register", &credentials(name, PASSWORD)).await;
        assert_eq!(register("one").await.status, 201);
        assert_eq!(register("one").await.status, 409);
        refused(&app.anon().post("/auth/register", &credentials("two", "weak")).await, 422, "validation_failed");
        is_limited(&register("three").await, "register", "q=3;w=60", 20);
        app.clock.advance(Duration::from_secs(20));
        assert_eq!(register("three").await.status, 201);
    }

    async fn twenty_rotations_a_minute_a_session_and_replays_still_work(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let other = app.another(limited).await;
        let mut ada = app.sign_up("ada").await;
        let mut before = String::new();
        for at in 0..20 {
            before = ada.refresh_token.clone().unwrap();
            ada = ada.at(if at % 2 == 0 { &app } else { &other });
            private(&ada.refresh().await, 200);
        }
        for node in [&app, &other] {
            is_limited(&ada.at(node).refresh().await, "refresh", "q=20;w=60", 60);
            let replay = ada.at(node).refresh_with(&before).await;
            assert_eq!((replay.status, replay.json["refresh_token"].as_str()), (200, ada.refresh_token.as_deref()));
        }
        let mut tablet = app.sign_in("ada").await;
        private(&tablet.refresh().await, 200);
        app.clock.advance(Duration::from_secs(59));
        is_limited(&ada.refresh().await, "refresh", "q=20;w=60", 1);
        app.clock.advance(Duration::from_secs(1));
        private(&ada.refresh().await, 200);
    }

    async fn six_hundred_replays_a_minute_a_session(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            limited(setup);
            setup.settings.rates.as_mut().unwrap().refresh_replays = Rate::per_minute(60);
        })
        .await;
        let mut ada = app.sign_up("ada").await;
        let before = ada.refresh_token.clone().unwrap();
        ada.refresh().await;
        for _ in 0..60 {
            assert_eq!(ada.refresh_with(&before).await.status, 200);
        }
        is_limited(&ada.refresh_with(&before).await, "refresh_replays", "q=60;w=60", 1);
        private(&ada.refresh().await, 200);
    }

    async fn forged_tokens_are_counted_and_a_right_one_never_is(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let other = app.another(limited).await;
        let mut ada = app.sign_up("ada").await;
        let bad = forged(ada.refresh_token.as_deref().unwrap());
        for at in 0..30 {
            let node = if at % 2 == 0 { &app } else { &other };
            refused(&node.anon().refresh_with(&bad).await, 401, "invalid_token");
        }
        for node in [&app, &other] {
            is_limited(&node.anon().refresh_with(&bad).await, "refresh_forgeries", "q=30;w=60", 2);
            refused(&node.anon().refresh_with("garbage").await, 401, "invalid_token");
            ada = ada.at(node);
            private(&ada.refresh().await, 200);
            let logout = json!({"refresh_token": bad});
            private(&node.anon().post("/auth/logout", &logout).await, 204);
        }
        assert_eq!(app.anon().from_address("192.0.2.9").refresh_with(&bad).await.status, 401, "another address");
    }

    async fn five_changes_of_password_a_minute(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let ada = app.sign_up("ada").await;
        let body = json!({"current_password": "wrong", "new_password": "x"});
        for _ in 0..5 {
            refused(&ada.post("/auth/password/change", &body).await, 403, "wrong_password");
        }
        is_limited(&ada.post("/auth/password/change", &body).await, "password_change", "q=5;w=60", 12);
    }

    async fn a_forwarded_address_counts_from_trusted_proxies_alone(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let trusting = app.another(|setup| {
            limited(setup);
            setup.web.trusted_proxies = vec!["10.0.0.0/8".into()];
        })
        .await;
        app.sign_up("ada").await;
        let body = credentials("ada", PASSWORD);
        let login = async |node: &TestApp, peer: &str, forwarded: &str| {
            let actor = node.anon().from_address(peer).with_header("x-forwarded-for", forwarded);
            let actor = actor.with_header("forwarded", &format!("for={forwarded}")).with_header("x-real-ip", forwarded);
            actor.post("/auth/login", &body).await.status
        };
        for at in 0..10 {
            assert_eq!(login(&app, "192.0.2.1", &format!("203.0.113.{at}")).await, 200);
        }
        assert_eq!(login(&app, "192.0.2.1", "203.0.113.99").await, 429, "an invented address is no new one");
        assert_eq!(login(&trusting, "192.0.2.1", "203.0.113.99").await, 429, "nor from a peer that is no proxy");
        for at in 0..10 {
            // What stands left of the proxy's own entry is the client's invention.
            let forwarded = format!("203.0.113.{at}, 198.51.100.7, 10.2.2.2");
            assert_eq!(login(&trusting, "10.1.1.1", &forwarded).await, 200);
        }
        assert_eq!(login(&trusting, "10.1.1.1", "198.51.100.7").await, 429, "the client's real address is full");
        assert_eq!(login(&trusting, "10.1.1.1", "198.51.100.8").await, 200, "its neighbour is not");
    }
}
