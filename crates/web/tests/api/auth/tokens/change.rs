use portcullis_testkit::{Actor, Reply, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{api_token, events, eventually, holder, invalid, private, refused};

async fn patch(actor: &Actor, token: &Value, body: &Value) -> Reply {
    actor.patch(&format!("/auth/tokens/{}", token["id"].as_str().unwrap()), body).await
}

on_both! {
    async fn only_what_is_sent_changes(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let made = api_token(&ada, &json!({"name": "old", "description": "told", "scopes": ["a", "b"]})).await;
        let mut expected = made.clone();
        expected.as_object_mut().unwrap().remove("token");
        for (body, change) in [
            (json!({"name": " new "}), ("name", json!("new"))),
            (json!({"description": "other"}), ("description", json!("other"))),
            (json!({"name": null, "scopes": null}), ("name", json!("new"))),
            (json!({"description": null}), ("description", json!(null))),
            (json!({"scopes": ["a"]}), ("scopes", json!(["a"]))),
            (json!({"expires_in_days": 365, "id": "x", "token": "x"}), ("name", json!("new"))),
            (json!({}), ("name", json!("new"))),
        ] {
            let reply = patch(&ada, &made, &body).await;
            private(&reply, 200);
            expected[change.0] = change.1;
            assert_eq!(reply.json, expected, "{body}");
        }
        assert_eq!(events(&app, "api_token.updated").await.len(), 4, "what changes nothing is no change");
        assert_eq!(holder(&app, &made).get("/auth/me").await.status, 200);
    }

    async fn scopes_are_narrowed_at_once_on_every_node_and_never_widened(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let made = api_token(&ada, &json!({"name": "x"})).await;
        let (here, there) = (holder(&app, &made), holder(&app, &made).at(&other));
        let scopes = async |actor: &Actor| actor.get("/auth/tokens/current").await.json["scopes"].clone();
        assert_eq!((scopes(&here).await, scopes(&there).await), (json!(null), json!(null)));
        for (narrower, wider) in [
            (json!(["a", "b"]), json!(["a", "b", "c"])),
            (json!(["b"]), json!(["a"])),
            (json!([]), json!(["b"])),
        ] {
            private(&patch(&ada, &made, &json!({"scopes": narrower})).await, 200);
            assert_eq!(scopes(&here).await, narrower);
            eventually("the other node knows", async || scopes(&there).await == narrower).await;
            let reply = patch(&ada, &made, &json!({"scopes": wider, "name": "not this either"})).await;
            invalid(&reply, &[("scopes", "widened")]);
        }
        assert_eq!(ada.get("/auth/tokens").await.json["items"][0]["name"], "x");
        invalid(&patch(&ada, &made, &json!({"scopes": [""], "name": ""})).await, &[("name", "blank"), ("scopes", "invalid")]);
    }

    async fn those_of_others_are_not_there(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let made = api_token(&bob, &json!({"name": "x"})).await;
        let good = json!({"name": "y"});
        refused(&patch(&ada, &made, &good).await, 404, "not_found");
        refused(&patch(&ada, &json!({"id": "x"}), &good).await, 404, "not_found");
        refused(&patch(&ada, &json!({"id": ada.session.as_deref()}), &good).await, 404, "not_found");
        private(&bob.delete(&format!("/auth/tokens/{}", made["id"].as_str().unwrap())).await, 204);
        refused(&patch(&bob, &made, &good).await, 404, "not_found");
    }
}
