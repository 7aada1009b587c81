//! After a sign-in by way of a provider everything is as after any other.

use portcullis_testkit::Backend;
use serde_json::{Value, json};

use super::{
    ada, arrived, back, begun, bring, brought, identities_of, sent, sign_in, stays_out, world, world_with,
};
use crate::on_both;
use crate::pages::{Page, sent_on};
use crate::support::{claims, claims_of, events, invalid, made, private, refused, user_id};

on_both! {
    async fn tokens_sessions_amr_and_audit_say_so(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = arrived(&app, &fake, &ada(&fake)).await;
        let me = user.get("/auth/me").await;
        private(&me, 200);
        assert_eq!(me.json["email"], "ada@example.org");
        assert_eq!((&me.json["email_verified"], &me.json["name"]), (&json!(true), &json!("Name of ada-there")));
        assert_eq!(me.json["account"]["role"], "owner");
        let claims = claims_of(&user);
        assert_eq!((&claims["amr"], &claims["auth_time"]), (&json!(["fed"]), &claims["iat"]));
        let sessions = user.get("/auth/sessions").await;
        assert_eq!(sessions.json["items"].as_array().unwrap().len(), 1);
        assert_eq!(sessions.json["items"][0]["current"], true);
        let started = events(&app, "session.started").await;
        let [started] = &started[..] else { panic!("{started:?}") };
        assert_eq!((&started["session"], &started["detail"]), (&json!(user.session), &json!({"methods": "fed"})));
        let registered = events(&app, "user.registered").await;
        assert_eq!(registered[0]["detail"], json!({"provider": "acme"}));
        let [identity] = &identities_of(&user).await[..] else { panic!() };
        assert_eq!((&identity["provider"], &identity["title"]), (&json!("acme"), &json!("Title of acme")));
        assert_eq!(identity["email"], "ada@example.org");
        assert_eq!(identity["last_used_at"], "2026-01-01T00:00:00Z");
        // Nobody is asked to show what a provider has vouched for.
        assert!(app.mails().await.is_empty());
    }

    async fn a_browser_gets_cookies_and_goes_where_it_wanted(backend: Backend) {
        let (app, fake) = world(backend).await;
        for (query, place) in [
            ("", "/account"),
            ("?return_to=/account/password", "/account/password"),
            ("?return_to=https://shop.example/basket?x%3D1", "https://shop.example/basket?x=1"),
        ] {
            let browser = app.browser();
            let url = sent(&browser, &format!("/auth/oauth/acme/start{query}")).await;
            let flow = browser.cookie("pc_flow").expect("a cookie");
            assert!(flow.attributes.contains("HttpOnly") && flow.attributes.contains("SameSite=Lax"), "{}", flow.attributes);
            let reply = back(&browser, "acme", &fake.authorize(&url, &ada(&fake))).await;
            sent_on(&reply, place);
            assert!(browser.cookie("pc_flow").is_none(), "it is back");
            assert_eq!(flow.max_age, Some(600));
            let claims = claims(&browser.value("pc_access"));
            assert_eq!((&claims["amr"], &claims["aud"]), (&json!(["fed"]), &json!("http://localhost:8400")));
            assert!(browser.cookie("pc_device").is_some());
            Page::of(browser.get("/account").await, 200);
            private(&browser.knowing(Some(&browser.copied().fetch_csrf_token().await)).refresh().await, 200);
        }
        assert_eq!(app.cx.store.count_users().await.unwrap(), 1);
    }

    async fn a_page_that_keeps_its_access_token_gets_a_refresh_cookie_alone(backend: Backend) {
        let (app, fake) = world(backend).await;
        let mut browser = app.browser();
        let url = sent(&browser, "/auth/oauth/acme/start?delivery=cookie&return_to=https://shop.example/").await;
        sent_on(&back(&browser, "acme", &fake.authorize(&url, &ada(&fake))).await, "https://shop.example/");
        assert!(browser.cookie("pc_access").is_none());
        browser.fetch_csrf_token().await;
        let reply = browser.refresh().await;
        private(&reply, 200);
        assert!(reply.json["access_token"].is_string() && reply.json["refresh_token"].is_null());
    }

    async fn the_session_whose_cookies_come_along_ends(backend: Backend) {
        let (app, fake) = world(backend).await;
        app.sign_up("bob").await;
        let mut browser = app.browser();
        browser.sign_in("bob", "cookies").await;
        let bob = app.anon().bearing(Some(&browser.value("pc_access")));
        private(&bob.get("/auth/me").await, 200);
        sent_on(&sign_in(&browser, &fake, &ada(&fake)).await, "/account");
        bob.until_refused("/auth/me").await;
    }

    async fn a_disabled_user_is_not_let_in_and_stays_disabled(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = arrived(&app, &fake, &ada(&fake)).await;
        app.cx.disable_user(user_id(&user)).await.unwrap();
        refused(&bring(&app.anon(), &fake, &ada(&fake)).await, 401, "invalid_credentials");
        let browser = app.browser();
        stays_out(sign_in(&browser, &fake, &ada(&fake)).await, &browser, 401, "invalid_credentials");
        let failed = events(&app, "login.failed").await;
        assert_eq!(failed.len(), 2);
        assert_eq!((&failed[0]["user"], &failed[0]["detail"]["reason"]), (&json!(user.user), &json!("disabled")));
    }

    async fn who_must_change_the_password_must(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = made(&app, "ada", |request| request.must_change_password = true).await;
        app.import_identity("acme", "ada-there", user.id).await;
        let reply = bring(&app.anon(), &fake, &ada(&fake)).await;
        private(&reply, 200);
        assert_eq!(reply.json["must_change_password"], true);
        sent_on(&sign_in(&app.browser(), &fake, &ada(&fake)).await, "/account/password");
    }

    async fn who_has_a_second_factor_owes_it(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = arrived(&app, &fake, &ada(&fake)).await;
        app.owe_totp(user_id(&user)).await;
        let reply = bring(&app.anon(), &fake, &ada(&fake)).await;
        refused(&reply, 403, "second_factor_required");
        assert!(reply.json["challenge"].is_string() && reply.json["methods"].is_array(), "{}", reply.text());
        let browser = app.browser();
        sent_on(&sign_in(&browser, &fake, &ada(&fake)).await, "/sign-in/factor");
        assert!(browser.cookie("pc_access").is_none() && browser.cookie("pc_challenge").is_some());
    }

    async fn another_audience_only_if_it_is_ours(backend: Backend) {
        let (app, fake) = world_with(backend, |setup| {
            setup.settings.audiences = vec!["http://localhost:8400".into(), "https://files.example".into()];
        }).await;
        let with = async |audience: Value| {
            let begun = begun(&app.anon()).await;
            let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &ada(&fake));
            let mut body = brought(&begun, &returned);
            body["audience"] = audience;
            app.anon().post("/auth/oauth/acme/callback", &body).await
        };
        let reply = with(json!("https://files.example")).await;
        private(&reply, 200);
        assert_eq!(claims(reply.json["access_token"].as_str().unwrap())["aud"], json!("https://files.example"));
        invalid(&with(json!("https://evil.example")).await, &[("audience", "unknown")]);
    }
}

#[tokio::test]
async fn only_a_get_goes_anywhere() {
    let (app, fake) = world(Backend::Sqlite).await;
    let browser = app.browser();
    let url = sent(&browser, "/auth/oauth/acme/start").await;
    let returned = fake.authorize(&url, &ada(&fake));
    let request = http::Request::builder().method("HEAD").uri(super::path_back("acme", &returned));
    assert_eq!(browser.exchange(request, axum::body::Body::empty()).await.status, 204);
    sent_on(&back(&browser, "acme", &returned).await, "/account");
}
