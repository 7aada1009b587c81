//! Client credentials: a service gets a token in its own name.

use portcullis_testkit::TestApp;
use serde_json::{Map, json};

use super::support::{CHAT, DOCS, ISSUER, TOKEN, service, services};
use crate::on_both;
use crate::support::{claims, header, private, redacted, refused};

const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

on_both! {
    async fn a_token_in_its_own_name(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            services(setup);
            setup.settings.claims = Map::from_iter([("tenant".to_owned(), json!("north"))]);
        })
        .await;
        let one = service(&app, Some(&[CHAT, DOCS])).await;
        let reply = one.post(TOKEN, &[CREDENTIALS]).await;
        private(&reply, 200);
        assert_eq!(reply.header("pragma"), Some("no-cache"));
        let expected =
            json!({"access_token": "[access token]", "token_type": "Bearer", "expires_in": 900, "scope": "a b"});
        assert_eq!(redacted(&reply.json), expected);
        let token = reply.json["access_token"].as_str().unwrap();
        assert_eq!(header(token)["typ"], "at+jwt");
        let now = 1_767_225_600;
        let expected = json!({
            "iss": ISSUER, "sub": one.id, "sid": one.id, "client_id": one.id, "aud": [CHAT, DOCS],
            "iat": now, "nbf": now, "exp": now + 900, "jti": "[random]", "gen": 1, "role": "service",
            "scope": "a b", "tenant": "north",
        });
        let mut found = claims(token);
        found["jti"] = redacted(&found["jti"]);
        assert_eq!(found, expected);
    }

    async fn narrowed_to_scopes_and_an_audience(backend: Backend) {
        let app = TestApp::with(backend, services).await;
        let one = service(&app, None).await;
        for (audience, parameter) in [(CHAT, "audience"), (ISSUER, "resource")] {
            let reply = one.post(TOKEN, &[CREDENTIALS, ("scope", "b"), (parameter, audience)]).await;
            assert_eq!((reply.status, &reply.json["scope"]), (200, &json!("b")));
            let claims = claims(reply.json["access_token"].as_str().unwrap());
            assert_eq!((&claims["aud"], &claims["scope"]), (&json!(audience), &json!("b")));
        }
        let all = claims(&one.token().await);
        assert_eq!(all["aud"], json!([ISSUER, CHAT, DOCS]));
    }

    async fn it_is_no_user(backend: Backend) {
        let app = TestApp::new(backend).await;
        let one = service(&app, None).await;
        let actor = app.anon().bearing(Some(&one.token().await));
        for path in ["/auth/me", "/auth/sessions", "/auth/tokens", "/auth/bots", "/admin/api/clients"] {
            refused(&actor.get(path).await, 403, "session_required");
        }
        refused(&actor.post("/auth/tokens", &json!({"name": "x"})).await, 403, "session_required");
        refused(&actor.post("/admin/api/clients", &json!({"name": "x"})).await, 403, "session_required");
        refused(&actor.post("/auth/logout/all", &json!({})).await, 403, "session_required");
    }
}
