//! `DELETE /auth/me`, `POST /auth/me/keep`, and what becomes of whoever goes.

use std::time::Duration;

use http::Method;
use portcullis_app::operator::OperatorError;
use portcullis_testkit::{Actor, Backend, PASSWORD, Reply, SentMail, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{self, admin, api_token, credentials, events, invalid, made, private, refused, user_id};

const ME: &str = "/auth/me";
const KEEP: &str = "/auth/me/keep";
const GRACE: Duration = Duration::from_hours(30 * 24);

pub(crate) async fn go(actor: &Actor, password: &str) -> Reply {
    actor.send(Method::DELETE, ME, Some(&json!({"current_password": password}))).await
}

async fn sign_in(app: &TestApp, name: &str) -> Reply {
    app.anon().post("/auth/login", &credentials(name, PASSWORD)).await
}

/// The token in the last mail by which an account is kept.
pub(crate) async fn mailed(app: &TestApp) -> String {
    let mails = app.mails().await;
    // Mails that leave at the same time, such as of a new device, come in any order.
    let keeping = |mail: &&SentMail| mail.link().is_some_and(|link| link.contains("/keep-account"));
    mails.iter().rfind(keeping).expect("a mail").token().expect("a link").to_owned()
}

/// The token in the last mail to an address.
async fn mailed_to(app: &TestApp, to: &str) -> String {
    let mails = app.mails().await;
    mails.iter().rfind(|mail| mail.to == to).expect("a mail").token().expect("a link").to_owned()
}

async fn keep(app: &TestApp, token: &str) -> Reply {
    app.anon().post(KEEP, &json!({"token": token})).await
}

/// Periodic work.
async fn housekeeping(app: &TestApp) {
    app.cx.keep_house_once("test").await.expect("done");
}

on_both! {
    async fn gone_at_once_and_for_good_after_the_grace(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let elsewhere = app.sign_in("ada").await;
        let token = api_token(&ada, &json!({"name": "ci"})).await;
        let script = app.anon().bearing(token["token"].as_str());
        private(&script.at(&other).get("/auth/tokens/current").await, 200);
        let bot = ada.post("/auth/bots", &json!({"name": "helper"})).await.json["id"].as_str().unwrap().to_owned();
        let as_bot = ada.post(&format!("/auth/bots/{bot}/tokens"), &json!({})).await;
        private(&as_bot, 200);
        let as_bot = app.anon().bearing(as_bot.json["access_token"].as_str());
        private(&as_bot.get(ME).await, 200);

        let reply = go(&ada, PASSWORD).await;
        private(&reply, 202);
        assert_eq!(reply.json, json!({"status": "deletion_requested", "deletes_at": "2026-01-31T00:00:00Z"}));
        for actor in [&ada, &elsewhere, &script, &as_bot] {
            refused(&actor.get(ME).await, 401, "invalid_token");
            actor.at(&other).until_refused(ME).await;
        }
        refused(&ada.refresh().await, 401, "refresh_revoked");
        refused(&sign_in(&app, "ada").await, 401, "invalid_credentials");
        let mails = app.mails().await;
        assert_eq!((mails.len(), mails[0].to.as_str()), (1, "ada@example.org"));
        assert!(mails[0].text.contains("2026-01-31"), "{}", mails[0].text);
        assert!(mails[0].link().unwrap().starts_with("http://localhost:8400/keep-account?token=pcl_"));
        let asked = events(&app, "user.deletion_requested").await;
        assert_eq!(asked[0]["actor"], json!(ada.user));

        // A moment before, and then.
        app.clock.advance(GRACE.saturating_sub(Duration::from_secs(1)));
        housekeeping(&app).await;
        assert!(app.cx.me(user_id(&ada)).await.unwrap().is_some());
        app.clock.advance(Duration::from_secs(1));
        refused(&keep(&app, &mailed(&app).await).await, 400, "invalid_link");
        app.clock.advance(Duration::from_mins(3));
        housekeeping(&other).await;
        assert!(app.cx.me(user_id(&ada)).await.unwrap().is_none());
        assert!(app.cx.me(bot.parse().unwrap()).await.unwrap().is_none());
        assert!(app.cx.list_bots(user_id(&ada)).await.unwrap().is_empty());
        let gone = events(&app, "user.deleted").await;
        assert_eq!((gone.len(), &gone[0]["user"], &gone[0]["address"]), (1, &json!(ada.user), &Value::Null));
        assert_eq!(gone[0]["detail"]["accounts"].as_array().unwrap().len(), 1);
        refused(&script.get(ME).await, 401, "invalid_token");
        // The address is free again.
        app.sign_up("ada").await;
    }

    async fn kept_by_the_link_in_the_mail_once(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let token = api_token(&ada, &json!({"name": "ci"})).await;
        let script = app.anon().bearing(token["token"].as_str());
        private(&go(&ada, PASSWORD).await, 202);
        let link = mailed(&app).await;
        let page = format!("/keep-account?token={link}");
        assert_eq!(app.anon().get(&page).await.status, 200);
        assert_eq!(app.anon().get(&page).await.status, 200);
        refused(&sign_in(&app, "ada").await, 401, "invalid_credentials");
        private(&keep(&app, &link).await, 204);
        refused(&keep(&app, &link).await, 400, "invalid_link");
        refused(&ada.refresh().await, 401, "refresh_revoked");
        let ada = app.sign_in("ada").await;
        private(&ada.get(ME).await, 200);
        private(&script.get("/auth/tokens/current").await, 200);
        app.clock.advance(GRACE * 2);
        housekeeping(&app).await;
        assert_eq!(sign_in(&app, "ada").await.status, 200, "nothing comes after");
        assert_eq!(events(&app, "user.deletion_cancelled").await.len(), 1);

        // Asked for once more: the new link works, the old one never again.
        let ada = app.sign_in("ada").await;
        private(&go(&ada, PASSWORD).await, 202);
        refused(&keep(&app, &link).await, 400, "invalid_link");
        private(&keep(&app, &mailed(&app).await).await, 204);
    }

    async fn the_password_is_asked_for(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        refused(&go(&ada, "seven purple gates?").await, 403, "wrong_password");
        invalid(&ada.delete(ME).await, &[("current_password", "required")]);
        invalid(&ada.send(Method::DELETE, ME, Some(&json!({}))).await, &[("current_password", "required")]);
        private(&ada.get(ME).await, 200);
        assert!(app.mails().await.is_empty());

        // Whoever has none shows that they have signed in just now.
        let root = admin(&app, "root").await;
        let reply = root.post("/admin/api/users", &json!({"email": "bob@example.org", "session": true})).await;
        private(&reply, 201);
        let bob = app.anon().bearing(reply.json["access_token"].as_str());
        app.clock.advance(Duration::from_secs(601));
        let stale = bob.delete(ME).await;
        refused(&stale, 403, "fresh_login_required");
        assert_eq!((&stale.json["max_age"], &stale.json["methods"]), (&json!(600), &json!([])));
        let reply = root.post("/admin/api/users", &json!({"email": "eve@example.org", "session": true})).await;
        let eve = app.anon().bearing(reply.json["access_token"].as_str());
        private(&eve.delete(ME).await, 202);
    }

    async fn whoever_took_the_address_cannot_take_the_account(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        private(&ada.patch(ME, &json!({"email": "eve@new.example", "current_password": PASSWORD})).await, 200);
        let token = support::mailed(&app, "eve@new.example").await;
        assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
        let undo = support::mailed(&app, "ada@example.org").await;
        private(&go(&ada, PASSWORD).await, 202);
        assert_eq!(app.anon().post("/auth/email/undo", &json!({"token": undo})).await.status, 204);
        let user = app.cx.me(user_id(&ada)).await.unwrap().unwrap();
        assert!(user.disabled_at.is_none() && user.email.as_str() == "ada@example.org");
        refused(&keep(&app, &mailed_to(&app, "eve@new.example").await).await, 400, "invalid_link");
        app.clock.advance(GRACE * 2);
        housekeeping(&app).await;
        assert!(app.cx.me(user_id(&ada)).await.unwrap().is_some());
    }

    async fn the_last_administrator_stays(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = admin(&app, "root").await;
        refused(&go(&root, PASSWORD).await, 409, "last_administrator");
        let second = admin(&app, "second").await;
        // Of two who go at once, through two nodes, one stays.
        let other = app.another(|_| {}).await;
        let there = second.at(&other);
        let (one, two) = tokio::join!(go(&root, PASSWORD), go(&there, PASSWORD));
        let mut outcomes = [one.outcome(), two.outcome()];
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(202, ""), (409, "last_administrator")]);
    }

    async fn the_last_administrator_is_not_disabled(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let (root, second) = (admin(&app, "root").await, admin(&app, "second").await);
        let (root_id, second_id) = (user_id(&root), user_id(&second));
        // Of two whom an operator disables at once, on two nodes, one stays.
        let outcomes = tokio::join!(app.cx.disable_user(root_id), other.cx.disable_user(second_id));
        let (stays, went) = match outcomes {
            (Ok(true), Err(OperatorError::LastAdministrator)) => (second_id, root_id),
            (Err(OperatorError::LastAdministrator), Ok(true)) => (root_id, second_id),
            _ => panic!("{outcomes:?}"),
        };
        assert!(matches!(app.cx.disable_user(stays).await, Err(OperatorError::LastAdministrator)));
        assert!(!app.cx.disable_user(went).await.unwrap(), "was before");
        // Of two who do so to each other one does; and of one who goes and one who is disabled one stays.
        assert!(app.cx.enable_user(went).await.unwrap());
        let (root, second) = (app.sign_in("root").await, app.sign_in("second").await.at(&other));
        let disable = |id| format!("/admin/api/users/{id}/disable");
        let (by_root, by_second) = (disable(second_id), disable(root_id));
        let body = json!({});
        let (one, two) = tokio::join!(root.post(&by_root, &body), second.post(&by_second, &body));
        let mut outcomes = [one.outcome(), two.outcome()];
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(200, ""), (401, "invalid_token")]);
        let (stays, went) = if one.status == 200 { (root, second_id) } else { (second, root_id) };
        assert!(app.cx.enable_user(went).await.unwrap());
        let (gone, disabled) = tokio::join!(go(&stays, PASSWORD), other.cx.disable_user(went));
        match (gone.outcome(), disabled) {
            ((202, _), Err(OperatorError::LastAdministrator)) | ((409, "last_administrator"), Ok(true)) => {}
            outcomes => panic!("{outcomes:?}"),
        }
    }

    async fn a_sign_in_at_the_same_moment_leaves_no_session(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        for round in 0..4 {
            let name = format!("ada{round}");
            let ada = app.sign_up(&name).await;
            let credentials = credentials(&name, PASSWORD);
            let (one, two, strange) = (app.anon(), other.anon(), other.anon());
            let (gone, first, second, third) = tokio::join!(
                go(&ada, PASSWORD),
                one.post("/auth/login", &credentials),
                two.post("/auth/login", &credentials),
                strange.post("/auth/login", &credentials),
            );
            private(&gone, 202);
            for reply in [first, second, third] {
                if reply.status == 200 {
                    let mut late = app.anon();
                    late.take_tokens(&reply);
                    refused(&late.refresh().await, 401, "refresh_revoked");
                    late.until_refused(ME).await;
                } else {
                    refused(&reply, 401, "invalid_credentials");
                }
            }
        }
    }

    async fn an_administrators_word_stands(backend: Backend) {
        let app = TestApp::new(backend).await;
        let root = admin(&app, "root").await;
        let users = |actor: &Actor, what: &str| format!("/admin/api/users/{}{what}", actor.user.as_deref().unwrap());
        // Disabled, too: keeping the account does not change that.
        let ada = app.sign_up("ada").await;
        private(&go(&ada, PASSWORD).await, 202);
        let link = mailed(&app).await;
        let shown = root.get(&users(&ada, "")).await;
        assert_eq!((&shown.json["disabled"], &shown.json["deletes_at"]), (&json!(true), &json!("2026-01-31T00:00:00Z")));
        private(&root.post(&users(&ada, "/disable"), &json!({})).await, 200);
        private(&keep(&app, &link).await, 204);
        refused(&sign_in(&app, "ada").await, 401, "invalid_credentials");
        assert_eq!(root.get(&users(&ada, "")).await.json["deletes_at"], Value::Null);
        // Enabled: then there is nothing left to keep or to delete.
        let bob = app.sign_up("bob").await;
        private(&go(&bob, PASSWORD).await, 202);
        let link = mailed(&app).await;
        private(&root.post(&users(&bob, "/enable"), &json!({})).await, 200);
        assert_eq!(sign_in(&app, "bob").await.status, 200);
        refused(&keep(&app, &link).await, 400, "invalid_link");
        app.clock.advance(GRACE * 2);
        housekeeping(&app).await;
        assert_eq!(sign_in(&app, "bob").await.status, 200);
    }

    async fn of_keeping_and_deleting_at_the_same_moment_one_happens(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        for round in 0..4 {
            let name = format!("ada{round}");
            let ada = app.sign_up(&name).await;
            private(&go(&ada, PASSWORD).await, 202);
            let link = mailed(&app).await;
            // The link is good for one moment more than the account: both may be done in it.
            app.clock.advance(GRACE.saturating_sub(Duration::from_micros(1)));
            let deleting = async {
                app.clock.advance(Duration::from_micros(1));
                other.cx.keep_house_once(&format!("round {round}")).await.expect("done");
            };
            let (kept, ()) = tokio::join!(keep(&app, &link), deleting);
            let signed_in = sign_in(&app, &name).await;
            let user = app.cx.me(user_id(&ada)).await.unwrap();
            if kept.status == 204 {
                assert_eq!((signed_in.status, user.is_some()), (200, true));
            } else {
                refused(&kept, 400, "invalid_link");
                assert_eq!(signed_in.status, 401);
            }
            app.clock.advance(Duration::from_mins(5));
        }
    }
}

#[tokio::test]
async fn links_that_are_none() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    private(&go(&ada, PASSWORD).await, 202);
    let link = mailed(&app).await;
    app.anon().post("/auth/password/forgot", &json!({"email": "ada@example.org"})).await;
    for token in ["", "pcl_", "x", &link[..link.len() - 1], &format!("{link}A")] {
        refused(&keep(&app, token).await, 400, "invalid_link");
    }
    // For another purpose.
    let reset = app.anon().post("/auth/password/verify-reset-token", &json!({"token": link})).await;
    assert_eq!(reset.json["valid"], json!(false));
    private(&keep(&app, &link).await, 204);
}

#[tokio::test]
async fn for_users_in_a_session_of_their_own_alone() {
    let app = TestApp::new(Backend::Sqlite).await;
    let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
    let token = api_token(&ada, &json!({"name": "ci"})).await;
    let bot =
        ada.post("/auth/bots", &json!({"name": "helper"})).await.json["id"].as_str().unwrap().to_owned();
    let bot = ada.post(&format!("/auth/bots/{bot}/tokens"), &json!({})).await;
    let path = format!("/admin/api/users/{}/impersonate", ada.user.as_deref().unwrap());
    let acting = root.post(&path, &json!({"reason": "help", "mode": "full"})).await;
    made(&app, "new", |request| request.must_change_password = true).await;
    for (actor, code) in [
        (app.anon().bearing(token["token"].as_str()), "session_required"),
        (app.anon().bearing(bot.json["access_token"].as_str()), "session_required"),
        (app.anon().bearing(acting.json["access_token"].as_str()), "not_while_acting"),
        (app.sign_in("new").await, "password_change_required"),
    ] {
        refused(&go(&actor, PASSWORD).await, 403, code);
        refused(&actor.get("/auth/me/export").await, 403, code);
    }
    private(&ada.get(ME).await, 200);
}

#[tokio::test]
async fn a_browser_is_left_without_cookies() {
    let app = TestApp::new(Backend::Sqlite).await;
    app.sign_up("ada").await;
    let mut ada = app.browser();
    ada.sign_in("ada", "cookies").await;
    let token = ada.fetch_csrf_token().await;
    let page = ada.knowing(Some(&token));
    let request =
        http::Request::builder().method("DELETE").uri(ME).header("content-type", "application/json");
    let reply = page.exchange(request, json!({"current_password": PASSWORD}).to_string().into()).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    let cleared: Vec<_> =
        reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(cleared.iter().any(|line| line.starts_with("pc_refresh=;")), "{cleared:?}");
}
