//! What an API token does not open: whatever makes or ends credentials.

use http::Method;
use portcullis_testkit::{Actor, PASSWORD, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{OTHER_PASSWORD, api_token, holder, private, refused, user_id};

/// All that needs a session, with bodies that are good.
pub(crate) fn credential_changes(
    token: &str,
    bot: &str,
    session: &str,
    user: &str,
) -> Vec<(Method, String, Value)> {
    vec![
        (Method::POST, "/auth/tokens".into(), json!({"name": "x"})),
        (Method::PATCH, format!("/auth/tokens/{token}"), json!({"name": "y"})),
        (Method::DELETE, format!("/auth/tokens/{token}"), json!({})),
        (Method::POST, "/auth/bots".into(), json!({"name": "x"})),
        (Method::PATCH, format!("/auth/bots/{bot}"), json!({"name": "y"})),
        (Method::DELETE, format!("/auth/bots/{bot}"), json!({})),
        (Method::POST, format!("/auth/bots/{bot}/tokens"), json!({})),
        (
            Method::POST,
            "/auth/password/change".into(),
            json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD}),
        ),
        (Method::POST, "/auth/passkeys/register/start".into(), json!({})),
        (Method::POST, "/auth/passkeys/register/finish".into(), json!({"ceremony": "x", "credential": {}})),
        (Method::PATCH, format!("/auth/passkeys/{session}"), json!({"name": "x"})),
        (Method::DELETE, format!("/auth/passkeys/{session}"), json!({})),
        (Method::DELETE, format!("/auth/sessions/{session}"), json!({})),
        (Method::POST, "/auth/logout/all".into(), json!({})),
        (Method::POST, format!("/admin/api/users/{user}/impersonate"), json!({"reason": "x"})),
    ]
}

/// Sends one of them.
pub(crate) async fn try_it(
    actor: &Actor,
    (method, path, body): &(Method, String, Value),
) -> portcullis_testkit::Reply {
    actor.send(method.clone(), path, Some(body)).await
}

on_both! {
    async fn credentials_need_a_session(backend: Backend) {
        let app = TestApp::new(backend).await;
        let bob = app.sign_up("bob").await;
        let ada = app.sign_up("ada").await;
        app.cx.set_role(user_id(&ada), "admin").await.unwrap();
        let ada = app.sign_in("ada").await;
        let made = api_token(&ada, &json!({"name": "x"})).await;
        let bot = ada.post("/auth/bots", &json!({"name": "helper"})).await.json;
        let script = holder(&app, &made);
        let all = credential_changes(
            made["id"].as_str().unwrap(), bot["id"].as_str().unwrap(),
            ada.session.as_deref().unwrap(), bob.user.as_deref().unwrap(),
        );
        for change in &all {
            let reply = try_it(&script, change).await;
            assert_eq!(reply.outcome(), (403, "session_required"), "{change:?}");
            refused(&reply, 403, "session_required");
        }
        refused(&script.post("/auth/logout", &json!({})).await, 403, "session_required");
        refused(&script.post("/auth/impersonation/stop", &json!({})).await, 403, "session_required");
        for path in ["/auth/me", "/auth/sessions", "/auth/tokens", "/auth/bots"] {
            private(&script.get(path).await, 200);
        }
        assert_eq!(ada.get("/auth/sessions").await.json["items"].as_array().unwrap().len(), 2);
    }

    async fn with_more_audiences_only_a_token_for_us_alone_changes_credentials(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            setup.settings.audiences = vec!["http://localhost:8400".into(), "https://api.example".into()];
        })
        .await;
        let mut ada = app.sign_up("ada").await;
        refused(&ada.post("/auth/tokens", &json!({"name": "x"})).await, 403, "wrong_audience");
        refused(&ada.post("/auth/bots", &json!({"name": "x"})).await, 403, "wrong_audience");
        let body = json!({"refresh_token": ada.refresh_token, "audience": "http://localhost:8400"});
        let reply = ada.post("/auth/refresh", &body).await;
        ada.take_tokens(&reply);
        private(&ada.post("/auth/tokens", &json!({"name": "x"})).await, 201);
        private(&ada.post("/auth/bots", &json!({"name": "x"})).await, 201);
    }
}
