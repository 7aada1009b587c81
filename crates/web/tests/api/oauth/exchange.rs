//! Token exchange: an API token becomes a short access token, never more than it was.

use std::time::Duration;

use portcullis_testkit::TestApp;
use serde_json::json;

use super::support::{
    ACCESS_TOKEN, CHAT, DOCS, EXCHANGE, ISSUER, TOKEN, administrator, api_token, exchange, service, services,
};
use crate::on_both;
use crate::support::{claims, claims_of, oauth_refused, private, redacted, refused, user_id};

/// The default audience of services behind a proxy.
const UPSTREAM: &str = "http://localhost:8400/upstream";

on_both! {
    async fn an_api_token_becomes_an_access_token(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let ada = app.sign_up("ada").await;
        let (token, id) = api_token(&ada, None).await;
        let reply = exchange(&app.anon(), &token, &[("requested_token_type", ACCESS_TOKEN)]).await;
        private(&reply, 200);
        let expected = json!({
            "access_token": "[access token]", "token_type": "Bearer", "expires_in": 900,
            "issued_token_type": ACCESS_TOKEN,
        });
        assert_eq!(redacted(&reply.json), expected);
        let access = reply.json["access_token"].as_str().unwrap();
        let (found, own) = (claims(access), claims_of(&ada));
        for (name, value) in [("sid", json!(id)), ("gen", json!(1)), ("client_id", json!("portcullis-api-token"))] {
            assert_eq!(found[name], value, "{name}");
        }
        for name in ["sub", "role", "account", "account_role", "iss", "aud", "exp"] {
            assert_eq!(found[name], own[name], "{name}");
        }
        assert!(found.get("scope").is_none() && found.get("auth_time").is_none());
        let actor = app.anon().bearing(Some(access));
        private(&actor.get("/auth/me").await, 200);
        refused(&actor.post("/auth/tokens", &json!({"name": "x"})).await, 403, "session_required");
        refused(&actor.delete(&format!("/auth/tokens/{id}")).await, 403, "session_required");
    }

    async fn scopes_and_audiences_are_only_narrowed(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let ada = app.sign_up("ada").await;
        let (narrow, _) = api_token(&ada, Some(&["a", "b"])).await;
        let (wide, _) = api_token(&ada, None).await;
        for (token, asked, got) in [
            (&narrow, None, Some("a b")),
            (&narrow, Some("b"), Some("b")),
            (&wide, Some("x y"), Some("x y")),
            (&wide, None, None),
        ] {
            let more: Vec<_> = asked.into_iter().map(|scope| ("scope", scope)).chain([("audience", CHAT)]).collect();
            let reply = exchange(&app.anon(), token, &more).await;
            assert_eq!((reply.status, reply.json["scope"].as_str()), (200, got), "{}", reply.text());
            let found = claims(reply.json["access_token"].as_str().unwrap());
            assert_eq!((found["scope"].as_str(), &found["aud"]), (got, &json!(CHAT)));
        }
        oauth_refused(&exchange(&app.anon(), &narrow, &[("scope", "a c")]).await, 400, "invalid_scope");
        let none = api_token(&ada, Some(&[])).await.0;
        assert_eq!(exchange(&app.anon(), &none, &[]).await.json["scope"], "");
        oauth_refused(&exchange(&app.anon(), &none, &[("scope", "a")]).await, 400, "invalid_scope");
    }

    async fn it_never_lives_longer_than_the_token(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let (token, _) = api_token(&ada, None).await;
        app.clock.advance(Duration::from_hours(90 * 24) - Duration::from_secs(100));
        let reply = exchange(&app.anon(), &token, &[]).await;
        assert_eq!((reply.status, &reply.json["expires_in"]), (200, &json!(100)));
        let access = app.anon().bearing(reply.json["access_token"].as_str());
        app.clock.advance(Duration::from_secs(99));
        assert_eq!(access.get("/auth/me").await.status, 200);
        assert_eq!(exchange(&app.anon(), &token, &[]).await.json["expires_in"], 1);
        app.clock.advance(Duration::from_secs(1));
        refused(&access.get("/auth/me").await, 401, "invalid_token");
        oauth_refused(&exchange(&app.anon(), &token, &[]).await, 400, "invalid_request");
    }

    async fn a_token_that_is_no_good_is_not_exchanged(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let (token, id) = api_token(&ada, None).await;
        assert_eq!(exchange(&app.anon(), &token, &[]).await.status, 200);
        assert_eq!(ada.delete(&format!("/auth/tokens/{id}")).await.status, 204);
        let revoked = exchange(&app.anon(), &token, &[]).await;
        oauth_refused(&revoked, 400, "invalid_request");
        let (token, _) = api_token(&ada, None).await;
        app.cx.disable_user(user_id(&ada)).await.unwrap();
        let disabled = exchange(&app.anon(), &token, &[]).await;
        oauth_refused(&disabled, 400, "invalid_request");
        let unknown = exchange(&app.anon(), "pct_x", &[]).await;
        for other in [disabled, unknown] {
            assert_eq!(revoked.body, other.body, "the text tells nothing");
        }
    }

    async fn what_was_exchanged_is_not_exchanged_again(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let (token, _) = api_token(&ada, None).await;
        let access = exchange(&app.anon(), &token, &[]).await.json["access_token"].clone();
        let one = service(&app, None).await;
        for subject in [access.as_str().unwrap(), &one.token().await, ada.access_token.as_deref().unwrap()] {
            oauth_refused(&exchange(&app.anon(), subject, &[]).await, 400, "invalid_request");
        }
    }

    async fn a_session_is_narrowed_to_a_service_and_never_widened(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            services(setup);
            setup.settings.audiences = vec![ISSUER.into(), CHAT.into()];
            setup.settings.gateway_audiences = vec![DOCS.into()];
        })
        .await;
        let mut ada = app.sign_up("ada").await;
        let own = ada.access_token.clone().unwrap();
        app.clock.advance(Duration::from_secs(100));
        for audience in [DOCS, UPSTREAM, CHAT] {
            let reply = exchange(&app.anon(), &own, &[("audience", audience)]).await;
            private(&reply, 200);
            assert_eq!(reply.json["expires_in"], 800, "it ends with the token it was made of");
            assert!(reply.json.get("refresh_token").is_none(), "{}", reply.text());
            let narrow = reply.json["access_token"].as_str().unwrap();
            let (found, was) = (claims(narrow), claims_of(&ada));
            assert_eq!(found["aud"], json!(audience));
            for name in ["sub", "sid", "gen", "role", "account", "account_role", "client_id", "iss", "exp", "amr", "auth_time"] {
                assert_eq!(found[name], was[name], "{name}");
            }
            assert_ne!(found["jti"], was["jti"]);
            for back in [ISSUER, DOCS, CHAT] {
                oauth_refused(&exchange(&app.anon(), narrow, &[("audience", back)]).await, 400, "invalid_request");
            }
            let bearer = app.anon().bearing(Some(narrow));
            // Made for a service, it opens nothing here, whatever its audience.
            refused(&bearer.get("/auth/me").await, 401, "invalid_token");
            refused(&bearer.post("/auth/password/change", &json!({})).await, 401, "invalid_token");
        }
        for (more, code) in [
            (&[("audience", ISSUER)][..], "invalid_target"),
            (&[("audience", "https://other.example")], "invalid_target"),
            (&[("audience", DOCS), ("scope", "a")], "invalid_request"),
            (&[], "invalid_request"),
        ] {
            oauth_refused(&exchange(&app.anon(), &own, more).await, 400, code);
        }
        let mut by_client = vec![("grant_type", EXCHANGE), ("subject_token", &*own), ("subject_token_type", ACCESS_TOKEN)];
        by_client.push(("audience", DOCS));
        oauth_refused(&service(&app, None).await.post(TOKEN, &by_client).await, 400, "invalid_request");
        let other = ada.post("/auth/refresh", &json!({"refresh_token": ada.refresh_token, "audience": CHAT})).await;
        let for_chat = other.json["access_token"].as_str().unwrap();
        oauth_refused(&exchange(&app.anon(), for_chat, &[("audience", DOCS)]).await, 400, "invalid_request");
        ada.take_tokens(&other);
        assert_eq!(ada.post("/auth/logout", &json!({"refresh_token": ada.refresh_token})).await.status, 204);
        oauth_refused(&exchange(&app.anon(), &own, &[("audience", DOCS)]).await, 400, "invalid_request");
    }

    async fn an_api_token_is_exchanged_for_what_stands_behind_a_gateway(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            // One name for both: a token for what stands behind the gateway is no token here all the same.
            setup.settings.audiences = vec![ISSUER.into(), DOCS.into()];
            setup.settings.gateway_audiences = vec![DOCS.into()];
        })
        .await;
        let ada = app.sign_up("ada").await;
        let (token, _) = api_token(&ada, Some(&["a"])).await;
        let reply = exchange(&app.anon(), &token, &[("audience", DOCS)]).await;
        assert_eq!((reply.status, reply.json["scope"].as_str()), (200, Some("a")), "{}", reply.text());
        let narrow = reply.json["access_token"].as_str().unwrap();
        assert_eq!(claims(narrow)["aud"], json!(DOCS));
        refused(&app.anon().bearing(Some(narrow)).get("/auth/me").await, 401, "invalid_token");
        oauth_refused(&exchange(&app.anon(), &token, &[("audience", CHAT)]).await, 400, "invalid_target");
    }

    async fn who_only_looks_only_looks_behind_the_gateway_too(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (admin, bob) = (administrator(&app).await, app.sign_up("bob").await);
        let path = format!("/admin/api/users/{}/impersonate", bob.user.as_deref().unwrap());
        let acting = admin.post(&path, &json!({"reason": "ticket 1"})).await;
        let subject = acting.json["access_token"].as_str().unwrap_or_else(|| panic!("{}", acting.text()));
        let reply = exchange(&app.anon(), subject, &[("audience", UPSTREAM)]).await;
        let found = claims(reply.json["access_token"].as_str().unwrap());
        assert_eq!((&found["read_only"], found["sub"].as_str()), (&json!(true), bob.user.as_deref()));
        assert_eq!(found["act"]["sub"].as_str(), admin.user.as_deref());
    }

    async fn by_a_service_it_is_for_the_service_alone(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let ada = app.sign_up("ada").await;
        let (token, id) = api_token(&ada, None).await;
        let one = service(&app, Some(&[DOCS])).await;
        let own = [("grant_type", EXCHANGE), ("subject_token", &*token), ("subject_token_type", ACCESS_TOKEN)];
        let reply = one.post(TOKEN, &own).await;
        private(&reply, 200);
        let found = claims(reply.json["access_token"].as_str().unwrap());
        assert_eq!((&found["aud"], &found["client_id"]), (&json!(DOCS), &json!(one.id)));
        assert_eq!((&found["sid"], found["sub"].as_str()), (&json!(id), ada.user.as_deref()));
        for audience in [CHAT, ISSUER] {
            let reply = one.post(TOKEN, &[&own[..], &[("audience", audience)]].concat()).await;
            oauth_refused(&reply, 400, "invalid_target");
        }
        let wrong = one.with_secret(&one.id);
        oauth_refused(&wrong.post(TOKEN, &own).await, 401, "invalid_client");
    }
}
