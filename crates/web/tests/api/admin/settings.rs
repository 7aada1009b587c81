//! `/admin/api/settings`

use http::Method;
use portcullis_app::doctor::Health;
use portcullis_core::registration::Domain;
use portcullis_testkit::{Actor, Backend, Reply, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{admin, events, eventually, invalid, made, private, refused, user_id};

const SETTINGS: &str = "/admin/api/settings";

async fn set(actor: &Actor, name: &str, value: Value) -> Reply {
    actor.send(Method::PUT, &format!("{SETTINGS}/{name}"), Some(&json!({"value": value}))).await
}

async fn unset(actor: &Actor, name: &str) -> Reply {
    actor.delete(&format!("{SETTINGS}/{name}")).await
}

async fn listed(actor: &Actor, name: &str) -> Value {
    let list = actor.get(SETTINGS).await;
    private(&list, 200);
    let items = list.json["items"].as_array().unwrap();
    items.iter().find(|item| item["name"] == name).expect("there is one").clone()
}

async fn register(actor: &Actor, name: &str) -> u16 {
    let body = json!({"email": format!("{name}@example.org"), "password": portcullis_testkit::PASSWORD});
    actor.post("/auth/register", &body).await.status
}

on_both! {
    /// The configuration refuses it, too.
    async fn allowed_domains_hold_nobody_off_who_need_not_show_their_address(backend: Backend) {
        let app = TestApp::with(backend, |setup| {
            setup.settings.registration.allowed_domains = Domain::parse("example.org").into_iter().collect();
            setup.settings.require_email_verification = true;
        })
        .await;
        let root = admin(&app, "root").await;
        let reply = set(&root, "require_email_verification", json!(false)).await;
        invalid(&reply, &[("value", "contradiction")]);
        private(&set(&root, "max_bots_per_user", json!(3)).await, 200);
    }

    async fn set_here_in_force_everywhere_and_unset(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let root = admin(&app, "root").await;
        let configured = json!({
            "name": "registration_mode", "type": "choice", "choices": ["open", "invite", "closed"],
            "value": "open", "default": "open", "overridden": false, "key": "registration.mode",
            "meaning": "Who may register: everybody, who has an invite, or nobody.",
            "updated_at": null, "updated_by": null,
        });
        assert_eq!(listed(&root, "registration_mode").await, configured);

        let reply = set(&root, "registration_mode", json!("closed")).await;
        private(&reply, 200);
        let mut expected = configured.clone();
        expected["value"] = json!("closed");
        expected["overridden"] = json!(true);
        expected["updated_at"] = json!("2026-01-01T00:00:00Z");
        expected["updated_by"] = json!(root.user);
        assert_eq!((&reply.json, &listed(&root, "registration_mode").await), (&expected, &expected));
        assert_eq!(register(&app.anon(), "early").await, 403, "in force where it was set");
        eventually("the other node hears of it", async || {
            other.anon().get("/auth/config").await.json["registration"]["open"] == false
        }).await;
        assert_eq!(register(&other.anon(), "ada").await, 403);
        let late = app.another(|_| {}).await;
        assert_eq!(register(&late.anon(), "ada").await, 403, "and on a node that starts now");

        app.clock.advance(std::time::Duration::from_millis(1));
        private(&unset(&root.at(&other), "registration_mode").await, 204);
        assert_eq!(register(&other.anon(), "ada").await, 201);
        eventually("and so does the first", async || {
            app.anon().get("/auth/config").await.json["registration"]["open"] == true
        }).await;
        assert_eq!(listed(&root, "registration_mode").await, configured);
        private(&unset(&root, "registration_mode").await, 204);

        let changes: Vec<_> = events(&app, "setting.changed").await.into_iter().map(|event| {
            assert_eq!((&event["actor"], &event["address"]), (&json!(root.user), &json!("127.0.0.1")));
            event["detail"].clone()
        }).collect();
        assert_eq!(changes, [
            json!({"setting": "registration_mode", "from": "open", "to": "closed"}),
            json!({"setting": "registration_mode", "from": "closed", "to": "open", "unset": true}),
        ], "what changes nothing is no event");
    }

    async fn each_does_what_it_says(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = admin(&app, "root").await;
        private(&set(&root, "default_role", json!("guest")).await, 200);
        let ada = app.sign_up("ada").await;
        assert_eq!(ada.get("/auth/me").await.json["role"], "guest");
        private(&set(&root, "max_api_tokens_per_user", json!(1)).await, 200);
        private(&ada.post("/auth/tokens", &json!({"name": "a"})).await, 201);
        refused(&ada.post("/auth/tokens", &json!({"name": "b"})).await, 409, "too_many_tokens");
        private(&set(&root, "max_api_tokens_per_user", json!(2)).await, 200);
        private(&ada.post("/auth/tokens", &json!({"name": "b"})).await, 201);
        private(&set(&root, "max_bots_per_user", json!(0)).await, 200);
        refused(&ada.post("/auth/bots", &json!({"name": "b"})).await, 409, "too_many_bots");
        private(&unset(&root, "max_bots_per_user").await, 204);
        private(&ada.post("/auth/bots", &json!({"name": "b"})).await, 201);
        private(&set(&root, "registration_mode", json!("invite")).await, 200);
        let config = app.anon().get("/auth/config").await.json["registration"].clone();
        assert_eq!((&config["open"], &config["invite_required"]), (&json!(false), &json!(true)));
        assert_eq!(register(&app.anon(), "bob").await, 403);
        let made = root.post("/admin/api/invites", &json!({})).await;
        private(&made, 201);
        let body = json!({"email": "bob@example.org", "password": portcullis_testkit::PASSWORD, "invite_code": made.json["code"]});
        assert_eq!(app.anon().post("/auth/register", &body).await.status, 201);
    }

    async fn by_nobody_who_is_no_administrator_any_more(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = admin(&app, "root").await;
        let mut other = app.another(|_| {}).await;
        // It has not heard of what follows, and believes the token.
        other.cut_off().await;
        app.cx.set_role(user_id(&root), "user").await.unwrap();
        refused(&set(&root.at(&other), "max_bots_per_user", json!(9)).await, 401, "invalid_token");
        refused(&unset(&root.at(&other), "max_bots_per_user").await, 401, "invalid_token");
        assert!(app.cx.store.runtime_settings().await.unwrap().is_empty());
        assert!(events(&app, "setting.changed").await.is_empty());
    }

    async fn what_a_newer_version_has_set_is_left_aside(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.leave_setting("of_the_future", json!({})).await;
        app.leave_setting("registration_mode", json!("by_moonlight")).await;
        app.leave_setting("max_bots_per_user", json!(7)).await;
        let late = app.another(|_| {}).await;
        assert_eq!(late.cx.runtime().max_bots_per_user, 7);
        assert_eq!(register(&late.anon(), "ada").await, 201);
        let root = admin(&late, "root").await;
        let mode = listed(&root, "registration_mode").await;
        assert_eq!((&mode["value"], &mode["overridden"]), (&json!("open"), &json!(false)));
        let checks = late.cx.doctor().await;
        let check = checks.iter().find(|check| check.name == "settings").unwrap();
        assert_eq!(check.health, Health::Warning);
        assert_eq!(check.seen, "max_bots_per_user = 7 (configured: 5); not understood by this version: of_the_future, registration_mode");
        private(&set(&root, "registration_mode", json!("closed")).await, 200);
        assert_eq!(register(&late.anon(), "bob").await, 403);
    }
}

#[tokio::test]
async fn for_administrators_in_their_own_sessions_alone() {
    let app = TestApp::with(Backend::Sqlite, |setup| {
        setup.settings.audiences.push("https://docs.example".into());
    })
    .await;
    made(&app, "root", |request| request.role = "admin".into()).await;
    let wide = app.sign_in("root").await;
    let body = json!({"refresh_token": wide.refresh_token, "audience": "http://localhost:8400"});
    let narrow = wide.post("/auth/refresh", &body).await;
    let root = wide.bearing(narrow.json["access_token"].as_str());
    let ada = app.sign_up("ada").await;
    let body = json!({"refresh_token": ada.refresh_token, "audience": "http://localhost:8400"});
    let ada = ada.bearing(ada.post("/auth/refresh", &body).await.json["access_token"].as_str());
    let token = root.post("/auth/tokens", &json!({"name": "x"})).await.json["token"].clone();
    let path = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
    let acting = root.post(&path, &json!({"reason": "help", "mode": "full"})).await;
    private(&acting, 200);
    for (actor, code) in [
        (wide, "wrong_audience"),
        (ada, "forbidden"),
        (root.bearing(token.as_str()), "session_required"),
        (root.bearing(acting.json["access_token"].as_str()), "not_while_acting"),
    ] {
        refused(&actor.get(SETTINGS).await, 403, code);
        refused(&set(&actor, "max_bots_per_user", json!(9)).await, 403, code);
        refused(&unset(&actor, "max_bots_per_user").await, 403, code);
    }
    assert!(app.cx.store.runtime_settings().await.unwrap().is_empty());
    private(&set(&root, "max_bots_per_user", json!(9)).await, 200);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = TestApp::new(Backend::Sqlite).await;
    let root = admin(&app, "root").await;
    for (name, value, code) in [
        ("registration_mode", json!("shut"), "unknown"),
        ("registration_mode", json!(null), "unknown"),
        ("require_email_verification", json!("true"), "wrong_type"),
        ("default_role", json!("admin"), "invalid"),
        ("default_role", json!(""), "invalid"),
        ("max_bots_per_user", json!(1_001), "out_of_range"),
        ("max_bots_per_user", json!("7"), "out_of_range"),
        ("max_api_tokens_per_user", json!(0), "out_of_range"),
    ] {
        invalid(&set(&root, name, value).await, &[("value", code)]);
    }
    let path = format!("{SETTINGS}/max_bots_per_user");
    invalid(&root.send(Method::PUT, &path, Some(&json!({}))).await, &[("value", "required")]);
    for name in ["access_ttl", "registration.mode", "%00"] {
        refused(&set(&root, name, json!(1)).await, 404, "not_found");
        refused(&unset(&root, name).await, 404, "not_found");
    }
    assert!(app.cx.store.runtime_settings().await.unwrap().is_empty());
    assert!(events(&app, "setting.changed").await.is_empty());
}
