//! `GET /auth/passkeys`, `PATCH` and `DELETE /auth/passkeys/{id}`

use std::time::Duration;

use portcullis_core::user::User;
use portcullis_testkit::{Actor, Backend, PASSWORD, SecurityKey, TestApp};
use serde_json::{Value, json};

use super::{register, sign_in, try_sign_in};
use crate::on_both;
use crate::support::{OTHER_PASSWORD, credentials, events, made, mailed, private, refused, user_id};

fn path(passkey: &Value) -> String {
    format!("/auth/passkeys/{}", passkey["id"].as_str().unwrap())
}

async fn stored(app: &TestApp, actor: &Actor) -> User {
    app.cx.store.user(user_id(actor)).await.unwrap().unwrap()
}

on_both! {
    async fn they_are_listed_renamed_and_removed(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let (mut one, mut two) = (SecurityKey::default(), SecurityKey::default());
        let first = register(&mut ada, &mut one, "laptop").await;
        app.clock.advance(Duration::from_millis(1));
        register(&mut ada, &mut two, "phone").await;
        let names = async |actor: &Actor| {
            let listed = actor.get("/auth/passkeys").await;
            private(&listed, 200);
            let items = listed.json["items"].as_array().unwrap().clone();
            items.into_iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&ada).await, ["laptop", "phone"]);
        let renamed = ada.patch(&path(&first), &json!({"name": " desk "})).await;
        private(&renamed, 200);
        assert_eq!((&renamed.json["id"], &renamed.json["name"]), (&first["id"], &json!("desk")));
        refused(&ada.patch(&path(&first), &json!({"name": ""})).await, 422, "validation_failed");

        let other = sign_in(&app, &mut two).await;
        let before = stored(&app, &ada).await;
        private(&ada.delete(&path(&first)).await, 204);
        let after = stored(&app, &ada).await;
        assert_eq!((after.credential_epoch, after.factors), (before.credential_epoch + 1, before.factors));
        // Access tokens from before end, sessions do not.
        refused(&ada.get("/auth/me").await, 401, "invalid_token");
        private(&ada.refresh().await, 200);
        refused(&other.get("/auth/me").await, 401, "invalid_token");
        private(&other.clone().refresh().await, 200);
        assert_eq!(names(&ada).await, ["phone"]);
        refused(&ada.delete(&path(&first)).await, 404, "not_found");
        refused(&ada.patch(&path(&first), &json!({"name": "x"})).await, 404, "not_found");
        refused(&try_sign_in(&app, &mut one).await, 401, "invalid_credentials");
        sign_in(&app, &mut two).await;
        for (kind, name) in [("passkey.renamed", "desk"), ("passkey.removed", "desk")] {
            let told = events(&app, kind).await;
            assert_eq!((told.len(), &told[0]["actor"]), (1, &json!(ada.user)), "{kind}");
            assert_eq!(told[0]["detail"], json!({"passkey": first["id"], "name": name}), "{kind}");
        }
    }

    async fn with_the_last_one_the_password_is_enough_again(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let only = register(&mut ada, &mut SecurityKey::default(), "x").await;
        private(&ada.delete(&path(&only)).await, 204);
        private(&app.sign_in("ada").await.get("/auth/me").await, 200);
    }

    async fn the_last_way_in_stays(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let (mut one, mut two) = (SecurityKey::default(), SecurityKey::default());
        let first = register(&mut ada, &mut one, "one").await;
        app.database.tamper("UPDATE users SET password_hash = NULL");
        refused(&ada.delete(&path(&first)).await, 409, "last_way_in");
        assert!(events(&app, "passkey.removed").await.is_empty());
        let mut ada = sign_in(&app, &mut one).await;
        register(&mut ada, &mut two, "two").await;
        private(&ada.delete(&path(&first)).await, 204);
        let ada = sign_in(&app, &mut two).await;
        let left = ada.get("/auth/passkeys").await.json["items"][0].clone();
        refused(&ada.delete(&path(&left)).await, 409, "last_way_in");
        sign_in(&app, &mut two).await;
    }

    async fn removing_needs_a_fresh_sign_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut authenticator = SecurityKey::default();
        let only = register(&mut ada, &mut authenticator, "x").await;
        app.clock.advance(Duration::from_secs(601));
        private(&ada.refresh().await, 200);
        let stale = ada.delete(&path(&only)).await;
        refused(&stale, 403, "fresh_login_required");
        assert_eq!(stale.json["methods"], json!(["passkey", "recovery_code"]));
        private(&ada.patch(&path(&only), &json!({"name": "y"})).await, 200);
        private(&sign_in(&app, &mut authenticator).await.delete(&path(&only)).await, 204);
    }

    async fn those_of_others_are_not_there(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let mut authenticator = SecurityKey::default();
        let of_ada = register(&mut ada, &mut authenticator, "x").await;
        register(&mut bob, &mut SecurityKey::default(), "x").await;
        refused(&bob.patch(&path(&of_ada), &json!({"name": "mine"})).await, 404, "not_found");
        refused(&bob.delete(&path(&of_ada)).await, 404, "not_found");
        assert_eq!(ada.get("/auth/passkeys").await.json["items"][0]["name"], "x");
        sign_in(&app, &mut authenticator).await;
    }
}

#[tokio::test]
async fn an_export_tells_of_them_and_of_no_key() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    let mut authenticator = SecurityKey::default();
    let passkey = register(&mut ada, &mut authenticator, "laptop").await;
    let reply = ada.get("/auth/me/export").await;
    private(&reply, 200);
    let told = &reply.json["passkeys"][0];
    assert_eq!(
        (&told["id"], &told["name"], &told["backed_up"]),
        (&passkey["id"], &json!("laptop"), &json!(false))
    );
    assert!(!reply.text().contains("attestation") && !reply.text().contains("cred_id"));
}

#[tokio::test]
async fn they_go_with_their_user() {
    let app = TestApp::new(Backend::Sqlite).await;
    let root = crate::support::admin(&app, "root").await;
    let mut ada = app.sign_up("ada").await;
    let mut authenticator = SecurityKey::default();
    register(&mut ada, &mut authenticator, "x").await;
    private(&root.delete(&format!("/admin/api/users/{}", ada.user.as_deref().unwrap())).await, 204);
    refused(&try_sign_in(&app, &mut authenticator).await, 401, "invalid_credentials");
    // Nobody has it any more.
    made(&app, "bob", |_| {}).await;
    register(&mut app.sign_in("bob").await, &mut authenticator, "x").await;
}

#[tokio::test]
async fn undoing_a_change_of_address_takes_those_away_that_were_made_since_the_session_that_asked() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    let mut keys = [SecurityKey::default(), SecurityKey::default(), SecurityKey::default()];
    let [own, before, after] = &mut keys;
    register(&mut ada, own, "own").await;
    app.clock.advance(Duration::from_millis(1));
    let mut eve = sign_in(&app, own).await;
    app.clock.advance(Duration::from_millis(1));
    register(&mut eve, before, "before").await;
    let body = json!({"email": "eve@example.org", "current_password": PASSWORD});
    private(&eve.patch("/auth/me", &body).await, 200);
    let link = mailed(&app, "eve@example.org").await;
    assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": link})).await.status, 204);
    let undo = mailed(&app, "ada@example.org").await;
    app.clock.advance(Duration::from_millis(1));
    let mut eve = sign_in(&app, before).await;
    register(&mut eve, after, "after").await;
    assert_eq!(app.anon().post("/auth/email/undo", &json!({"token": undo})).await.status, 204);
    for theirs in [before, after] {
        refused(&try_sign_in(&app, theirs).await, 401, "invalid_credentials");
    }
    let ada = sign_in(&app, own).await;
    assert_eq!(ada.get("/auth/passkeys").await.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_that_was_not_the_users_takes_those_away_that_were_made_since() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("ada").await;
    app.clock.advance(Duration::from_millis(1));
    let mut intruder = app.anon().with_header("user-agent", "Skiff/1").from_address("198.51.100.7");
    let signed_in = intruder.post("/auth/login", &credentials("ada", PASSWORD)).await;
    intruder.take_tokens(&signed_in);
    let notice = app.mails().await.pop().unwrap().token().unwrap().to_owned();
    app.clock.advance(Duration::from_millis(1));
    let mut theirs = SecurityKey::default();
    register(&mut intruder, &mut theirs, "theirs").await;
    private(&app.anon().post("/auth/sessions/not-me", &json!({"token": notice})).await, 200);
    refused(&try_sign_in(&app, &mut theirs).await, 401, "invalid_credentials");
    // And no factor is owed that only they could show.
    let reset = json!({"token": mailed(&app, "ada@example.org").await, "new_password": OTHER_PASSWORD});
    assert_eq!(app.anon().post("/auth/password/reset", &reset).await.status, 204);
    private(&app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await, 200);
}
