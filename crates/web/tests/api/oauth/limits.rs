//! `rate_limit.oauth_token`: failures count against their address, right requests never do.

use std::time::Duration;

use portcullis_app::settings::Rates;
use portcullis_core::rate::Rate;
use portcullis_testkit::{Reply, Setup, TestApp};

use super::support::{
    ACCESS_TOKEN, EXCHANGE, INTROSPECT, REVOKE, Service, TOKEN, api_token, basic, exchange, post, service,
};
use crate::on_both;
use crate::support::{forged, oauth_refused};

fn limited(setup: &mut Setup) {
    let many = Rate::per_minute(10_000);
    setup.settings.rates = Some(Rates {
        login: many,
        register: many,
        refresh: many,
        refresh_replays: many,
        refresh_forgeries: many,
        password_change: many,
        password_forgot: many,
        password_reset: many,
        email_verify: many,
        send_verification: many,
        token_create: many,
        oauth_token: Rate::per_minute(30),
    });
}

#[track_caller]
fn is_limited(reply: &Reply) {
    oauth_refused(reply, 429, "temporarily_unavailable");
    assert_eq!(reply.header("retry-after"), Some("2"));
    assert_eq!(reply.header("ratelimit-policy"), Some("\"oauth_token\";q=30;w=60"));
    assert_eq!(reply.header("ratelimit"), Some("\"oauth_token\";r=0;t=2"));
}

const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

async fn ask(app: &TestApp, one: &Service, address: &str, path: &str) -> Reply {
    let actor = app.anon().from_address(address).with_header("authorization", &basic(&one.id, &one.secret));
    post(&actor, path, &[CREDENTIALS, ("token", "x")]).await
}

on_both! {
    async fn thirty_wrong_secrets_a_minute_from_one_address_on_all_nodes(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let other = app.another(limited).await;
        let one = service(&app, None).await;
        let wrong = one.with_secret(&forged(&one.secret));
        for at in 0..30 {
            let node = if at % 2 == 0 { &app } else { &other };
            let path = [TOKEN, INTROSPECT, REVOKE][at % 3];
            oauth_refused(&ask(node, &wrong, "192.0.2.1", path).await, 401, "invalid_client");
            assert_eq!(ask(node, &one, "192.0.2.1", path).await.status, 200, "right ones do not count");
        }
        for node in [&app, &other] {
            for path in [TOKEN, INTROSPECT, REVOKE] {
                is_limited(&ask(node, &wrong, "192.0.2.1", path).await);
                is_limited(&ask(node, &one, "192.0.2.1", path).await);
            }
            assert_eq!(ask(node, &one, "192.0.2.2", TOKEN).await.status, 200, "another address");
        }
        app.clock.advance(Duration::from_secs(2));
        assert_eq!(ask(&app, &one, "192.0.2.1", TOKEN).await.status, 200);
    }

    async fn wrong_tokens_of_its_users_shut_no_service_out(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let one = service(&app, None).await;
        let (good, _) = api_token(&app.sign_up("ada").await, None).await;
        let exchanged = async |token: &str| {
            let wanted = [("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
            one.post(TOKEN, &wanted).await
        };
        for _ in 0..40 {
            oauth_refused(&exchanged(&forged(&good)).await, 400, "invalid_request");
            assert!(!one.sees(&forged(&good)).await);
        }
        assert_eq!(exchanged(&good).await.status, 200);
        // Nobody in particular, from the same address, may guess as often as ever.
        for _ in 0..30 {
            oauth_refused(&exchange(&app.anon(), &forged(&good), &[]).await, 400, "invalid_request");
        }
        is_limited(&exchange(&app.anon(), &forged(&good), &[]).await);
    }

    async fn a_refresh_token_is_never_refused_for_its_address(backend: Backend) {
        let app = TestApp::with(backend, limited).await;
        let ada = app.sign_up("ada").await;
        let (token, _) = api_token(&ada, None).await;
        for _ in 0..30 {
            oauth_refused(&exchange(&app.anon(), &forged(&token), &[]).await, 400, "invalid_request");
        }
        is_limited(&exchange(&app.anon(), &forged(&token), &[]).await);
        is_limited(&exchange(&app.anon(), &token, &[]).await);
        let own = [("grant_type", "refresh_token"), ("refresh_token", ada.refresh_token.as_deref().unwrap())];
        assert_eq!(post(&app.anon(), TOKEN, &own).await.status, 200);
        for _ in 0..40 {
            let garbage = [("grant_type", "refresh_token"), ("refresh_token", "garbage")];
            oauth_refused(&post(&app.anon(), TOKEN, &garbage).await, 400, "invalid_grant");
        }
        let unknown = post(&app.anon(), REVOKE, &[("token", "unknown")]).await;
        assert_eq!(unknown.status, 200, "who ends a token guesses none");
    }
}
