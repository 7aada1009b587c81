use portcullis_testkit::TestApp;
use serde_json::json;

use crate::on_both;
use crate::support::{api_token, holder, private, refused};

on_both! {
    async fn a_token_tells_and_revokes_itself_and_no_other(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let (made, kept) = (
            api_token(&ada, &json!({"name": "x", "scopes": ["a"]})).await,
            api_token(&ada, &json!({"name": "y"})).await,
        );
        let script = holder(&app, &made);
        let told = script.get("/auth/tokens/current").await;
        private(&told, 200);
        let mut expected = made.clone();
        expected.as_object_mut().unwrap().remove("token");
        assert_eq!(told.json, expected);
        assert_eq!(script.at(&other).get("/auth/tokens/current/").await.json, expected);
        private(&script.delete("/auth/tokens/current").await, 204);
        refused(&script.get("/auth/me").await, 401, "invalid_token");
        refused(&script.delete("/auth/tokens/current").await, 401, "invalid_token");
        script.at(&other).until_refused("/auth/me").await;
        for node in [&app, &other] {
            assert_eq!(holder(node, &kept).get("/auth/me").await.status, 200);
        }
        assert_eq!(ada.get("/auth/tokens").await.json["items"].as_array().unwrap().len(), 1);
    }

    async fn whoever_presents_none_has_none(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        refused(&ada.get("/auth/tokens/current").await, 404, "not_found");
        refused(&ada.delete("/auth/tokens/current").await, 404, "not_found");
        refused(&ada.patch("/auth/tokens/current", &json!({"name": "x"})).await, 405, "method_not_allowed");
        refused(&app.anon().get("/auth/tokens/current").await, 401, "missing_token");
    }
}
