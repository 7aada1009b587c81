//! `/auth/bots`: bots of the caller.

use portcullis_testkit::{Actor, Backend, PASSWORD, TestApp, postgres};
use serde_json::{Value, json};

use crate::auth::tokens::shut_out::{credential_changes, try_it};
use crate::on_both;
use crate::support::{
    OTHER_PASSWORD, api_token, claims_of, events, eventually, invalid, private, redacted, refused, user_id,
};

async fn make(actor: &Actor) -> Value {
    let reply = actor.post("/auth/bots", &json!({"name": "helper"})).await;
    private(&reply, 201);
    reply.json
}

fn path(bot: &Value) -> String {
    format!("/auth/bots/{}", bot["id"].as_str().unwrap())
}

/// `actor`'s bot, signed in.
async fn signed_in(app: &TestApp, actor: &Actor, bot: &Value) -> Actor {
    let reply = actor.post(&format!("{}/tokens", path(bot)), &json!({})).await;
    private(&reply, 200);
    let mut bot = app.anon();
    bot.take_tokens(&reply);
    bot
}

on_both! {
    async fn a_bot_is_made_named_and_deleted(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let made = make(&ada).await;
        let mut expected = json!({
            "id": "[id]", "name": "helper", "role": "user", "owner_id": "[id]",
            "created_at": "2026-01-01T00:00:00Z", "last_login_at": null,
        });
        assert_eq!(redacted(&made), expected);
        assert_eq!(made["owner_id"].as_str(), ada.user.as_deref());
        let reply = ada.patch(&path(&made), &json!({"name": " new "})).await;
        private(&reply, 200);
        expected["name"] = json!("new");
        assert_eq!(redacted(&reply.json), expected);
        let listed = ada.get("/auth/bots").await;
        private(&listed, 200);
        assert_eq!(redacted(&listed.json), json!({"items": [expected], "next_cursor": null}));
        private(&ada.delete(&path(&made)).await, 204);
        refused(&ada.delete(&path(&made)).await, 404, "not_found");
        assert!(ada.get("/auth/bots").await.json["items"].as_array().unwrap().is_empty());
        for kind in ["bot.created", "bot.updated", "bot.deleted"] {
            let told = events(&app, kind).await;
            assert_eq!((told.len(), told[0]["actor"].as_str()), (1, ada.user.as_deref()), "{kind}");
            assert_eq!(told[0]["user"], made["id"]);
        }
    }

    async fn its_tokens_need_no_body(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let path = format!("{}/tokens", path(&make(&ada).await));
        private(&ada.send(http::Method::POST, &path, None).await, 200);
        let empty = ada.send_bytes(http::Method::POST, &path, "application/json", vec![]).await;
        private(&empty, 200);
        for body in ["[]", "null", "\"x\""] {
            let reply = ada.send_bytes(http::Method::POST, &path, "application/json", body.into()).await;
            invalid(&reply, &[("", "wrong_type")]);
        }
        let reply = ada.send_bytes(http::Method::POST, &path, "text/plain", b"{}".to_vec()).await;
        refused(&reply, 415, "unsupported_media_type");
    }

    async fn none_is_made_by_a_session_that_has_ended(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        // It has not heard of what follows, and believes the token.
        other.cut_off().await;
        private(&ada.post("/auth/logout", &json!({})).await, 204);
        let reply = ada.at(&other).post("/auth/bots", &json!({"name": "helper"})).await;
        refused(&reply, 401, "invalid_token");
        assert!(app.sign_in("ada").await.get("/auth/bots").await.json["items"].as_array().unwrap().is_empty());
    }

    async fn its_tokens_say_that_it_is_one_and_whose(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let made = make(&ada).await;
        let mut bot = signed_in(&app, &ada, &made).await;
        for _ in 0..2 {
            let claims = claims_of(&bot);
            assert_eq!((&claims["sub"], &claims["act"]), (&made["id"], &json!({"sub": ada.user})));
            assert_eq!((&claims["bot"], &claims["role"], &claims["account_role"]), (&json!(true), &json!("user"), &json!("member")));
            assert_eq!(claims["account"], claims_of(&ada)["account"]);
            for absent in ["read_only", "auth_time", "pwd_change"] {
                assert!(claims.get(absent).is_none(), "{absent}: nobody has signed in");
            }
            let me = bot.get("/auth/me").await;
            private(&me, 200);
            assert_eq!((&me.json["email"], &me.json["name"]), (&json!(null), &json!("helper")));
            assert_eq!(me.json["owner_id"].as_str(), ada.user.as_deref());
            private(&bot.refresh().await, 200);
        }
        private(&ada.patch(&path(&made), &json!({"name": "renamed"})).await, 200);
        assert_eq!(bot.refresh().await.json["user"]["name"], "renamed");
        assert_eq!(bot.get("/auth/sessions").await.json["items"][0]["acting"], false);
        let started = events(&app, "session.started").await;
        let of_bot = started.iter().find(|event| event["user"] == made["id"]).unwrap();
        assert_eq!((of_bot["actor"].as_str(), &of_bot["detail"]), (ada.user.as_deref(), &json!({"mode": "bot"})));
        private(&bot.patch("/auth/me", &json!({"job_title": "sorter"})).await, 200);
        assert_eq!(events(&app, "user.updated").await[0]["actor"].as_str(), ada.user.as_deref());
        private(&bot.post("/auth/logout", &json!({})).await, 204);
        refused(&bot.refresh().await, 401, "refresh_revoked");
    }

    async fn five_and_no_more(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let nodes = [ada.clone(), ada.at(&other)];
        let asked = (0..12).map(|at| {
            let ada = nodes[at % 2].clone();
            tokio::spawn(async move { ada.post("/auth/bots", &json!({"name": "x"})).await })
        });
        let mut made = Vec::new();
        for asked in asked.collect::<Vec<_>>() {
            let reply = asked.await.unwrap();
            if reply.status == 201 { made.push(reply.json) } else { refused(&reply, 409, "too_many_bots") }
        }
        assert_eq!(made.len(), 5);
        private(&ada.delete(&path(&made[0])).await, 204);
        make(&ada).await;
        refused(&ada.post("/auth/bots", &json!({"name": "x"})).await, 409, "too_many_bots");
        make(&app.sign_up("bob").await).await;
    }

    async fn those_of_others_are_not_there(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let bobs = make(&bob).await;
        for id in [bobs["id"].as_str().unwrap(), ada.user.as_deref().unwrap(), "00000000-0000-7000-8000-000000000000", "x"] {
            let path = format!("/auth/bots/{id}");
            refused(&ada.patch(&path, &json!({"name": "x"})).await, 404, "not_found");
            refused(&ada.delete(&path).await, 404, "not_found");
            refused(&ada.post(&format!("{path}/tokens"), &json!({})).await, 404, "not_found");
        }
        assert!(ada.get("/auth/bots").await.json["items"].as_array().unwrap().is_empty());
        signed_in(&app, &bob, &bobs).await;
    }

    async fn a_bot_changes_no_credentials(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let token = api_token(&ada, &json!({"name": "x"})).await;
        let made = make(&ada).await;
        let bot = signed_in(&app, &ada, &made).await;
        let all = credential_changes(
            token["id"].as_str().unwrap(), made["id"].as_str().unwrap(),
            bot.session.as_deref().unwrap(), ada.user.as_deref().unwrap(),
        );
        for change in &all {
            let reply = try_it(&bot, change).await;
            assert_eq!(reply.outcome(), (403, "session_required"), "{change:?}");
        }
        refused(&bot.post("/auth/impersonation/stop", &json!({})).await, 409, "conflict");
        let login = json!({"email": format!("{}@bot.invalid", made["id"].as_str().unwrap()), "password": PASSWORD});
        refused(&app.anon().post("/auth/login", &login).await, 401, "invalid_credentials");
        let user = app.cx.find_user(made["id"].as_str().unwrap()).await.unwrap();
        assert!(app.cx.set_password(&user, OTHER_PASSWORD.into(), false).await.is_err(), "not by an operator either");
    }

    async fn it_stops_with_its_owner_at_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let made = make(&ada).await;
        let mut bot = signed_in(&app, &ada, &made).await;
        assert_eq!(bot.at(&other).get("/auth/me").await.status, 200);
        app.cx.disable_user(user_id(&ada)).await.unwrap();
        refused(&bot.get("/auth/me").await, 401, "invalid_token");
        bot.at(&other).until_refused("/auth/me").await;
        refused(&bot.refresh().await, 401, "refresh_revoked");
        app.cx.enable_user(user_id(&ada)).await.unwrap();
        signed_in(&app, &app.sign_in("ada").await, &made).await;
    }

    async fn signing_out_everywhere_includes_bots(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let (ada, tablet) = (app.sign_up("ada").await, app.sign_in("ada").await);
        let made = make(&ada).await;
        let mut bot = signed_in(&app, &ada, &made).await;
        private(&ada.post("/auth/logout", &json!({})).await, 204);
        assert_eq!(bot.get("/auth/me").await.status, 200, "a bot goes on without its owner's session");
        private(&tablet.post("/auth/logout/all", &json!({})).await, 204);
        refused(&bot.get("/auth/me").await, 401, "invalid_token");
        bot.at(&other).until_refused("/auth/me").await;
        refused(&bot.refresh().await, 401, "refresh_revoked");
    }

    async fn deleting_it_ends_its_tokens(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let made = make(&ada).await;
        let mut bot = signed_in(&app, &ada, &made).await;
        assert_eq!(bot.at(&other).get("/auth/me").await.status, 200);
        private(&ada.delete(&path(&made)).await, 204);
        refused(&bot.get("/auth/me").await, 401, "invalid_token");
        bot.at(&other).until_refused("/auth/me").await;
        refused(&bot.refresh().await, 401, "invalid_token");
        refused(&ada.post(&format!("{}/tokens", path(&made)), &json!({})).await, 404, "not_found");
    }
}

#[tokio::test]
async fn names_and_audiences_are_checked() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let bot = make(&ada).await;
    for (name, code) in [("", "blank"), ("a\nb", "control_character"), (&*"x".repeat(101), "too_long")] {
        let body = json!({"name": name});
        invalid(&ada.post("/auth/bots", &body).await, &[("name", code)]);
        invalid(&ada.patch(&path(&bot), &body).await, &[("name", code)]);
    }
    invalid(&ada.patch(&path(&bot), &json!({})).await, &[("name", "required")]);
    let tokens = format!("{}/tokens", path(&bot));
    invalid(&ada.post(&tokens, &json!({"audience": "https://x"})).await, &[("audience", "unknown")]);
    invalid(&ada.post(&tokens, &json!({"audience": 1})).await, &[("audience", "wrong_type")]);
    private(&ada.post(&tokens, &json!({"audience": "http://localhost:8400"})).await, 200);
}

#[tokio::test]
async fn the_operator_may_allow_none() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.settings.bots_per_user = 0).await;
    let ada = app.sign_up("ada").await;
    refused(&ada.post("/auth/bots", &json!({"name": "x"})).await, 409, "too_many_bots");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_is_deleted_while_it_refreshes_is_told_so() {
    const USERS: &str = "relation = 'users'::regclass \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let app = TestApp::new(Backend::Postgres).await;
    let ada = app.sign_up("ada").await;
    let bot = make(&ada).await;
    let helper = signed_in(&app, &ada, &bot).await;
    // Which knows nothing of the bot, and reads whose session it is before it rotates.
    let other = app.another(|_| {}).await;
    let url = app.database.url.clone();
    let deleting = tokio::task::spawn_blocking({
        let (url, id) = (url.clone(), bot["id"].as_str().unwrap().to_owned());
        move || {
            let sql = format!(
                "BEGIN; LOCK TABLE users; DO $$ BEGIN LOOP EXIT WHEN EXISTS (SELECT 1 FROM pg_locks \
                 WHERE NOT granted AND {USERS}); PERFORM pg_sleep(0.01); END LOOP; END $$; \
                 DELETE FROM users WHERE id = '{id}'; COMMIT"
            );
            postgres::query(&url, &sql).expect("the bot is deleted")
        }
    });
    eventually("the table is locked", async || {
        let sql = format!(
            "SELECT COUNT(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND {USERS}"
        );
        postgres::query(&url, &sql).expect("it answers").trim() == "1"
    })
    .await;
    refused(&helper.at(&other).refresh().await, 401, "invalid_token");
    deleting.await.expect("no panic");
    refused(&helper.at(&other).refresh().await, 401, "invalid_token");
}
