//! The five ways in which somebody who comes first keeps a hand on the account of whoever comes later (Avinash Sudhodanan
//! and Andrew Paverd, "Pre-hijacked accounts: An Empirical Study of Security Failures in User Account Creation on the Web",
//! USENIX Security 2022, section 4). The attacker is `eve`, who knows the victim's address and acts before them.

use portcullis_testkit::{Actor, FakeIdp, PASSWORD, TestApp};
use serde_json::json;

use super::{APP, ada, arrived, bring, brought, identities_of, link, sign_in, world};
use crate::on_both;
use crate::pages::sent_on;
use crate::support::{OTHER_PASSWORD, api_token, credentials, events, mailed, private, refused, user_id};

/// What the owner sets by a mailed link.
async fn recovers(app: &TestApp) -> Actor {
    app.anon().post("/auth/password/forgot", &json!({"email": "ada@example.org"})).await;
    let token = mailed(app, "ada@example.org").await;
    let body = json!({"token": token, "new_password": OTHER_PASSWORD});
    assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);
    let mut owner = app.anon();
    let reply = owner.post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await;
    private(&reply, 200);
    owner.take_tokens(&reply);
    owner
}

/// Whoever goes on as a bot of `owner`.
async fn as_bot_of(app: &TestApp, owner: &Actor) -> Actor {
    let bot = owner.post("/auth/bots", &json!({"name": "helper"})).await;
    let path = format!("/auth/bots/{}/tokens", bot.json["id"].as_str().expect("made"));
    let mut as_bot = app.anon();
    as_bot.take_tokens(&owner.post(&path, &json!({})).await);
    private(&as_bot.get("/auth/me").await, 200);
    as_bot
}

/// Who eve is at the provider.
fn eve(fake: &FakeIdp) -> portcullis_testkit::Person {
    fake.person("eve-there", "eve@example.org", true)
}

on_both! {
    /// Eve registers the address with a password; the owner signs in by way of a provider, and both would have the account.
    async fn classic_federated_merge(backend: Backend) {
        let (app, fake) = world(backend).await;
        let eve = app.sign_up("ada").await;
        let owner = arrived(&app, &fake, &ada(&fake)).await;
        refused(&app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await, 401, "invalid_credentials");
        let me = owner.get("/auth/me").await;
        assert_eq!((&me.json["email"], &me.json["email_verified"]), (&json!("ada@example.org"), &json!(true)));
        // Told in the log and by mail.
        let claimed = events(&app, "email.claimed").await;
        assert_eq!((&claimed[0]["user"], &claimed[0]["detail"]), (&json!(eve.user), &json!({"provider": "acme"})));
        assert!(app.mails().await.iter().any(|mail| mail.to == "ada@example.org" && mail.subject == "Your account was secured"));
        // By the pages, too.
        app.sign_up("dora").await;
        let dora = fake.person("dora-there", "dora@example.org", true);
        sent_on(&sign_in(&app.browser(), &fake, &dora).await, "/account");
        refused(&app.anon().post("/auth/login", &credentials("dora", PASSWORD)).await, 401, "invalid_credentials");
    }

    /// Eve registers the address and stays signed in.
    async fn unexpired_session_identifier(backend: Backend) {
        let (app, fake) = world(backend).await;
        let mut eve = app.sign_up("ada").await;
        let token = api_token(&eve, &json!({"name": "for later"})).await;
        let script = app.anon().bearing(token["token"].as_str());
        let mut as_bot_again = as_bot_of(&app, &eve).await;
        for hand in [&eve, &script, &as_bot_again] {
            private(&hand.get("/auth/me").await, 200);
        }
        let owner = arrived(&app, &fake, &ada(&fake)).await;
        for hand in [&eve, &script, &as_bot_again] {
            hand.until_refused("/auth/me").await;
        }
        refused(&eve.refresh().await, 401, "refresh_revoked");
        refused(&as_bot_again.refresh().await, 401, "refresh_revoked");
        private(&owner.get("/auth/me").await, 200);
        assert!(owner.get("/auth/tokens").await.json["items"].as_array().unwrap().is_empty());
        // The same where the owner comes by a mailed link.
        let (app, _fake) = world(backend).await;
        let eve = app.sign_up("ada").await;
        let mut as_bot_again = as_bot_of(&app, &eve).await;
        recovers(&app).await;
        for hand in [&eve, &as_bot_again] {
            hand.until_refused("/auth/me").await;
        }
        refused(&as_bot_again.refresh().await, 401, "refresh_revoked");
    }

    /// Eve registers the address and links an identity of her own.
    async fn trojan_identifier(backend: Backend) {
        let (app, fake) = world(backend).await;
        let squatter = app.sign_up("ada").await;
        private(&link(&squatter, &fake, &eve(&fake)).await, 200);
        let owner = arrived(&app, &fake, &ada(&fake)).await;
        assert_eq!(owner.user, squatter.user, "what belongs to the account is the owner's now");
        let own = identities_of(&owner).await;
        assert_eq!((own.len(), &own[0]["email"]), (1, &json!("ada@example.org")));
        assert_ne!(arrived(&app, &fake, &eve(&fake)).await.user, owner.user);
        // The same where the owner comes by a mailed link.
        let (app, fake) = world(backend).await;
        let squatter = app.sign_up("ada").await;
        private(&link(&squatter, &fake, &eve(&fake)).await, 200);
        let owner = recovers(&app).await;
        assert!(identities_of(&owner).await.is_empty());
        assert_ne!(arrived(&app, &fake, &eve(&fake)).await.user, owner.user);
    }

    /// A way to link that was begun before is none after.
    async fn trojan_identifier_that_is_under_way(backend: Backend) {
        let (app, fake) = world(backend).await;
        let squatter = app.sign_up("ada").await;
        let begun = squatter.post("/auth/oauth/acme/link", &json!({"redirect_uri": APP})).await.json;
        let returned = fake.authorize(begun["authorization_url"].as_str().unwrap(), &eve(&fake));
        let owner = arrived(&app, &fake, &ada(&fake)).await;
        let reply = app.anon().post("/auth/oauth/acme/callback", &brought(&begun, &returned)).await;
        refused(&reply, 400, "provider_error");
        assert_eq!(identities_of(&owner).await.len(), 1);
    }

    /// Eve registers the address, asks for hers in its place, and waits with the link until the owner is there.
    async fn unexpired_email_change(backend: Backend) {
        let (app, fake) = world(backend).await;
        for by_provider in [true, false] {
            let name = if by_provider { "ada" } else { "dora" };
            let squatter = app.sign_up(name).await;
            let hers = format!("eve-of-{name}@example.org");
            let change = json!({"email": hers, "current_password": PASSWORD});
            private(&squatter.patch("/auth/me", &change).await, 200);
            let link = mailed(&app, &hers).await;
            if by_provider {
                arrived(&app, &fake, &ada(&fake)).await;
            } else {
                app.anon().post("/auth/password/forgot", &json!({"email": "dora@example.org"})).await;
                let token = mailed(&app, "dora@example.org").await;
                let body = json!({"token": token, "new_password": OTHER_PASSWORD});
                assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);
            }
            refused(&app.anon().post("/auth/email/verify", &json!({"token": link})).await, 400, "invalid_link");
            let user = app.cx.store.user(user_id(&squatter)).await.unwrap().unwrap();
            assert_eq!(user.email.as_str(), format!("{name}@example.org"));
        }
    }

    /// Eve has an account with the address at a provider that does not verify addresses.
    async fn non_verifying_idp(backend: Backend) {
        let (app, fake) = world(backend).await;
        let unproved = fake.person("eve-there", "ada@example.org", false);
        let squatter = arrived(&app, &fake, &unproved).await;
        // The owner by way of a provider that vouches.
        let owner = arrived(&app, &fake, &ada(&fake)).await;
        squatter.until_refused("/auth/me").await;
        refused(&bring(&app.anon(), &fake, &unproved).await, 409, "link_required");
        assert_eq!(identities_of(&owner).await.len(), 1);
        // The owner by a mailed link.
        let (app, fake) = world(backend).await;
        let squatter = arrived(&app, &fake, &unproved).await;
        let owner = recovers(&app).await;
        squatter.until_refused("/auth/me").await;
        assert!(identities_of(&owner).await.is_empty());
        refused(&bring(&app.anon(), &fake, &unproved).await, 409, "link_required");
        // And an owner who was first keeps what is theirs.
        let (app, fake) = world(backend).await;
        let owner = arrived(&app, &fake, &ada(&fake)).await;
        refused(&bring(&app.anon(), &fake, &unproved).await, 409, "link_required");
        private(&owner.get("/auth/me").await, 200);
    }
}
