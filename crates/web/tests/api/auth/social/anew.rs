//! A provider that is asked to have the person sign in anew (`max_age`, OpenID Connect Core section 3.1.2.1).

use std::time::Duration;

use portcullis_testkit::{FakeIdp, Reply, TestApp};
use serde_json::json;

use super::{APP, ada, back, brought, sent, stays_out, world};
use crate::auth::factors::TOTP;
use crate::on_both;
use crate::pages::sent_on;
use crate::support::{claims_of, private, refused};

/// How far the provider's clock may be behind.
const LEEWAY: Duration = Duration::from_mins(1);

/// An app's way there and back, begun with this query.
async fn comes_by(app: &TestApp, fake: &FakeIdp, query: &str) -> Reply {
    let start = format!("/auth/oauth/acme/start?redirect_uri={APP}{query}");
    let begun = app.anon().with_header("accept", "application/json").get(&start).await;
    private(&begun, 200);
    let returned = fake.authorize(begun.json["authorization_url"].as_str().unwrap(), &ada(fake));
    app.anon().post("/auth/oauth/acme/callback", &brought(&begun.json, &returned)).await
}

on_both! {
    async fn who_signed_in_there_before_is_refused(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = app.browser();
        fake.say_signed_in(LEEWAY + Duration::from_secs(1));
        let url = sent(&browser, "/auth/oauth/acme/start?max_age=600").await;
        assert!(url.contains("prompt=login") && url.contains("max_age=0"), "{url}");
        stays_out(back(&browser, "acme", &fake.authorize(&url, &ada(&fake))).await, &browser, 400, "provider_error");
        refused(&comes_by(&app, &fake, "&max_age=600").await, 400, "provider_error");
        assert_eq!(app.cx.store.count_users().await.unwrap(), 0, "nothing has come of it");
        // Whoever is known is not let in either.
        private(&comes_by(&app, &fake, "").await, 200);
        refused(&comes_by(&app, &fake, "&max_age=600").await, 400, "provider_error");
    }

    async fn who_signed_in_there_since_they_were_sent_is_good(backend: Backend) {
        let (app, fake) = world(backend).await;
        for ago in [Duration::ZERO, LEEWAY] {
            fake.say_signed_in(ago);
            private(&comes_by(&app, &fake, "&max_age=0").await, 200);
        }
        // It counts from when the browser was sent, however long that one took there.
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/acme/start?max_age=0").await;
        app.clock.advance(Duration::from_mins(9));
        fake.say_signed_in(Duration::from_mins(9) + LEEWAY);
        sent_on(&back(&browser, "acme", &fake.authorize(&url, &ada(&fake))).await, "/account");
    }

    /// Some do not say: the threat model tells of it.
    async fn a_provider_that_does_not_say_when_is_believed(backend: Backend) {
        let (app, fake) = world(backend).await;
        fake.say_signed_in(None);
        let reply = comes_by(&app, &fake, "&max_age=0").await;
        private(&reply, 200);
        let mut ada_here = app.anon();
        ada_here.take_tokens(&reply);
        let claims = claims_of(&ada_here);
        assert_eq!((&claims["auth_time"], &claims["amr"]), (&claims["iat"], &json!(["fed"])));
        private(&ada_here.post(TOTP, &json!({})).await, 201);
        // One without identity tokens never does.
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/plain/start?max_age=0").await;
        assert!(url.contains("prompt=login"), "{url}");
        sent_on(&back(&browser, "plain", &fake.authorize(&url, &ada(&fake))).await, "/account");
    }

    async fn who_was_not_sent_to_sign_in_anew_may_have_done_so_long_ago(backend: Backend) {
        let (app, fake) = world(backend).await;
        fake.say_signed_in(Duration::from_hours(24));
        let reply = comes_by(&app, &fake, "").await;
        private(&reply, 200);
        let mut ada_here = app.anon();
        ada_here.take_tokens(&reply);
        // With us it is a sign-in of now.
        let claims = claims_of(&ada_here);
        assert_eq!(claims["auth_time"], claims["iat"]);
        private(&ada_here.post(TOTP, &json!({})).await, 201);
    }
}
