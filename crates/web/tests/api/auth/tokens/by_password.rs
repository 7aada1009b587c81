use portcullis_core::rate::Rate;
use portcullis_testkit::{Actor, Backend, PASSWORD, Reply, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{OTHER_PASSWORD, events, holder, invalid, made, private, redacted, refused};

/// Asks for a token as `who` (a field and its value) with a password.
async fn ask(actor: &Actor, field: &str, who: &str, password: &str) -> Reply {
    let mut body = json!({"name": "x", "password": password});
    body[field] = Value::from(who);
    actor.post("/auth/tokens", &body).await
}

on_both! {
    async fn by_address_or_user_name_or_either(backend: Backend) {
        let app = TestApp::new(backend).await;
        made(&app, "ada", |request| request.username = Some("ada.l".into())).await;
        for (field, who) in [("email", "ADA@example.org"), ("username", "Ada.L"), ("login", "ada.l"), ("login", "ada@example.org")] {
            let reply = ask(&app.anon(), field, who, PASSWORD).await;
            private(&reply, 201);
            assert_eq!(redacted(&reply.json)["token"], "[API token]");
            assert_eq!(holder(&app, &reply.json).get("/auth/me").await.json["username"], "ada.l");
        }
        let none = app.sign_in("ada").await.get("/auth/sessions").await.json["items"].as_array().unwrap().len();
        assert_eq!(none, 1, "no session is made");
    }

    async fn wrong_unknown_disabled_and_passwordless_are_one(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        made(&app, "bob", |request| request.password = None).await;
        let gone = made(&app, "gone", |_| {}).await;
        app.cx.disable_user(gone.id).await.unwrap();
        let mut texts = std::collections::HashSet::new();
        for (who, password) in [("ada", "wrong"), ("nobody", PASSWORD), ("bob", PASSWORD), ("gone", PASSWORD)] {
            let reply = ask(&app.anon(), "email", &format!("{who}@example.org"), password).await;
            refused(&reply, 401, "invalid_credentials");
            texts.insert(reply.body);
        }
        assert_eq!(texts.len(), 1, "the text tells nothing");
        assert_eq!(events(&app, "login.failed").await.len(), 4);
    }

    async fn guesses_slow_down_and_count_with_those_at_sign_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        app.sign_up("ada").await;
        for at in 0..5 {
            let node = if at % 2 == 0 { &app } else { &other };
            refused(&ask(&node.anon(), "email", "ada@example.org", "wrong").await, 401, "invalid_credentials");
        }
        refused(&ask(&other.anon(), "email", "ada@example.org", PASSWORD).await, 401, "invalid_credentials");
        let login = json!({"email": "ada@example.org", "password": PASSWORD});
        refused(&app.anon().post("/auth/login", &login).await, 401, "invalid_credentials");
        app.clock.advance(std::time::Duration::from_secs(1));
        private(&ask(&other.anon(), "email", "ada@example.org", PASSWORD).await, 201);
        private(&app.anon().post("/auth/login", &login).await, 200);
    }

    async fn not_before_the_password_is_changed(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = made(&app, "ada", |request| request.must_change_password = true).await;
        refused(&ask(&app.anon(), "email", "ada@example.org", PASSWORD).await, 403, "password_change_required");
        refused(&ask(&app.anon(), "email", "ada@example.org", "wrong").await, 401, "invalid_credentials");
        let session = app.sign_in("ada").await;
        refused(&session.post("/auth/tokens", &json!({"name": "x"})).await, 403, "password_change_required");
        app.cx.set_password(&ada, OTHER_PASSWORD.into(), false).await.unwrap();
        private(&ask(&app.anon(), "email", "ada@example.org", OTHER_PASSWORD).await, 201);
    }

    async fn the_header_means_nothing_beside_a_password(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let script = ask(&app.anon(), "email", "bob@example.org", PASSWORD).await.json;
        let script = script["token"].as_str().unwrap();
        let headers = ["Bearer garbage", "garbage", "Basic YTpi", "Bearer", &format!("Bearer {script}"),
            &format!("Bearer {}", bob.access_token.as_deref().unwrap())];
        for header in headers {
            let actor = app.anon().with_header("authorization", header);
            let reply = ask(&actor, "email", "ada@example.org", PASSWORD).await;
            private(&reply, 201);
            let owner = holder(&app, &reply.json).get("/auth/me").await;
            assert_eq!(owner.json["id"].as_str(), ada.user.as_deref(), "{header}");
            refused(&ask(&actor, "email", "ada@example.org", "wrong").await, 401, "invalid_credentials");
            app.clock.advance(std::time::Duration::from_hours(1));
        }
        app.cx.write_uses().await.unwrap();
        let bobs = app.sign_in("bob").await.get("/auth/tokens").await.json;
        assert_eq!(bobs["items"][0]["last_used_at"], json!(null), "a header that is not read is no use");
    }
}

#[tokio::test]
async fn exactly_one_name() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for body in [
        json!({"name": "x", "password": PASSWORD}),
        json!({"name": "x", "password": PASSWORD, "email": "ada@example.org", "login": "ada"}),
    ] {
        invalid(&ada.post("/auth/tokens", &body).await, &[("login", "required")]);
    }
}

#[tokio::test]
async fn limited_by_address_whatever_the_header_says() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        let rate = Rate::per_minute(1_000);
        setup.settings.rates = Some(portcullis_app::settings::Rates {
            login: rate,
            register: rate,
            refresh: rate,
            refresh_replays: rate,
            refresh_forgeries: rate,
            password_change: rate,
            password_forgot: rate,
            password_reset: rate,
            email_verify: rate,
            send_verification: rate,
            token_create: Rate::per_minute(5),
            oauth_token: rate,
        });
    })
    .await;
    let ada = app.sign_up("ada").await;
    let known = ada.from_address("192.0.2.1");
    for _ in 0..5 {
        private(&ask(&known, "email", "ada@example.org", PASSWORD).await, 201);
    }
    for actor in [known.clone(), app.anon().from_address("192.0.2.1")] {
        refused(&ask(&actor, "email", "ada@example.org", PASSWORD).await, 429, "rate_limited");
    }
    let elsewhere = app.anon().from_address("192.0.2.2");
    private(&ask(&elsewhere, "email", "ada@example.org", PASSWORD).await, 201);
    private(&known.post("/auth/tokens", &json!({"name": "a session is not limited"})).await, 201);
    app.clock.advance(std::time::Duration::from_mins(1));
    private(&ask(&known, "email", "ada@example.org", PASSWORD).await, 201);
}
