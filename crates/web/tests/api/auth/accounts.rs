//! `/auth/accounts`: making, naming, leaving and deleting accounts, and going over from one to another.

use portcullis_testkit::{Actor, Backend, Reply, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{api_token, claims_of, holder, invalid, private, refused};

/// The account that `actor`'s token says.
pub(crate) async fn account_of(actor: &Actor) -> String {
    actor.get("/auth/me").await.json["account"]["id"].as_str().expect("has one").to_owned()
}

pub(crate) fn at(account: &str, rest: &str) -> String {
    format!("/auth/accounts/{account}{rest}")
}

/// Makes `guest` a member of `account` by an invite of `host`'s.
pub(crate) async fn join(host: &Actor, account: &str, guest: &Actor, role: &str) {
    let email = guest.get("/auth/me").await.json["email"].clone();
    let made = host.post(&at(account, "/invites"), &json!({"email": email, "role": role})).await;
    private(&made, 201);
    let reply = guest.post("/auth/invites/accept", &json!({"code": made.json["code"]})).await;
    private(&reply, 200);
    assert_eq!((&reply.json["id"], &reply.json["role"]), (&json!(account), &json!(role)));
}

/// Goes over to `account`, and takes the tokens that say so.
async fn switch(actor: &mut Actor, account: &str, body: &Value) -> Reply {
    let reply = actor.post(&at(account, "/switch"), body).await;
    private(&reply, 200);
    assert_eq!(actor.get("/auth/me").await.status, 401, "the token says the account before");
    assert_eq!(actor.refresh().await.status, 200);
    assert_eq!(claims_of(actor)["account"], account);
    reply
}

on_both! {
    /// What an invite gives, only who may give it can renew: the code comes with the answer.
    async fn an_admin_neither_renews_nor_takes_back_an_owners_invite(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let account = account_of(&ada).await;
        join(&ada, &account, &bob, "admin").await;
        let bob = {
            let mut bob = bob;
            switch(&mut bob, &account, &json!({})).await;
            bob
        };
        let body = json!({"email": "cfo@example.org", "role": "owner"});
        let made = ada.post(&at(&account, "/invites"), &body).await;
        private(&made, 201);
        let invite = at(&account, &format!("/invites/{}", made.json["id"].as_str().unwrap()));
        refused(&bob.post(&format!("{invite}/resend"), &json!({})).await, 403, "forbidden");
        refused(&bob.delete(&invite).await, 403, "forbidden");
        private(&ada.post(&format!("{invite}/resend"), &json!({})).await, 200);
    }

    async fn made_named_and_deleted(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let first = account_of(&ada).await;
        let made = ada.post("/auth/accounts", &json!({"name": " Analytical Engines "})).await;
        private(&made, 201);
        let id = made.json["id"].as_str().unwrap().to_owned();
        assert_eq!(made.json["name"], "Analytical Engines");
        for (member, value) in [
            ("role", json!("owner")), ("current", json!(false)), ("subscription", json!(null)),
            ("created_at", json!("2026-01-01T00:00:00Z")), ("joined_at", json!("2026-01-01T00:00:00Z")),
        ] {
            assert_eq!(made.json[member], value, "{member}");
        }
        assert_eq!(made.json["display_code"].as_str().unwrap().len(), 8);
        assert_eq!(ada.get(&at(&id, "")).await.json, made.json);
        let listed = ada.get("/auth/accounts").await;
        private(&listed, 200);
        let ids: Vec<_> = listed.json["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 2);
        assert!(ids.contains(&first.as_str()) && ids.contains(&id.as_str()));
        assert_eq!(listed.json["items"].as_array().unwrap().iter().filter(|one| one["current"] == true).count(), 1);
        let page = ada.get("/auth/accounts?limit=1").await.json;
        let next = ada.get(&format!("/auth/accounts?limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).await.json;
        assert_ne!(page["items"][0]["id"], next["items"][0]["id"]);

        let named = ada.patch(&at(&id, ""), &json!({"name": "Engines"})).await;
        private(&named, 200);
        assert_eq!(named.json["name"], "Engines");
        invalid(&ada.patch(&at(&id, ""), &json!({"name": " "})).await, &[("name", "blank")]);
        invalid(&ada.post("/auth/accounts", &json!({"name": "a\nb"})).await, &[("name", "control_character")]);
        private(&ada.delete(&at(&id, "")).await, 204);
        refused(&ada.get(&at(&id, "")).await, 401, "invalid_token");
        let ada = app.sign_in("ada").await;
        refused(&ada.get(&at(&id, "")).await, 404, "not_found");
        assert_eq!(account_of(&ada).await, first);
    }

    async fn whose_only_account_goes_away_gets_one_of_their_own(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let first = account_of(&ada).await;
        private(&ada.delete(&at(&first, "")).await, 204);
        assert_eq!(ada.refresh().await.status, 200);
        let next = account_of(&ada).await;
        assert_ne!(next, first);
        let account = ada.get(&at(&next, "")).await.json;
        assert_eq!((&account["name"], &account["role"], &account["current"]), (&json!("ada's Account"), &json!("owner"), &json!(true)));
        assert_eq!(account_of(&app.sign_in("ada").await).await, next);
    }

    async fn a_session_goes_over_and_the_others_stay(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let (ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (theirs, own) = (account_of(&ada).await, account_of(&bob).await);
        join(&ada, &theirs, &bob, "engineer").await;
        let elsewhere = app.sign_in("bob").await;
        let before = bob.at(&other);
        assert_eq!(before.get("/auth/me").await.status, 200);
        let reply = switch(&mut bob, &theirs, &json!({})).await;
        assert_eq!((&reply.json["id"], &reply.json["current"]), (&json!(theirs), &json!(true)));
        before.until_refused("/auth/me").await;
        assert_eq!(claims_of(&bob)["account_role"], "engineer");
        let me = bob.get("/auth/me").await.json;
        assert_eq!(me["account"], json!({"id": theirs, "role": "engineer"}));
        assert_eq!(account_of(&elsewhere).await, own);
        assert_eq!(account_of(&app.sign_in("bob").await).await, own, "new sessions begin where they did");
        assert_eq!(bob.refresh().await.json["user"]["account"]["id"], json!(theirs));
        refused(&bob.post(&at("00000000-0000-7000-8000-000000000000", "/switch"), &json!({})).await, 404, "not_found");
        assert_eq!(bob.get("/auth/me").await.status, 200, "nothing has happened");
    }

    async fn by_default_new_sessions_and_api_tokens_are_of_the_account_too(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (theirs, own) = (account_of(&ada).await, account_of(&bob).await);
        join(&ada, &theirs, &bob, "admin").await;
        let script = holder(&app, &api_token(&bob, &json!({"name": "script"})).await);
        assert_eq!(account_of(&script).await, own);
        switch(&mut bob, &theirs, &json!({})).await;
        assert_eq!(account_of(&script).await, own);
        switch(&mut bob, &theirs, &json!({"default": true})).await;
        assert_eq!(account_of(&script).await, theirs);
        assert_eq!(account_of(&app.sign_in("bob").await).await, theirs);
    }

    async fn bots_leave_with_their_owner(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (theirs, own) = (account_of(&ada).await, account_of(&bob).await);
        join(&ada, &theirs, &bob, "member").await;
        switch(&mut bob, &theirs, &json!({"default": true})).await;
        let bot = bob.post("/auth/bots", &json!({"name": "bot"})).await.json["id"].clone();
        let mut robot = app.anon();
        robot.take_tokens(&bob.post(&format!("/auth/bots/{}/tokens", bot.as_str().unwrap()), &json!({})).await);
        assert_eq!(account_of(&robot).await, theirs);
        private(&ada.delete(&at(&theirs, &format!("/members/{}", bob.user.as_deref().unwrap()))).await, 204);
        refused(&robot.get("/auth/me").await, 401, "invalid_token");
        for actor in [&mut robot, &mut bob] {
            assert_eq!(actor.refresh().await.status, 200);
            assert_eq!(account_of(actor).await, own);
        }
        assert_eq!(claims_of(&robot)["account_role"], "member");
        private(&ada.delete(&at(&theirs, "")).await, 204);
    }
}

#[tokio::test]
async fn only_by_a_session_of_ones_own() {
    let app = TestApp::new(Backend::Sqlite).await;
    let root = crate::support::admin(&app, "root").await;
    let ada = app.sign_up("ada").await;
    let account = account_of(&ada).await;
    let script = holder(&app, &api_token(&ada, &json!({"name": "script"})).await);
    let mut acting = app.anon();
    let path = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
    acting.take_tokens(&root.post(&path, &json!({"reason": "help", "mode": "full"})).await);
    let someone = json!({"user_id": "00000000-0000-7000-8000-000000000000"});
    let no_invite = at(&account, "/invites/00000000-0000-7000-8000-000000000000");
    let me = at(&account, &format!("/members/{}", ada.user.as_deref().unwrap()));
    for (actor, code) in [(&script, "session_required"), (&acting, "not_while_acting")] {
        for reply in [
            actor.post("/auth/accounts", &json!({"name": "x"})).await,
            actor.patch(&at(&account, ""), &json!({"name": "x"})).await,
            actor.delete(&at(&account, "")).await,
            actor.post(&at(&account, "/switch"), &json!({})).await,
            actor.post(&at(&account, "/leave"), &json!({})).await,
            actor.post(&at(&account, "/transfer"), &someone).await,
            actor.patch(&me, &json!({"role": "admin"})).await,
            actor.delete(&me).await,
            actor.post(&at(&account, "/invites"), &json!({"email": "x@example.org"})).await,
            actor.delete(&no_invite).await,
            actor.post(&format!("{no_invite}/resend"), &json!({})).await,
            actor.post("/auth/invites/accept", &json!({"code": "x"})).await,
        ] {
            refused(&reply, 403, code);
        }
        for path in [
            "/auth/accounts".to_owned(),
            at(&account, ""),
            at(&account, "/members"),
            at(&account, "/invites"),
        ] {
            private(&actor.get(&path).await, 200);
        }
    }
}

#[tokio::test]
async fn there_is_an_end_to_accounts() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    for number in 1..50 {
        assert_eq!(ada.post("/auth/accounts", &json!({"name": number.to_string()})).await.status, 201);
    }
    refused(&ada.post("/auth/accounts", &json!({"name": "one more"})).await, 409, "too_many_accounts");
}
