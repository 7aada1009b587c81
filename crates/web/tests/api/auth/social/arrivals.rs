//! Who somebody is here: by provider and subject, and by an address only if both sides know it to be theirs.

use portcullis_core::ids::UserId;
use portcullis_testkit::{Actor, FakeIdp, TestApp};
use serde_json::json;

use super::{ada, arrived, back, bring, identities_of, sent, sign_in, stays_out, world};
use crate::on_both;
use crate::support::{admin, events, made, mailed, private, refused, user_id};

/// `ada@example.org`, who has shown that the address is theirs.
async fn verified(app: &TestApp) -> Actor {
    let ada = app.sign_up("ada").await;
    shows_address(app, &ada).await;
    ada
}

/// Opens the mailed link that says so.
async fn shows_address(app: &TestApp, ada: &Actor) {
    let reply = ada.post("/auth/email/send-verification", &json!({})).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    let token = mailed(app, "ada@example.org").await;
    assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
    app.mailer.forget();
}

async fn comes(app: &TestApp, fake: &FakeIdp, subject: &str, email: &str, vouched: bool) -> UserId {
    user_id(&arrived(app, fake, &fake.person(subject, email, vouched)).await)
}

on_both! {
    async fn who_is_known_is_that_user_whatever_the_address_says(backend: Backend) {
        let (app, fake) = world(backend).await;
        let first = comes(&app, &fake, "ada-there", "ada@example.org", true).await;
        let bob = user_id(&app.sign_up("bob").await);
        // Another address, one of nobody, and one of somebody else: nothing changes with us.
        for (email, vouched) in [("countess@example.org", true), ("bob@example.org", true), ("bob@example.org", false)] {
            assert_eq!(comes(&app, &fake, "ada-there", email, vouched).await, first);
        }
        let user = app.cx.store.user(first).await.unwrap().unwrap();
        assert_eq!(user.email.as_str(), "ada@example.org");
        let identities = app.cx.store.identities(first).await.unwrap();
        assert_eq!(identities[0].email.as_deref(), Some("bob@example.org"), "as last told");
        assert!(app.cx.store.identities(bob).await.unwrap().is_empty());
        assert_eq!(app.cx.store.count_users().await.unwrap(), 2);
    }

    /// An address that changes hands at the provider brings the next one no account of ours.
    async fn another_person_with_the_same_address_joins_by_the_address_alone(backend: Backend) {
        let (app, fake) = world(backend).await;
        let first = comes(&app, &fake, "ada-there", "ada@example.org", true).await;
        // The provider vouches, and ours is verified: they are the owner of the address now.
        assert_eq!(comes(&app, &fake, "ada-again", "ada@example.org", true).await, first);
        assert_eq!(app.cx.store.identities(first).await.unwrap().len(), 2);
        // Without its word nobody joins.
        let doubtful = fake.person("ada-third", "ada@example.org", false);
        refused(&bring(&app.anon(), &fake, &doubtful).await, 409, "link_required");
    }

    async fn vouched_and_verified_is_joined_and_told(backend: Backend) {
        let (app, fake) = world(backend).await;
        let before = verified(&app).await;
        let after = arrived(&app, &fake, &ada(&fake)).await;
        assert_eq!(after.user, before.user);
        // What was there stays: it is the same person.
        private(&before.get("/auth/me").await, 200);
        private(&app.sign_in("ada").await.get("/auth/me").await, 200);
        let linked = events(&app, "identity.linked").await;
        assert_eq!(linked[0]["detail"], json!({"provider": "acme", "by": "address"}));
        let mails = app.mails().await;
        assert!(mails.iter().any(|mail| mail.to == "ada@example.org" && mail.subject.contains("Title of acme")), "told by mail");
    }

    async fn not_vouched_is_told_to_sign_in_first_and_nothing_more(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = verified(&app).await;
        app.sign_up("bob").await;
        let mut told = Vec::new();
        for (name, subject) in [("ada", "ada-there"), ("bob", "bob-there")] {
            let doubtful = fake.person(subject, &format!("{name}@example.org"), false);
            let reply = bring(&app.anon(), &fake, &doubtful).await;
            refused(&reply, 409, "link_required");
            told.push(reply.body.clone());
            let browser = app.browser();
            let page = stays_out(sign_in(&browser, &fake, &doubtful).await, &browser, 409, "link_required");
            assert!(!page.reply.text().contains(name), "not even the address");
        }
        assert_eq!(told[0], told[1], "be the address verified here or not");
        assert!(identities_of(&user).await.is_empty());
        let failed = events(&app, "login.failed").await;
        assert_eq!(failed[0]["detail"]["reason"], "link required");
    }

    async fn a_disabled_owner_stays_disabled(backend: Backend) {
        let (app, fake) = world(backend).await;
        for name in ["ada", "bob"] {
            let user = if name == "ada" { verified(&app).await } else { app.sign_up("bob").await };
            app.cx.disable_user(user_id(&user)).await.unwrap();
            let person = fake.person(&format!("{name}-there"), &format!("{name}@example.org"), true);
            refused(&bring(&app.anon(), &fake, &person).await, 401, "invalid_credentials");
            assert!(app.cx.store.identities(user_id(&user)).await.unwrap().is_empty(), "{name}");
        }
    }

    /// No provider's word hands an installation over.
    async fn an_administrator_is_joined_only_by_an_address_they_have_shown(backend: Backend) {
        let (app, fake) = world(backend).await;
        let root = admin(&app, "ada").await;
        assert_eq!(root.get("/auth/me").await.json["email_verified"], false);
        refused(&bring(&app.anon(), &fake, &ada(&fake)).await, 409, "link_required");
        let browser = app.browser();
        stays_out(sign_in(&browser, &fake, &ada(&fake)).await, &browser, 409, "link_required");
        let failed = events(&app, "login.failed").await;
        assert_eq!((&failed[0]["user"], &failed[0]["detail"]["reason"]), (&json!(root.user), &json!("link required")));
        // All is as it was.
        assert!(identities_of(&root).await.is_empty());
        private(&app.sign_in("ada").await.get("/auth/me").await, 200);
        shows_address(&app, &root).await;
        assert_eq!(arrived(&app, &fake, &ada(&fake)).await.user, root.user);
    }

    async fn a_bot_s_address_is_nobody_s(backend: Backend) {
        let (app, fake) = world(backend).await;
        let ada = app.sign_up("ada").await;
        let bot = ada.post("/auth/bots", &json!({"name": "helper"})).await;
        let id: UserId = bot.json["id"].as_str().unwrap().parse().unwrap();
        let address = app.cx.store.user(id).await.unwrap().unwrap().email.as_str().to_owned();
        let person = fake.person("bot-there", &address, true);
        refused(&bring(&app.anon(), &fake, &person).await, 409, "link_required");
        let failed = events(&app, "login.failed").await;
        assert_eq!((&failed[0]["user"], &failed[0]["detail"]["reason"]), (&bot.json["id"], &json!("link required")));
        assert!(app.cx.store.identities(id).await.unwrap().is_empty());
    }

    async fn of_plain_oauth_as_of_openid(backend: Backend) {
        let (app, fake) = world(backend).await;
        let browser = app.browser();
        let url = sent(&browser, "/auth/oauth/plain/start").await;
        let returned = fake.authorize(&url, &ada(&fake));
        crate::pages::sent_on(&back(&browser, "plain", &returned).await, "/account");
        // The same person by way of another provider: joined by the address.
        arrived(&app, &fake, &ada(&fake)).await;
        assert_eq!(app.cx.store.count_users().await.unwrap(), 1);
    }

    /// Subjects of one provider are nothing at another.
    async fn a_subject_is_of_its_provider(backend: Backend) {
        let (app, fake) = world(backend).await;
        let user = made(&app, "bob", |_| {}).await;
        app.import_identity("other", "ada-there", user.id).await;
        assert_ne!(comes(&app, &fake, "ada-there", "ada@example.org", true).await, user.id);
    }
}
