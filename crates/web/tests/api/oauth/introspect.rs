//! Introspection: a client is told of tokens for its audiences, and of nothing else.

use std::time::Duration;

use portcullis_testkit::TestApp;
use serde_json::json;

use super::support::{
    CHAT, DOCS, INTROSPECT, ISSUER, administrator, api_token, exchange, post, service, services,
};
use crate::on_both;
use crate::support::{claims, claims_of, made, oauth_refused, private, user_id};

/// Forms of `token` that are none of ours.
fn spoilt(token: &str) -> Vec<String> {
    let parts: Vec<_> = token.split('.').collect();
    vec![String::from("garbage"), format!("{token}x"), parts[0].to_owned(), crate::support::forged(token)]
}

on_both! {
    async fn an_access_token_is_told_as_it_is(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let ada = app.sign_up("ada").await;
        let one = service(&app, Some(&[CHAT])).await;
        let token = ada.access_token.as_deref().unwrap();
        let reply = one.introspect(token).await;
        private(&reply, 200);
        let mut expected = claims(token);
        expected["active"] = json!(true);
        expected["token_type"] = json!("Bearer");
        assert_eq!(reply.json, expected);
        assert!(!reply.text().contains("example.org"), "no address");
        // A hint is only a hint, and an unknown parameter is none.
        for hint in ["refresh_token", "access_token", "nonsense", ""] {
            let parameters = [("token", token), ("token_type_hint", hint), ("more", "x")];
            assert_eq!(one.post(INTROSPECT, &parameters).await.json, expected, "{hint}");
        }
        for bad in spoilt(token) {
            assert!(!one.sees(&bad).await, "{bad}");
        }
        app.clock.advance(Duration::from_mins(15));
        assert!(!one.sees(token).await, "expired");
    }

    async fn an_api_token_is_told_as_what_it_stands_for(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let ada = app.sign_up("ada").await;
        let (token, id) = api_token(&ada, Some(&["a", "b"])).await;
        let own = claims_of(&ada);
        let expected = json!({
            "active": true, "token_type": "Bearer", "iss": ISSUER, "sub": own["sub"], "aud": CHAT,
            "exp": own["iat"].as_i64().unwrap() + 90 * 86_400, "sid": id, "gen": 1, "role": "user",
            "account": own["account"], "account_role": "owner", "client_id": "portcullis-api-token", "scope": "a b",
        });
        let reply = service(&app, Some(&[CHAT])).await.introspect(&token).await;
        private(&reply, 200);
        assert_eq!(reply.json, expected);
        let all = service(&app, None).await.introspect(&token).await;
        assert_eq!(all.json["aud"], json!([ISSUER, CHAT, DOCS]));
        app.clock.advance(Duration::from_hours(90 * 24));
        assert!(!service(&app, None).await.sees(&token).await, "expired");
    }

    async fn a_service_that_asks_uses_the_token_from_nowhere_else(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let ada = app.sign_up("ada").await;
        let (token, _) = api_token(&ada, None).await;
        app.anon().bearing(Some(&token)).from_address("192.0.2.7").get("/auth/me").await;
        app.clock.advance(Duration::from_mins(10));
        for _ in 0..2 {
            assert!(service(&app, Some(&[CHAT])).await.sees(&token).await);
        }
        app.cx.write_uses().await.unwrap();
        let listed = ada.get("/auth/tokens").await;
        assert_eq!(listed.json["items"][0]["last_used_at"], "2026-01-01T00:10:00Z");
        let events = app.cx.store.events(None, 100).await.unwrap();
        assert!(events.iter().all(|event| event.kind != "api_token.used_elsewhere"));
    }

    async fn a_foreign_audience_is_not_told(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let ada = app.sign_up("ada").await;
        let (chat, docs, all) =
            (service(&app, Some(&[CHAT])).await, service(&app, Some(&[DOCS])).await, service(&app, None).await);
        let body = json!({"refresh_token": ada.refresh_token, "audience": CHAT});
        let session = ada.post("/auth/refresh", &body).await.json["access_token"].as_str().unwrap().to_owned();
        let (api, _) = api_token(&ada, None).await;
        let short = exchange(&app.anon(), &api, &[("audience", CHAT)]).await;
        let short = short.json["access_token"].as_str().unwrap().to_owned();
        for token in [session, short, chat.token().await] {
            assert!(chat.sees(&token).await && all.sees(&token).await);
            assert!(!docs.sees(&token).await);
        }
        let issuer = json!({"refresh_token": ada.refresh_token, "audience": ISSUER});
        let issuer = ada.post("/auth/refresh", &issuer).await.json["access_token"].as_str().unwrap().to_owned();
        assert!(all.sees(&issuer).await && !chat.sees(&issuer).await);
    }

    async fn refresh_tokens_are_told_to_nobody(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let ada = app.sign_up("ada").await;
        let one = service(&app, None).await;
        for token in [ada.refresh_token.as_deref().unwrap(), ada.device_token.as_deref().unwrap(), &one.secret] {
            assert!(!one.sees(token).await);
        }
    }

    async fn who_acts_and_what_is_owed_is_told(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let root = administrator(&app).await;
        let one = service(&app, Some(&[CHAT])).await;
        let ada = app.sign_up("ada").await;
        let acting = [("requested_subject", "ada@example.org"), ("reason", "ticket 7")];
        let as_ada = exchange(&app.anon(), root.access_token.as_deref().unwrap(), &acting).await;
        let told = one.introspect(as_ada.json["access_token"].as_str().unwrap()).await.json;
        assert_eq!((told["sub"].as_str(), &told["act"]), (ada.user.as_deref(), &json!({"sub": root.user})));
        assert_eq!((&told["active"], &told["read_only"]), (&json!(true), &json!(true)));
        made(&app, "owes", |request| request.must_change_password = true).await;
        let owes = app.sign_in("owes").await;
        let told = one.introspect(owes.access_token.as_deref().unwrap()).await.json;
        assert_eq!((&told["active"], &told["pwd_change"]), (&json!(true), &json!(true)));
    }

    async fn what_has_ended_is_not_active(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let one = service(&app, None).await;
        let (ada, bob, eve) = (app.sign_up("ada").await, app.sign_up("bob").await, app.sign_up("eve").await);
        let (api, id) = api_token(&bob, None).await;
        let short = exchange(&app.anon(), &api, &[]).await.json["access_token"].as_str().unwrap().to_owned();
        let (spare, _) = api_token(&eve, None).await;
        for token in [ada.access_token.as_deref().unwrap(), &api, &short, &spare] {
            assert!(one.sees(token).await);
        }
        ada.post("/auth/logout", &json!({})).await;
        assert!(!one.sees(ada.access_token.as_deref().unwrap()).await);
        let path = format!("/auth/tokens/{id}");
        let body = json!({"refresh_token": bob.refresh_token, "audience": ISSUER});
        let own = bob.post("/auth/refresh", &body).await;
        assert_eq!(bob.bearing(own.json["access_token"].as_str()).delete(&path).await.status, 204);
        assert!(!one.sees(&api).await && !one.sees(&short).await);
        app.cx.disable_user(user_id(&eve)).await.unwrap();
        assert!(!one.sees(&spare).await && !one.sees(eve.access_token.as_deref().unwrap()).await);
    }
}

#[tokio::test]
async fn nobody_but_a_client_may_ask() {
    let app = TestApp::with(portcullis_testkit::Backend::Sqlite, services).await;
    let ada = app.sign_up("ada").await;
    let one = service(&app, None).await;
    let token = ada.access_token.as_deref().unwrap();
    let wrong = one.with_secret(&one.secret.replace("pcs_", "pct_"));
    oauth_refused(&wrong.introspect(token).await, 401, "invalid_client");
    for actor in [app.anon(), ada.clone(), app.anon().bearing(Some(&one.token().await))] {
        for more in [&[][..], &[("client_id", "portcullis")], &[("client_id", &one.id)]] {
            let parameters = [&[("token", token)], more].concat();
            oauth_refused(&post(&actor, INTROSPECT, &parameters).await, 401, "invalid_client");
        }
    }
    oauth_refused(&one.post(INTROSPECT, &[]).await, 400, "invalid_request");
    oauth_refused(&one.post(INTROSPECT, &[("token", "")]).await, 400, "invalid_request");
    oauth_refused(&one.post(INTROSPECT, &[("token", token), ("token", token)]).await, 400, "invalid_request");
}
