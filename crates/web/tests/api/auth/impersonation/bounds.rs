//! What whoever acts as another may do.

use http::Method;
use portcullis_testkit::TestApp;
use serde_json::json;

use super::acting;
use crate::auth::tokens::shut_out::{credential_changes, try_it};
use crate::on_both;
use crate::support::{admin, api_token, claims_of, events, private, refused};

on_both! {
    async fn to_look_is_to_change_nothing(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
        let token = api_token(&ada, &json!({"name": "x"})).await;
        let bot = ada.post("/auth/bots", &json!({"name": "x"})).await.json;
        let actor = acting(&app, &root, &ada, "read").await;
        for path in ["/auth/me", "/auth/sessions", "/auth/tokens", "/auth/bots"] {
            private(&actor.get(path).await, 200);
        }
        let mut all = credential_changes(
            token["id"].as_str().unwrap(), bot["id"].as_str().unwrap(),
            ada.session.as_deref().unwrap(), ada.user.as_deref().unwrap(),
        );
        all.push((Method::PATCH, "/auth/me".into(), json!({"name": "x"})));
        all.push((Method::DELETE, "/auth/tokens/current".into(), json!({})));
        for change in &all {
            let reply = try_it(&actor, change).await;
            assert_eq!(reply.outcome(), (403, "read_only_session"), "{change:?}");
            refused(&reply, 403, "read_only_session");
        }
        private(&actor.post("/auth/logout", &json!({})).await, 204);
        refused(&actor.get("/auth/me").await, 401, "invalid_token");
        private(&root.get("/auth/me").await, 200);
        let other = acting(&app, &root, &ada, "read").await;
        private(&other.post("/auth/impersonation/stop", &json!({})).await, 204);
    }

    async fn to_do_is_to_touch_no_credentials(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
        let token = api_token(&ada, &json!({"name": "x"})).await;
        let bot = ada.post("/auth/bots", &json!({"name": "x"})).await.json;
        let actor = acting(&app, &root, &ada, "full").await;
        assert!(claims_of(&actor).get("read_only").is_none());
        let all = credential_changes(
            token["id"].as_str().unwrap(), bot["id"].as_str().unwrap(),
            ada.session.as_deref().unwrap(), ada.user.as_deref().unwrap(),
        );
        for change in &all {
            let reply = try_it(&actor, change).await;
            assert_eq!(reply.outcome(), (403, "not_while_acting"), "{change:?}");
            refused(&reply, 403, "not_while_acting");
        }
        let reply = actor.patch("/auth/me", &json!({"name": "Ada L."})).await;
        private(&reply, 200);
        let told = events(&app, "user.updated").await;
        assert_eq!((told[0]["actor"].as_str(), told[0]["user"].as_str()), (root.user.as_deref(), ada.user.as_deref()),
            "who really did it");
        assert_eq!(ada.get("/auth/sessions").await.json["items"].as_array().unwrap().len(), 2);
    }
}
