//! By password, of somebody whose second factor is a passkey: no request can bring one along.

use portcullis_testkit::{PASSWORD, SecurityKey, TestApp};
use serde_json::{Value, json};

use crate::auth::factors::{set_up, texts};
use crate::auth::passkeys::{REGISTER_FINISH, REGISTER_START, begin, created};
use crate::on_both;
use crate::support::{api_token, holder, invalid, private, refused};

fn asked() -> Value {
    json!({"name": "ci", "email": "ada@example.org", "password": PASSWORD})
}

on_both! {
    async fn a_recovery_code_stands_for_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let begun = begin(&ada, REGISTER_START).await;
        let added = ada.post(REGISTER_FINISH, &created(&mut SecurityKey::default(), &begun, "x")).await;
        private(&added, 201);
        let reply = app.anon().post("/auth/tokens", &asked()).await;
        refused(&reply, 403, "second_factor_required");
        assert_eq!(reply.json["methods"], json!(["recovery_code"]));
        assert!(reply.json.get("challenge").is_none());
        let detail = reply.json["detail"].as_str().unwrap();
        assert!(!detail.contains("challenge") && detail.contains("`code`"), "{detail}");
        let mut body = asked();
        body["method"] = json!("recovery_code");
        body["code"] = texts(&added.json["recovery_codes"])[0].clone().into();
        let made = app.anon().post("/auth/tokens", &body).await;
        private(&made, 201);
        private(&holder(&app, &made.json).get("/auth/me").await, 200);
    }

    async fn without_recovery_codes_they_sign_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let begun = begin(&ada, REGISTER_START).await;
        let added = ada.post(REGISTER_FINISH, &created(&mut SecurityKey::default(), &begun, "x")).await;
        ada.take_tokens(&added);
        app.database.tamper("DELETE FROM recovery_codes");
        let reply = app.anon().post("/auth/tokens", &asked()).await;
        refused(&reply, 403, "second_factor_required");
        assert_eq!(reply.json["methods"], json!([]));
        let detail = reply.json["detail"].as_str().unwrap();
        assert!(!detail.contains("challenge") && detail.contains("Sign in"), "{detail}");
        api_token(&ada, &json!({"name": "ci"})).await;
    }

    async fn beside_an_app_for_codes_that_is_named(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        set_up(&app, &mut ada).await;
        let begun = begin(&ada, REGISTER_START).await;
        let added = ada.post(REGISTER_FINISH, &created(&mut SecurityKey::default(), &begun, "x")).await;
        private(&added, 201);
        let reply = app.anon().post("/auth/tokens", &asked()).await;
        refused(&reply, 403, "second_factor_required");
        assert_eq!(reply.json["methods"], json!(["totp", "recovery_code"]));
        // Whoever tries all the same is told which ones do.
        let mut body = asked();
        body["method"] = json!("passkey");
        let reply = app.anon().post("/auth/tokens", &body).await;
        invalid(&reply, &[("method", "unsupported")]);
        assert!(reply.json["errors"][0]["message"].as_str().unwrap().contains("`totp`"));
    }
}
