//! `/admin/api/users`

use std::time::Duration;

use portcullis_testkit::{Actor, Backend, PASSWORD, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{admin, api_token, claims, credentials, events, invalid, private, refused, user_id};

const USERS: &str = "/admin/api/users";

fn of(actor: &Actor, what: &str) -> String {
    format!("{USERS}/{}{what}", actor.user.as_deref().unwrap())
}

/// A service client with these scopes, with a token of its own.
async fn service(app: &TestApp, root: &Actor, scopes: &[&str]) -> (Actor, String) {
    let body = json!({"name": "billing", "grant_types": ["client_credentials"], "scopes": scopes});
    let made = root.post("/admin/api/clients", &body).await;
    private(&made, 201);
    let body = json!({"grant_type": "client_credentials", "client_id": made.json["client_id"], "client_secret": made.json["client_secret"]});
    let token = app.anon().post("/oauth/token", &body).await;
    assert_eq!(token.status, 200, "{}", token.text());
    let id = made.json["client_id"].as_str().unwrap().to_owned();
    (app.anon().bearing(token.json["access_token"].as_str()), id)
}

on_both! {
    async fn listed_disabled_enabled_and_deleted(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let root = admin(&app, "root").await;
        app.clock.advance(Duration::from_millis(1));
        let mut ada = app.sign_up("ada").await;
        let token = api_token(&ada, &json!({"name": "ci"})).await;
        let script = app.anon().bearing(token["token"].as_str());
        let page = root.get(&format!("{USERS}?limit=1")).await;
        private(&page, 200);
        assert_eq!(page.json["items"][0]["email"], "root@example.org");
        let next = root.get(&format!("{USERS}?limit=1&cursor={}", page.json["next_cursor"].as_str().unwrap())).await;
        assert_eq!((&next.json["items"][0]["email"], &next.json["items"][0]["disabled"]), (&json!("ada@example.org"), &json!(false)));

        let disabled = root.post(&of(&ada, "/disable"), &json!({})).await;
        private(&disabled, 200);
        assert_eq!((&disabled.json["disabled"], disabled.json["disabled_at"].is_string()), (&json!(true), true));
        for actor in [&ada, &script] {
            actor.at(&other).until_refused("/auth/me").await;
        }
        refused(&ada.refresh().await, 401, "refresh_revoked");
        private(&root.post(&of(&ada, "/disable"), &json!({})).await, 200);
        let enabled = root.post(&of(&ada, "/enable"), &json!({})).await;
        assert_eq!((&enabled.json["disabled"], &enabled.json["disabled_at"]), (&json!(false), &Value::Null));
        private(&root.post(&of(&ada, "/enable"), &json!({})).await, 200);
        private(&script.get("/auth/me").await, 200);
        assert_eq!((events(&app, "user.disabled").await.len(), events(&app, "user.enabled").await.len()), (1, 1));

        let ada = app.sign_in("ada").await;
        private(&root.delete(&of(&ada, "")).await, 204);
        for actor in [&ada, &script] {
            actor.at(&other).until_refused("/auth/me").await;
        }
        refused(&app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await, 401, "invalid_credentials");
        for path in [of(&ada, ""), format!("{USERS}/x")] {
            refused(&root.get(&path).await, 404, "not_found");
            refused(&root.delete(&path).await, 404, "not_found");
        }
        refused(&root.post(&of(&ada, "/disable"), &json!({})).await, 404, "not_found");
        let gone = events(&app, "user.deleted").await;
        assert_eq!((gone.len(), &gone[0]["actor"]), (1, &json!(root.user)));
        // What happened stays, and says no more to whom.
        let before = events(&app, "session.started").await.len();
        app.cx.chain_once().await.unwrap();
        app.cx.keep_house_once("test").await.unwrap();
        let told = events(&app, "session.started").await;
        assert_eq!(told.len(), before);
        assert!(told.iter().all(|event| event["user"] != json!(ada.user)), "{told:?}");
        assert!(app.cx.inspect_audit(Vec::new()).await.unwrap().findings.is_empty());
    }

    async fn nobody_administers_themselves_away(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, second) = (admin(&app, "root").await, admin(&app, "second").await);
        for what in ["/disable", "/enable"] {
            refused(&root.post(&of(&root, what), &json!({})).await, 403, "forbidden");
        }
        refused(&root.delete(&of(&root, "")).await, 403, "forbidden");
        // Of two who do it to each other, through two nodes, one stays.
        let other = app.another(|_| {}).await;
        let there = second.at(&other);
        let (first, last) = (of(&root, ""), of(&second, "/disable"));
        let nothing = json!({});
        let (one, two) = tokio::join!(there.delete(&first), root.post(&last, &nothing));
        assert!((one.status == 204) != (two.status == 200), "{} {}", one.text(), two.text());
        assert_eq!(app.cx.store.users(None, 10).await.unwrap().iter().filter(|user| user.role.is_admin() && user.disabled_at.is_none()).count(), 1);
    }

    async fn registered_on_their_behalf(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = admin(&app, "root").await;
        let reply = root.post(USERS, &json!({"email": "ada@example.org", "name": "Ada", "role": "guest"})).await;
        private(&reply, 201);
        assert_eq!((&reply.json["user"]["name"], &reply.json["user"]["role"]), (&json!("Ada"), &json!("guest")));
        assert!(reply.json.get("access_token").is_none());
        refused(&root.post(USERS, &json!({"email": "ADA@example.org"})).await, 409, "email_taken");
        let reply = root.post(USERS, &json!({"email": "bob@example.org", "session": true})).await;
        private(&reply, 201);
        assert_eq!(reply.json["user"]["role"], "user");
        let said = claims(reply.json["access_token"].as_str().unwrap());
        assert!(said.get("amr").is_none(), "nothing has proved who they are");
        let mut bob = app.anon();
        bob.take_tokens(&reply);
        assert_eq!(bob.refresh().await.status, 200);
        private(&bob.get("/auth/me").await, 200);
        private(&root.post(USERS, &json!({"email": "two@example.org", "role": "admin"})).await, 201);
        let registered = events(&app, "user.registered").await;
        assert_eq!(registered.iter().filter(|event| event["actor"] == json!(root.user)).count(), 3);
    }

    async fn by_a_service_that_may(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = admin(&app, "root").await;
        let (billing, id) = service(&app, &root, &["users:write", "other"]).await;
        let reply = billing.post(USERS, &json!({"email": "ada@example.org", "session": true})).await;
        private(&reply, 201);
        private(&app.anon().bearing(reply.json["access_token"].as_str()).get("/auth/me").await, 200);
        let registered = events(&app, "user.registered").await;
        assert!(registered.iter().any(|event| event["detail"]["client"] == json!(id)), "{registered:?}");
        refused(&billing.post(USERS, &json!({"email": "eve@example.org", "role": "admin"})).await, 403, "forbidden");
        // Nothing else is for it.
        refused(&billing.get(USERS).await, 403, "session_required");
        refused(&billing.delete(&format!("{USERS}/{id}")).await, 403, "session_required");
        let (reader, _) = service(&app, &root, &["users:read"]).await;
        let reply = reader.post(USERS, &json!({"email": "eve@example.org"})).await;
        refused(&reply, 403, "insufficient_scope");
        assert_eq!(reply.header("www-authenticate"), Some(r#"Bearer error="insufficient_scope", scope="users:write""#));
        // A node that has not heard of its end lets it do nothing.
        let mut other = app.another(|_| {}).await;
        private(&billing.at(&other).post(USERS, &json!({"email": "eve@example.org"})).await, 201);
        other.cut_off().await;
        private(&root.delete(&format!("/admin/api/clients/{id}")).await, 204);
        refused(&billing.at(&other).post(USERS, &json!({"email": "joe@example.org"})).await, 401, "invalid_token");
        assert!(app.cx.find_user("joe@example.org").await.is_err());
    }

    async fn by_nobody_who_is_no_administrator_any_more(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
        let mut other = app.another(|_| {}).await;
        // It has not heard of what follows, and believes the token.
        other.cut_off().await;
        app.cx.set_role(user_id(&root), "user").await.unwrap();
        let root = root.at(&other);
        refused(&root.post(&of(&ada, "/disable"), &json!({})).await, 401, "invalid_token");
        refused(&root.delete(&of(&ada, "")).await, 401, "invalid_token");
        refused(&root.post(USERS, &json!({"email": "eve@example.org"})).await, 401, "invalid_token");
        private(&ada.get("/auth/me").await, 200);
        assert!(app.cx.find_user("eve@example.org").await.is_err());
    }
}

#[tokio::test]
async fn for_administrators_in_their_own_sessions_alone() {
    let app = TestApp::new(Backend::Sqlite).await;
    let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
    let token = api_token(&root, &json!({"name": "x"})).await;
    let acting = root.post(&of(&ada, "/impersonate"), &json!({"reason": "help", "mode": "full"})).await;
    for (actor, code) in [
        (ada.clone(), "forbidden"),
        (app.anon().bearing(token["token"].as_str()), "session_required"),
        (app.anon().bearing(acting.json["access_token"].as_str()), "not_while_acting"),
    ] {
        refused(&actor.get(USERS).await, 403, code);
        refused(&actor.get(&of(&root, "")).await, 403, code);
        refused(&actor.post(USERS, &json!({"email": "eve@example.org"})).await, 403, code);
        refused(&actor.post(&of(&root, "/disable"), &json!({})).await, 403, code);
        refused(&actor.delete(&of(&root, "")).await, 403, code);
    }
    private(&root.get(USERS).await, 200);
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let app = TestApp::new(Backend::Sqlite).await;
    let root = admin(&app, "root").await;
    for (body, field, code) in [
        (json!({}), "email", "required"),
        (json!({"email": "x"}), "email", "invalid_email"),
        (json!({"email": "a@example.org", "name": " "}), "name", "blank"),
        (json!({"email": "a@example.org", "username": "a@b"}), "username", "invalid"),
        (json!({"email": "a@example.org", "role": "No Role"}), "role", "invalid"),
        (json!({"email": "a@example.org", "session": "yes"}), "session", "wrong_type"),
    ] {
        invalid(&root.post(USERS, &body).await, &[(field, code)]);
    }
    // Nobody signs in there before their address is verified.
    root.send(
        http::Method::PUT,
        "/admin/api/settings/require_email_verification",
        Some(&json!({"value": true})),
    )
    .await;
    let reply = root.post(USERS, &json!({"email": "a@example.org", "session": true})).await;
    refused(&reply, 403, "email_not_verified");
    private(&root.post(USERS, &json!({"email": "a@example.org"})).await, 201);
}
