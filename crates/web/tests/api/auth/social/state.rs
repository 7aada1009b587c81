//! A state is good once, for ten minutes, for the browser or app that began, at the provider and for the purpose that it
//! began with.

use std::time::Duration;

use portcullis_testkit::{Backend, Breakage, Endpoint, Forgery, TestApp};
use serde_json::{Value, json};

use super::{
    APP, ada, another, arrived, back, begun, bring, brought, identities_of, path_back, sent, sign_in,
    stays_out, world,
};
use crate::on_both;
use crate::pages::sent_on;
use crate::support::{invalid, private, refused, user_id};

const CALLBACK: &str = "/auth/oauth/acme/callback";

async fn nobody_is_there(app: &TestApp) {
    assert_eq!(app.cx.store.count_users().await.unwrap(), 0, "nothing has come of it");
}

on_both! {
    async fn wrong_and_reused(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/acme/start").await;
        let returned = fake.authorize(&url, &ada(&fake));
        for state in ["", "x", &"A".repeat(44), &returned.state.to_lowercase()] {
            let mut wrong = returned.clone();
            state.clone_into(&mut wrong.state);
            stays_out(back(&browser, "acme", &wrong).await, &browser, 400, "provider_error");
        }
        // The same browser, which has kept its cookie, and a code that nobody has used yet.
        let before = browser.copied();
        sent_on(&back(&browser, "acme", &returned).await, "/account");
        let again = fake.authorize(&url, &ada(&fake));
        assert_eq!((&again.state, again.code == returned.code), (&returned.state, false));
        stays_out(back(&before, "acme", &again).await, &before, 400, "provider_error");
        assert_eq!(fake.asked(Endpoint::Token), 1, "the code is left alone");

        let begun = begun(&app.anon()).await;
        let url = begun["authorization_url"].as_str().unwrap();
        let (one, two) = (fake.authorize(url, &ada(&fake)), fake.authorize(url, &ada(&fake)));
        private(&app.anon().post(CALLBACK, &brought(&begun, &one)).await, 200);
        refused(&app.anon().post(CALLBACK, &brought(&begun, &two)).await, 400, "provider_error");
        assert_eq!(fake.asked(Endpoint::Token), 2);
    }

    /// 000: whoever could make a browser open a link signed it in as themselves.
    async fn another_browser_s_cookie_missing_or_foreign(backend: Backend) {
        let (app, fake) = world(backend).await;
        let (eve, victim) = (app.browser(), app.browser());
        let url = sent(&eve, "/auth/oauth/acme/start").await;
        let returned = fake.authorize(&url, &fake.person("eve-there", "eve@example.org", true));
        stays_out(back(&victim, "acme", &returned).await, &victim, 400, "provider_error");
        sent(&victim, "/auth/oauth/acme/start").await;
        stays_out(back(&victim, "acme", &returned).await, &victim, 400, "provider_error");
        nobody_is_there(&app).await;
        // Whoever tries spoils nothing.
        sent_on(&back(&eve, "acme", &returned).await, "/account");
    }

    async fn of_another_provider(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/acme/start").await;
        let returned = fake.authorize(&url, &ada(&fake));
        stays_out(back(&browser, "other", &returned).await, &browser, 400, "provider_error");
        let begun = begun(&app.anon()).await;
        let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &ada(&fake));
        let reply = app.anon().post("/auth/other/callback", &brought(&begun, &returned)).await;
        refused(&reply, 400, "provider_error");
        nobody_is_there(&app).await;
    }

    async fn expired(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/acme/start").await;
        app.clock.advance(Duration::from_mins(10));
        let returned = fake.authorize(&url, &ada(&fake));
        stays_out(back(&browser, "acme", &returned).await, &browser, 400, "provider_error");
        nobody_is_there(&app).await;
        assert!(app.cx.purge().await.unwrap() >= 1, "it goes with the periodic work");
    }

    async fn an_app_s_by_another_secret_or_in_a_browser(backend: Backend) {
        let (app, fake) = world(backend).await;
        let (one, other) = (begun(&app.anon()).await, begun(&app.anon()).await);
        let returned = fake.authorize(one["authorization_url"].as_str().unwrap(), &ada(&fake));
        refused(&app.anon().post(CALLBACK, &brought(&other, &returned)).await, 400, "provider_error");
        let mut elsewhere = brought(&one, &returned);
        elsewhere["redirect_uri"] = json!("https://app.example/other");
        refused(&app.anon().post(CALLBACK, &elsewhere).await, 400, "provider_error");
        // The secret of an app is no cookie.
        let request = format!("{CALLBACK}?code={}&state={}", returned.code, returned.state);
        let secret = one["flow_secret"].as_str().unwrap();
        let reply = app.anon().with_header("cookie", &format!("pc_flow={secret}")).get(&request).await;
        refused(&reply, 400, "provider_error");
        nobody_is_there(&app).await;
        let mut same = brought(&one, &returned);
        same["redirect_uri"] = json!(APP);
        private(&app.anon().post(CALLBACK, &same).await, 200);
    }

    async fn a_browser_s_by_an_app(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/acme/start").await;
        let returned = fake.authorize(&url, &ada(&fake));
        let body = json!({
            "code": returned.code, "state": returned.state, "iss": returned.iss, "flow_secret": browser.value("pc_flow"),
        });
        refused(&app.anon().post(CALLBACK, &body).await, 400, "provider_error");
        nobody_is_there(&app).await;
    }

    /// A callback never links but from a flow of linking, and that never signs in.
    async fn of_another_purpose(backend: Backend) {
        let (app, fake) = world(backend).await;
        let bob = app.sign_up("bob").await;
        let begun = bob.post("/auth/oauth/acme/link", &json!({"redirect_uri": APP})).await;
        private(&begun, 200);
        let returned = fake.authorize(begun.json["authorization_url"].as_str().unwrap(), &ada(&fake));
        let reply = app.anon().post(CALLBACK, &brought(&begun.json, &returned)).await;
        private(&reply, 200);
        assert_eq!((&reply.json["provider"], &reply.json["access_token"]), (&json!("acme"), &Value::Null));
        // Whoever is signed in while somebody else's sign-in comes back gets nothing of it.
        let reply = bring(&bob, &fake, &fake.person("carl-there", "carl@example.org", true)).await;
        assert_eq!(reply.json["user"]["email"], "carl@example.org");
        assert_eq!(identities_of(&bob).await.len(), 1);
    }

    async fn of_a_link_whose_session_has_ended_or_whose_user_has_changed(backend: Backend) {
        let (app, fake) = world(backend).await;
        for (name, change) in [("bob", 0), ("carl", 1), ("dora", 2)] {
            let actor = app.sign_up(name).await;
            let begun = actor.post("/auth/oauth/acme/link", &json!({"redirect_uri": APP})).await;
            let returned = fake.authorize(begun.json["authorization_url"].as_str().unwrap(), &ada(&fake));
            match change {
                0 => assert_eq!(actor.post("/auth/logout", &json!({})).await.status, 204),
                1 => {
                    let body = json!({"current_password": portcullis_testkit::PASSWORD, "new_password": crate::support::OTHER_PASSWORD});
                    private(&actor.post("/auth/password/change", &body).await, 200);
                }
                _ => assert!(app.cx.disable_user(user_id(&actor)).await.unwrap()),
            }
            refused(&app.anon().post(CALLBACK, &brought(&begun.json, &returned)).await, 400, "provider_error");
            assert!(app.cx.store.identities(user_id(&actor)).await.unwrap().is_empty(), "{name}");
        }
    }

    async fn under_a_server_key_that_is_gone(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/acme/start").await;
        let returned = fake.authorize(&url, &ada(&fake));
        let changed = another(&app, &fake, |setup| setup.server_keys = vec![[2; 32], [1; 32]]).await;
        sent_on(&back(&browser.at(&changed), "acme", &returned).await, "/account");
    }

    async fn what_the_provider_says_wrong_signs_nobody_in(backend: Backend) {
        let (app, fake) = world(backend).await;
        for forgery in Forgery::ALL {
            fake.forge(forgery);
            fake.keep_email_apart(forgery == Forgery::OthersProfile);
            let browser = app.browser();
            let url = sent(&browser, "/auth/oauth/acme/start").await;
            let returned = fake.authorize(&url, &ada(&fake));
            let reply = back(&browser, "acme", &returned).await;
            stays_out(reply, &browser, 400, "provider_error");
        }
        nobody_is_there(&app).await;
    }

    async fn a_provider_that_is_down(backend: Backend) {
        let (app, fake) = world(backend).await;
        fake.break_at(Endpoint::Discovery, Breakage::Down);
        let reply = app.browser().get("/auth/oauth/acme/start").await;
        refused(&reply, 503, "provider_unavailable");
        fake.mend();
        app.clock.advance(Duration::from_mins(1));
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/acme/start").await;
        let returned = fake.authorize(&url, &ada(&fake));
        fake.break_at(Endpoint::Token, Breakage::Down);
        stays_out(back(&browser, "acme", &returned).await, &browser, 400, "provider_error");
        fake.mend();
        // The state is spent, whatever came of it.
        stays_out(back(&browser, "acme", &returned).await, &browser, 400, "provider_error");
        sent_on(&sign_in(&browser, &fake, &ada(&fake)).await, "/account");
    }

    async fn a_person_who_does_not_agree(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/acme/start?return_to=/account/password").await;
        let denied = fake.deny(&url);
        let path = denied.strip_prefix("http://localhost:8400").expect("to us");
        let to_page = browser.saying(&[("accept", "text/html,*/*;q=0.8")]);
        let page = stays_out(to_page.get(path).await, &browser, 400, "provider_error");
        assert!(page.reply.text().contains("action=\"/sign-in?return_to=%2Faccount%2Fpassword\""), "{}", page.reply.text());
        refused(&to_page.saying(&[]).get(path).await, 400, "provider_error");
    }

    async fn a_code_that_was_used(backend: Backend) {
        let (app, fake) = world(backend).await;
        let (first, second) = (app.browser(), app.browser());
        let one = fake.authorize(&sent(&first, "/auth/oauth/acme/start").await, &ada(&fake));
        let mut two = fake.authorize(&sent(&second, "/auth/oauth/acme/start").await, &ada(&fake));
        sent_on(&back(&first, "acme", &one).await, "/account");
        two.code.clone_from(&one.code);
        stays_out(back(&second, "acme", &two).await, &second, 400, "provider_error");
    }
}

#[tokio::test]
async fn the_query_of_the_way_back_says_nothing_but_what_it_may() {
    let (app, fake) = world(Backend::Sqlite).await;
    let browser = app.browser();
    let url = sent(&browser, "/auth/oauth/acme/start").await;
    let returned = fake.authorize(&url, &ada(&fake));
    let path =
        format!("{}&return_to=https://shop.example/&scope=x&session_state=y", path_back("acme", &returned));
    sent_on(&browser.get(&path).await, "/account");
}

#[tokio::test]
async fn two_tabs_of_one_browser() {
    let (app, fake) = world(Backend::Sqlite).await;
    let browser = app.browser();
    let one = fake.authorize(&sent(&browser, "/auth/oauth/acme/start").await, &ada(&fake));
    let two = fake.authorize(&sent(&browser, "/auth/oauth/acme/start").await, &ada(&fake));
    sent_on(&back(&browser.copied(), "acme", &one).await, "/account");
    sent_on(&back(&browser.copied(), "acme", &two).await, "/account");
}

#[tokio::test]
async fn what_an_app_leaves_out_is_named() {
    let (app, fake) = world(Backend::Sqlite).await;
    let fields = [("code", "required"), ("state", "required"), ("flow_secret", "required")];
    invalid(&app.anon().post(CALLBACK, &json!({})).await, &fields);
    refused(
        &app.anon()
            .post("/auth/nobody/callback", &json!({"code": "a", "state": "b", "flow_secret": "c"}))
            .await,
        404,
        "not_found",
    );
    arrived(&app, &fake, &ada(&fake)).await;
}

#[tokio::test]
async fn places_that_nobody_is_sent_to() {
    let (app, _fake) = world(Backend::Sqlite).await;
    let start = |query: &str| format!("/auth/oauth/acme/start?{query}");
    for uri in [
        "https://evil.example/",
        "https://app.example/signed-in/",
        "https://shop.example",
        "https://shop.example/x",
    ] {
        invalid(
            &app.anon().get(&start(&format!("redirect_uri={uri}"))).await,
            &[("redirect_uri", "not_listed")],
        );
    }
    invalid(&app.anon().get(&start("delivery=body")).await, &[("delivery", "invalid")]);
    assert_eq!(app.anon().get(&start("return_to=https://evil.example/")).await.status, 400);
    let bob = app.sign_up("bob").await;
    for (field, value) in [("return_to", "https://evil.example"), ("redirect_uri", "https://evil.example/")] {
        invalid(&bob.post("/auth/oauth/acme/link", &json!({field: value})).await, &[(field, "not_listed")]);
    }
}
