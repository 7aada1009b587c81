//! `POST /auth/oauth/{provider}/link`, `GET /auth/identities`, `DELETE /auth/identities/{id}`

use std::time::Duration;

use portcullis_testkit::{Actor, Backend, Reply};
use serde_json::json;

use super::{APP, ada, another, arrived, back, bring, identities_of, link, sent, world};
use crate::auth::deletion::go;
use crate::on_both;
use crate::support::{admin, api_token, events, holder, private, refused, user_id};

async fn unlink(actor: &Actor, at: usize) -> Reply {
    let id = identities_of(actor).await[at]["id"].as_str().unwrap().to_owned();
    actor.delete(&format!("/auth/identities/{id}")).await
}

on_both! {
    async fn linked_used_and_unlinked(backend: Backend) {
        let (app, fake) = world(backend).await;
        let bob = app.sign_up("bob").await;
        let reply = link(&bob, &fake, &ada(&fake)).await;
        private(&reply, 200);
        assert_eq!(reply.json["email"], "ada@example.org");
        assert_eq!(arrived(&app, &fake, &ada(&fake)).await.user, bob.user);
        // Once more is no more.
        private(&link(&bob, &fake, &ada(&fake)).await, 200);
        assert_eq!(identities_of(&bob).await.len(), 1);
        assert_eq!(unlink(&bob, 0).await.status, 204);
        assert!(identities_of(&bob).await.is_empty());
        private(&bob.get("/auth/me").await, 200);
        assert_ne!(arrived(&app, &fake, &ada(&fake)).await.user, bob.user);
        for (kind, count) in [("identity.linked", 1), ("identity.unlinked", 1)] {
            let noted = events(&app, kind).await;
            assert_eq!(noted.len(), count, "{kind}: {noted:?}");
            assert_eq!((&noted[0]["user"], &noted[0]["session"]), (&json!(bob.user), &json!(bob.session)));
        }
        let subjects: Vec<_> = app.mails().await.into_iter().map(|mail| mail.subject).collect();
        assert!(subjects.iter().any(|subject| subject == "You can sign in with Title of acme now"), "{subjects:?}");
        assert!(subjects.iter().any(|subject| subject == "You cannot sign in with Title of acme any more"), "{subjects:?}");
    }

    async fn the_last_way_in_stays(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = arrived(&app, &fake, &ada(&fake)).await;
        refused(&unlink(&user, 0).await, 409, "last_way_in");
        assert_eq!(identities_of(&user).await.len(), 1);
        private(&link(&user, &fake, &fake.person("ada-again", "x@example.org", false)).await, 200);
        assert_eq!(unlink(&user, 0).await.status, 204);
        refused(&unlink(&user, 0).await, 409, "last_way_in");
        // What is not configured any more is no way in.
        let bare = another(&app, &fake, |setup| setup.settings.providers.retain(|provider| provider.name == "other")).await;
        app.import_identity("gone", "ada-there", user_id(&user)).await;
        refused(&unlink(&user.at(&bare), 0).await, 409, "last_way_in");
    }

    /// Of two who take the last two ways at once one stays.
    async fn two_at_once_leave_one(backend: Backend) {
        let (app, fake) = world(backend).await;
        let other = another(&app, &fake, |_| {}).await;
        let user = arrived(&app, &fake, &ada(&fake)).await;
        private(&link(&user, &fake, &fake.person("ada-again", "x@example.org", false)).await, 200);
        let ids: Vec<String> =
            identities_of(&user).await.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        let (one, two) = (format!("/auth/identities/{}", ids[0]), format!("/auth/identities/{}", ids[1]));
        let there = user.at(&other);
        let (one, two) = tokio::join!(user.delete(&one), there.delete(&two));
        let mut outcomes = [one.status, two.status];
        outcomes.sort_unstable();
        assert_eq!(outcomes, [204, 409]);
        assert_eq!(identities_of(&user).await.len(), 1);
    }

    async fn somebody_else_s_stays_theirs(backend: Backend) {
        let (app, fake) = world(backend).await;
        let owner = arrived(&app, &fake, &ada(&fake)).await;
        let bob = app.sign_up("bob").await;
        refused(&link(&bob, &fake, &ada(&fake)).await, 409, "identity_taken");
        assert!(identities_of(&bob).await.is_empty());
        let id = identities_of(&owner).await[0]["id"].as_str().unwrap().to_owned();
        refused(&bob.delete(&format!("/auth/identities/{id}")).await, 404, "not_found");
        assert_eq!(arrived(&app, &fake, &ada(&fake)).await.user, owner.user);
    }

    async fn only_after_a_fresh_sign_in(backend: Backend) {
        let (app, fake) = world(backend).await;
        let mut bob = app.sign_up("bob").await;
        private(&link(&bob, &fake, &ada(&fake)).await, 200);
        app.clock.advance(Duration::from_mins(11));
        bob.refresh().await;
        let reply = bob.post("/auth/oauth/acme/link", &json!({"redirect_uri": APP})).await;
        refused(&reply, 403, "fresh_login_required");
        assert_eq!(reply.json["methods"], json!(["password"]));
        refused(&unlink(&bob, 0).await, 403, "fresh_login_required");
        assert_eq!(identities_of(&bob).await.len(), 1);
        let fresh = app.sign_in("bob").await;
        assert_eq!(unlink(&fresh, 0).await.status, 204);
    }

    async fn only_in_a_session_of_one_s_own(backend: Backend) {
        let (app, fake) = world(backend).await;
        let bob = app.sign_up("bob").await;
        private(&link(&bob, &fake, &ada(&fake)).await, 200);
        let id = identities_of(&bob).await[0]["id"].as_str().unwrap().to_owned();
        let script = holder(&app, &api_token(&bob, &json!({"name": "ci"})).await);
        let root = admin(&app, "root").await;
        let body = json!({"reason": "Ticket 7", "mode": "full"});
        let acting = root.post(&format!("/admin/api/users/{}/impersonate", bob.user.as_deref().unwrap()), &body).await;
        private(&acting, 200);
        let acting = app.anon().bearing(acting.json["access_token"].as_str());
        for (who, code) in [(&script, "session_required"), (&acting, "not_while_acting")] {
            refused(&who.post("/auth/oauth/acme/link", &json!({})).await, 403, code);
            refused(&who.delete(&format!("/auth/identities/{id}")).await, 403, code);
        }
        assert_eq!(identities_of(&bob).await.len(), 1);
    }

    async fn in_a_browser_by_cookie(backend: Backend) {
        let (app, fake) = world(backend).await;
        app.sign_up("bob").await;
        let mut browser = app.browser();
        browser.sign_in("bob", "cookies").await;
        let forged = browser.knowing(None).post("/auth/oauth/acme/link", &json!({})).await;
        refused(&forged, 403, "csrf_failed");
        let started = browser.with_header("accept", "application/json").post("/auth/oauth/acme/link", &json!({})).await;
        private(&started, 200);
        assert!(started.json.get("flow_secret").is_none(), "the cookie has it");
        let url = started.json["authorization_url"].as_str().unwrap();
        let before = browser.value("pc_access");
        crate::pages::sent_on(&back(&browser, "acme", &fake.authorize(url, &ada(&fake))).await, "/account");
        assert_eq!(browser.value("pc_access"), before, "nobody was signed in or out");
        assert_eq!(identities_of(&app.anon().bearing(Some(&before))).await.len(), 1);
        // Without JSON, the answer itself leads there.
        let led = browser.post("/auth/oauth/other/link", &json!({"return_to": "/account/password"})).await;
        assert_eq!(led.status, 303);
        let returned = fake.authorize(led.header("location").unwrap(), &ada(&fake));
        crate::pages::sent_on(&back(&browser, "other", &returned).await, "/account/password");
    }

    async fn export_lists_them_and_deletion_takes_them(backend: Backend) {
        let (app, fake) = world(backend).await;
        let bob = app.sign_up("bob").await;
        private(&link(&bob, &fake, &ada(&fake)).await, 200);
        let export = bob.get("/auth/me/export").await;
        private(&export, 200);
        let [identity] = &export.json["identities"].as_array().unwrap()[..] else { panic!("{}", export.text()) };
        assert_eq!((&identity["provider"], &identity["subject"]), (&json!("acme"), &json!("ada-there")));
        let reply = go(&bob, portcullis_testkit::PASSWORD).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        // Who is about to go does not come in, and is not joined.
        refused(&bring(&app.anon(), &fake, &ada(&fake)).await, 401, "invalid_credentials");
        app.clock.advance(Duration::from_hours(31 * 24));
        app.cx.keep_house_once("test").await.unwrap();
        assert!(app.cx.store.user(user_id(&bob)).await.unwrap().is_none());
        assert_ne!(arrived(&app, &fake, &ada(&fake)).await.user, bob.user, "somebody new");
    }

    /// Undoing a change of address takes what whoever changed it may have linked.
    async fn a_change_of_address_that_is_undone(backend: Backend) {
        let (app, fake) = world(backend).await;
        let thief = app.sign_up("bob").await;
        private(&link(&thief, &fake, &ada(&fake)).await, 200);
        let change = json!({"email": "thief@example.org", "current_password": portcullis_testkit::PASSWORD});
        private(&thief.patch("/auth/me", &change).await, 200);
        let token = crate::support::mailed(&app, "thief@example.org").await;
        assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
        let undo = crate::support::mailed(&app, "bob@example.org").await;
        assert_eq!(app.anon().post("/auth/email/undo", &json!({"token": undo})).await.status, 204);
        assert_ne!(arrived(&app, &fake, &ada(&fake)).await.user, thief.user);
    }
}

#[tokio::test]
async fn the_next_sign_in_after_unlinking_is_another_user_s_even_if_it_was_under_way() {
    let (app, fake) = world(Backend::Postgres).await;
    let bob = app.sign_up("bob").await;
    private(&link(&bob, &fake, &ada(&fake)).await, 200);
    let browser = app.browser();
    let url = sent(&browser, "/auth/oauth/acme/start").await;
    let returned = fake.authorize(&url, &ada(&fake));
    assert_eq!(unlink(&bob, 0).await.status, 204);
    crate::pages::sent_on(&back(&browser, "acme", &returned).await, "/account");
    let user = app.anon().bearing(Some(&browser.value("pc_access"))).get("/auth/me").await;
    assert_eq!(user.json["email"], "ada@example.org");
}
