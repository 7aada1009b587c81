//! Other ways to a session or a token, and what they ask for of second factors.

use portcullis_testkit::{PASSWORD, TestApp};
use serde_json::json;

use super::{set_up, sign_in, wrong};
use crate::on_both;
use crate::support::{admin, api_token, claims, events, holder, private, refused, user_id};

on_both! {
    async fn an_api_token_by_password_takes_the_code_along(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let mut body = json!({"name": "ci", "email": "ada@example.org", "password": PASSWORD});
        let reply = app.anon().post("/auth/tokens", &body).await;
        refused(&reply, 403, "second_factor_required");
        assert_eq!(reply.json["methods"], json!(["totp", "recovery_code"]));
        assert!(reply.json.get("challenge").is_none(), "both come in one request");
        body["method"] = "totp".into();
        body["code"] = wrong(&app, &phone).into();
        refused(&app.anon().post("/auth/tokens", &body).await, 403, "wrong_code");
        body["code"] = phone.next(&app).into();
        let reply = app.anon().post("/auth/tokens", &body).await;
        private(&reply, 201);
        private(&holder(&app, &reply.json).get("/auth/me").await, 200);
        refused(&app.anon().post("/auth/tokens", &body).await, 403, "wrong_code");
        assert_eq!(events(&app, "api_token.created").await.len(), 1);
        // A wrong password is told before anything of factors is.
        body["password"] = "wrong".into();
        refused(&app.anon().post("/auth/tokens", &body).await, 401, "invalid_credentials");
    }

    async fn of_two_tokens_with_one_code_one_is_made(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let body = json!({"name": "ci", "email": "ada@example.org", "password": PASSWORD,
            "method": "totp", "code": phone.next(&app)});
        let (here, there) = (app.anon(), other.anon());
        let (one, two) = tokio::join!(here.post("/auth/tokens", &body), there.post("/auth/tokens", &body));
        let won = [&one, &two].into_iter().filter(|reply| reply.status == 201).count();
        assert_eq!(won, 1, "{} {}", one.text(), two.text());
    }

    async fn whoever_acts_for_a_user_owes_none_of_theirs(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let root = admin(&app, "root").await;
        let path = format!("/admin/api/users/{}/impersonate", user_id(&ada));
        let reply = root.post(&path, &json!({"reason": "ticket 7", "mode": "full"})).await;
        private(&reply, 200);
        let acting = app.anon().bearing(reply.json["access_token"].as_str());
        assert!(claims(acting.access_token.as_deref().unwrap()).get("amr").is_none());
        for (method, path) in [("POST", "/auth/factors/totp"), ("POST", "/auth/factors/recovery-codes"), ("GET", "/auth/factors")] {
            let reply = acting.send(method.parse().unwrap(), path, Some(&json!({}))).await;
            refused(&reply, 403, "not_while_acting");
        }
        refused(&acting.delete(&format!("/auth/factors/{}", phone.id)).await, 403, "not_while_acting");
        refused(&acting.post("/auth/step-up", &json!({"password": PASSWORD})).await, 403, "not_while_acting");
    }

    async fn bots_and_api_tokens_owe_none(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let token = api_token(&ada, &json!({"name": "ci"})).await;
        let phone = set_up(&app, &mut ada).await;
        let ci = holder(&app, &token);
        private(&ci.get("/auth/me").await, 200);
        refused(&ci.get("/auth/factors").await, 403, "session_required");
        refused(&ci.post("/auth/factors/totp", &json!({})).await, 403, "session_required");
        let ada = sign_in(&app, "ada", &phone).await;
        let bot = ada.post("/auth/bots", &json!({"name": "worker"})).await;
        let path = format!("/auth/bots/{}/tokens", bot.json["id"].as_str().unwrap());
        let reply = ada.post(&path, &json!({})).await;
        private(&reply, 200);
        let bot = app.anon().bearing(reply.json["access_token"].as_str());
        private(&bot.get("/auth/me").await, 200);
        refused(&bot.post("/auth/factors/totp", &json!({})).await, 403, "session_required");
    }
}
