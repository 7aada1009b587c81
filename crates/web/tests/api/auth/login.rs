use std::time::Duration;

use portcullis_testkit::{Backend, PASSWORD, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{
    FEED, claims, credentials, hashed, header, invalid, made, private, redacted, refused, token_json, user_id,
};

on_both! {
    async fn answers_tokens(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        for path in ["/auth/login", "/auth/login/"] {
            let reply = app.anon().post(path, &credentials("ada", PASSWORD)).await;
            private(&reply, 200);
            assert_eq!(redacted(&reply.json), token_json("ada"));
        }
    }

    async fn takes_address_or_name_in_any_case_and_a_form(backend: Backend) {
        let app = TestApp::new(backend).await;
        made(&app, "ada", |request| request.username = Some("Ada_L".into())).await;
        for (field, value) in [
            ("email", "ada@example.org"),
            ("email", " ADA@example.ORG "),
            ("username", "ada_l"),
            ("login", "ADA_L"),
            ("login", "Ada@Example.org"),
        ] {
            let body = json!({field: value, "password": PASSWORD});
            assert_eq!(app.anon().post("/auth/login", &body).await.status, 200, "{field} {value}");
        }
        let form = "login=ada%40example.org&password=seven+purple+gates".into();
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let reply = app.anon().send_bytes(http::Method::POST, "/auth/login", kind, form).await;
        private(&reply, 200);
    }

    async fn wrong_unknown_disabled_and_password_less_are_answered_alike(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let disabled = made(&app, "disabled", |_| {}).await;
        assert!(app.cx.disable_user(disabled.id).await.unwrap());
        made(&app, "without", |request| request.password = None).await;
        let wrong = app.anon().post("/auth/login", &credentials("ada", "not her password")).await;
        refused(&wrong, 401, "invalid_credentials");
        for (name, password) in [
            ("nobody", PASSWORD),
            ("disabled", PASSWORD),
            ("disabled", "wrong"),
            ("without", PASSWORD),
            ("without", ""),
            ("ada", ""),
        ] {
            let reply = app.anon().post("/auth/login", &credentials(name, password)).await;
            refused(&reply, 401, "invalid_credentials");
            assert_eq!(reply.body, wrong.body, "{name}");
        }
        assert!(app.cx.enable_user(disabled.id).await.unwrap());
        assert_eq!(app.anon().post("/auth/login", &credentials("disabled", PASSWORD)).await.status, 200);
    }

    async fn the_device_stays_the_same_and_the_session_does_not(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let mut body = credentials("ada", PASSWORD);
        body["device_token"] = ada.device_token.clone().into();
        let reply = app.anon().post("/auth/login", &body).await;
        assert_eq!(reply.json["device_token"].as_str(), ada.device_token.as_deref());
        assert_ne!(reply.json["session_id"].as_str(), ada.session.as_deref());
        body["device_token"] = "pcd_garbage".into();
        let reply = app.anon().post("/auth/login", &body).await;
        assert_eq!(reply.status, 200, "a device token that is none only makes the device unknown");
        assert_ne!(reply.json["device_token"].as_str(), ada.device_token.as_deref());
    }

    async fn the_hundred_and_first_session_ends_the_oldest(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut first = app.sign_up("ada").await;
        for _ in 0..99 {
            app.clock.advance(Duration::from_millis(1));
            app.sign_in("ada").await;
        }
        assert_eq!(first.get("/auth/me").await.status, 200);
        assert_eq!(app.cx.server_key_use().await.unwrap()[0].sessions, 100);
        app.sign_in("ada").await;
        refused(&first.get("/auth/me").await, 401, "invalid_token");
        refused(&first.refresh().await, 401, "refresh_revoked");
        assert_eq!(app.cx.server_key_use().await.unwrap()[0].sessions, 100);
    }

    async fn a_session_that_is_pushed_out_ends_on_every_node(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        // As in life: no two readings of the clock are the same.
        app.clock.tick(Duration::from_millis(1));
        let first = app.sign_up("ada").await.at(&other);
        for _ in 0..99 {
            app.sign_in("ada").await;
        }
        assert_eq!(first.get("/auth/me").await.status, 200);
        app.sign_in("ada").await;
        first.until_refused("/auth/me").await;
        let feed = app.another(|_| {}).await.anon().get(FEED).await;
        assert_eq!(feed.json["sessions"][0]["id"], hashed(first.session.as_deref().unwrap()));
        assert_eq!(feed.json["sessions"].as_array().unwrap().len(), 1, "and no other");
    }
}

#[tokio::test]
async fn the_access_token_says_who_and_nothing_private() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let token = ada.access_token.clone().unwrap();
    let kid = app.anon().get("/.well-known/jwks.json").await.json["keys"][0]["kid"].clone();
    assert_eq!(header(&token), json!({"alg": "ES256", "typ": "at+jwt", "kid": kid}));
    let now = 1_767_225_600;
    let expected = json!({
        "iss": "http://localhost:8400", "sub": "[id]", "aud": "http://localhost:8400",
        "exp": now + 900, "iat": now, "nbf": now, "jti": "[random]", "sid": "[id]", "gen": claims(&token)["gen"],
        "role": "user", "account": "[id]", "account_role": "owner", "client_id": "portcullis",
        "amr": ["pwd"], "auth_time": now,
    });
    assert_eq!(redacted(&claims(&token)), expected);
    assert_eq!(claims(&token)["sub"], user_id(&ada).to_string());
}

#[tokio::test]
async fn exactly_one_name_is_given() {
    let app = TestApp::new(Backend::Sqlite).await;
    for body in [
        json!({"password": PASSWORD}),
        json!({"email": "a@example.org", "login": "a", "password": PASSWORD}),
        json!({"email": "a@example.org", "username": "a", "login": "a", "password": PASSWORD}),
    ] {
        invalid(&app.anon().post("/auth/login", &body).await, &[("login", "required")]);
    }
    invalid(&app.anon().post("/auth/login", &json!({"email": "a"})).await, &[("password", "required")]);
}

#[tokio::test]
async fn other_deliveries_and_unknown_audiences_are_refused() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("ada").await;
    for delivery in ["owl", "", "Cookie"] {
        let mut body = credentials("ada", PASSWORD);
        body["delivery"] = delivery.into();
        invalid(&app.anon().post("/auth/login", &body).await, &[("delivery", "invalid")]);
    }
    let mut body = credentials("ada", PASSWORD);
    body["audience"] = "https://evil.example".into();
    invalid(&app.anon().post("/auth/login", &body).await, &[("audience", "unknown")]);
}

#[tokio::test]
async fn a_token_is_for_the_audience_that_was_asked_for() {
    let (issuer, api) = ("http://localhost:8400", "https://api.example");
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.settings.audiences = vec![issuer.into(), api.into()];
    })
    .await;
    app.sign_up("ada").await;
    for (asked, aud) in [(None, json!([issuer, api])), (Some(issuer), json!(issuer)), (Some(api), json!(api))]
    {
        let mut body = credentials("ada", PASSWORD);
        body["audience"] = asked.into();
        let reply = app.anon().post("/auth/login", &body).await;
        assert_eq!(claims(reply.json["access_token"].as_str().unwrap())["aud"], aud);
        let mut ada = app.anon();
        ada.take_tokens(&reply);
        let change = json!({"current_password": "wrong", "new_password": "x"});
        let outcome = if asked == Some(issuer) { (403, "wrong_password") } else { (403, "wrong_audience") };
        assert_eq!(ada.post("/auth/password/change", &change).await.outcome(), outcome, "{asked:?}");
        let refresh = json!({"refresh_token": ada.refresh_token, "audience": api});
        let reply = ada.post("/auth/refresh", &refresh).await;
        assert_eq!(claims(reply.json["access_token"].as_str().unwrap())["aud"], api);
    }
}
