//! Somebody whom nobody knows registers as anybody does.

use portcullis_core::registration::{Domain, Mode};
use portcullis_testkit::Backend;
use serde_json::json;

use super::{ada, another, arrived, back, bring, identities_of, sent, sign_in, stays_out, world, world_with};
use crate::auth::invites::{by_invite, invite};
use crate::on_both;
use crate::pages::{open, sent_on, submit};
use crate::support::{OTHER_PASSWORD, admin, claims, made, mailed, private, refused};

on_both! {
    async fn where_registration_is_closed_nobody_new_comes(backend: Backend) {
        let (app, fake) = world_with(backend, |setup| setup.settings.registration.mode = Mode::Closed).await;
        let browser = app.browser();
        stays_out(sign_in(&browser, &fake, &ada(&fake)).await, &browser, 403, "registration_closed");
        refused(&bring(&app.anon(), &fake, &ada(&fake)).await, 403, "registration_closed");
        // Who is a user already comes in all the same.
        let user = made(&app, "ada", |_| {}).await;
        app.import_identity("acme", "ada-there", user.id).await;
        sent_on(&sign_in(&browser, &fake, &ada(&fake)).await, "/account");
    }

    /// Whoever could not register learns nothing of who has.
    async fn where_it_is_closed_a_taken_address_is_refused_like_a_free_one(backend: Backend) {
        let (app, fake) = world_with(backend, |setup| setup.settings.registration.mode = Mode::Closed).await;
        made(&app, "bob", |_| {}).await;
        let free = bring(&app.anon(), &fake, &fake.person("ada-there", "ada@example.org", false)).await;
        let taken = bring(&app.anon(), &fake, &fake.person("bob-there", "bob@example.org", false)).await;
        refused(&free, 403, "registration_closed");
        assert_eq!((taken.status, &taken.body), (free.status, &free.body));
        assert_eq!(app.cx.store.count_users().await.unwrap(), 1);
        // Its owner is a user already, and nobody new.
        let owner = arrived(&app, &fake, &fake.person("bob-there", "bob@example.org", true)).await;
        assert_eq!((identities_of(&owner).await.len(), app.cx.store.count_users().await.unwrap()), (1, 1));
    }

    async fn by_invite(backend: Backend) {
        let (app, fake) = world_with(backend, by_invite).await;
        let root = admin(&app, "root").await;
        let browser = app.browser();
        stays_out(sign_in(&browser, &fake, &ada(&fake)).await, &browser, 403, "invite_required");
        let made = invite(&root, &json!({"plan": "pro"})).await;
        let code = made["code"].as_str().unwrap();
        let url = sent(&browser, &format!("/auth/oauth/acme/start?invite_code={code}")).await;
        sent_on(&back(&browser, "acme", &fake.authorize(&url, &ada(&fake))).await, "/account");
        let left = root.get(&format!("/admin/api/invites/{}", made["id"].as_str().unwrap())).await.json;
        assert_eq!(left["used"], 1);
        // A code that is spent, and one that is none.
        for (code, refusal) in [(code, "invite_used"), ("AAAA-BBBB", "invalid_invite")] {
            let url = sent(&browser, &format!("/auth/oauth/acme/start?invite_code={code}")).await;
            let eve = fake.person("eve-there", "eve@example.org", true);
            let reply = back(&browser.copied(), "acme", &fake.authorize(&url, &eve)).await;
            assert_eq!((reply.status, reply.text().contains(refusal)), (400, true), "{}", reply.text());
        }
        assert_eq!(app.cx.store.count_users().await.unwrap(), 2);
    }

    async fn into_the_account_of_an_invite(backend: Backend) {
        let (app, fake) = world_with(backend, by_invite).await;
        let root = admin(&app, "root").await;
        let account = claims(root.access_token.as_deref().unwrap())["account"].as_str().unwrap().to_owned();
        let body = json!({"account_id": account, "account_role": "member"});
        let code = invite(&root, &body).await["code"].as_str().unwrap().to_owned();
        let browser = app.browser();
        let url = sent(&browser, &format!("/auth/oauth/acme/start?account_invite_code={code}")).await;
        sent_on(&back(&browser, "acme", &fake.authorize(&url, &ada(&fake))).await, "/account");
        let claims = claims(&browser.value("pc_access"));
        assert_eq!((&claims["account"], &claims["account_role"]), (&json!(account), &json!("member")));
    }

    async fn from_a_domain_that_may(backend: Backend) {
        let domain = |text| vec![Domain::parse(text).unwrap()];
        let (app, fake) =
            world_with(backend, |setup| setup.settings.registration.allowed_domains = domain("example.com")).await;
        refused(&bring(&app.anon(), &fake, &ada(&fake)).await, 403, "email_domain_not_allowed");
        let inside = fake.person("bob-there", "bob@example.com", true);
        private(&bring(&app.anon(), &fake, &inside).await, 200);
    }

    async fn without_an_address_nobody_registers(backend: Backend) {
        let (app, fake) = world(backend).await;
        let mut nobody = ada(&fake);
        nobody.email = None;
        let reply = bring(&app.anon(), &fake, &nobody).await;
        refused(&reply, 400, "provider_error");
        assert!(reply.json["detail"].as_str().unwrap().contains("e-mail address"));
        // Who is known needs none.
        let user = made(&app, "ada", |_| {}).await;
        app.import_identity("acme", "ada-there", user.id).await;
        private(&bring(&app.anon(), &fake, &nobody).await, 200);
    }

    async fn an_address_that_is_not_vouched_for_is_to_be_verified(backend: Backend) {
        let (app, fake) = world(backend).await;
        let doubtful = fake.person("ada-there", "ada@example.org", false);
        let reply = bring(&app.anon(), &fake, &doubtful).await;
        private(&reply, 200);
        assert_eq!(reply.json["user"]["email_verified"], false);
        let token = mailed(&app, "ada@example.org").await;
        assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
    }

    /// Where registrations are hidden, so is this one: the answer is the same for a taken address.
    async fn hidden_registrations_stay_hidden(backend: Backend) {
        let (app, fake) = world(backend).await;
        app.sign_up("bob").await;
        let app = another(&app, &fake, |setup| setup.settings.require_email_verification = true).await;
        let free = bring(&app.anon(), &fake, &fake.person("ada-there", "ada@example.org", false)).await;
        let taken = bring(&app.anon(), &fake, &fake.person("bob-there", "bob@example.org", false)).await;
        private(&free, 202);
        assert_eq!((taken.status, &taken.body), (free.status, &free.body));
        assert_eq!(free.json, json!({"status": "verification_required"}));
        assert_eq!(app.cx.store.count_users().await.unwrap(), 1);
        // A vouched address of nobody is a user at once.
        private(&bring(&app.anon(), &fake, &fake.person("carl-there", "carl@example.org", true)).await, 200);
    }

    async fn the_browser_that_came_confirms_and_is_known_by_the_provider(backend: Backend) {
        let (app, fake) = world_with(backend, |setup| setup.settings.require_email_verification = true).await;
        let doubtful = fake.person("ada-there", "ada@example.org", false);
        let browser = app.browser();
        let reply = sign_in(&browser, &fake, &doubtful).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains("A mail is on its way"));
        let token = mailed(&app, "ada@example.org").await;
        let done = submit(&browser, &format!("/verify-email?token={token}"), &[]).await;
        assert!(matches!(done.status, 200 | 303), "{}", done.text());
        sent_on(&sign_in(&browser, &fake, &doubtful).await, "/account");
        let user = app.anon().bearing(Some(&browser.value("pc_access")));
        assert_eq!(identities_of(&user).await.len(), 1);
        // There is no password, not even an empty one.
        for password in ["", "x"] {
            let body = json!({"email": "ada@example.org", "password": password});
            refused(&app.anon().post("/auth/login", &body).await, 401, "invalid_credentials");
        }
    }

    /// Whoever else has the mail sets a password, and nobody at the provider is that user.
    async fn another_browser_confirms_with_a_password_and_without_the_provider(backend: Backend) {
        let (app, fake) = world_with(backend, |setup| setup.settings.require_email_verification = true).await;
        let squatter = fake.person("eve-there", "ada@example.org", false);
        assert_eq!(sign_in(&app.browser(), &fake, &squatter).await.status, 200);
        let token = mailed(&app, "ada@example.org").await;
        let body = json!({"token": token, "new_password": OTHER_PASSWORD});
        assert_eq!(app.anon().post("/auth/email/verify", &body).await.status, 204);
        let login = json!({"email": "ada@example.org", "password": OTHER_PASSWORD});
        let mut owner = app.anon();
        owner.take_tokens(&owner.post("/auth/login", &login).await);
        assert!(identities_of(&owner).await.is_empty());
        private(&bring(&app.anon(), &fake, &squatter).await, 202);
    }

    async fn a_vouched_owner_wins_over_registrations_that_wait(backend: Backend) {
        let (app, fake) = world_with(backend, |setup| setup.settings.require_email_verification = true).await;
        let body = json!({"email": "ada@example.org", "password": OTHER_PASSWORD});
        private(&app.anon().post("/auth/register", &body).await, 202);
        let token = mailed(&app, "ada@example.org").await;
        private(&bring(&app.anon(), &fake, &ada(&fake)).await, 200);
        let body = json!({"token": token, "password": OTHER_PASSWORD});
        refused(&app.anon().post("/auth/email/verify", &body).await, 400, "invalid_link");
        let login = json!({"email": "ada@example.org", "password": OTHER_PASSWORD});
        refused(&app.anon().post("/auth/login", &login).await, 401, "invalid_credentials");
    }
}

#[tokio::test]
async fn the_sign_up_page_leads_on_with_the_invite_of_a_link() {
    let (app, _fake) = world_with(Backend::Sqlite, by_invite).await;
    let browser = app.browser();
    let page = open(&browser, "/sign-up?invite=pci_code").await;
    let links = page.links();
    assert!(
        links.iter().any(|link| link.starts_with("/auth/oauth/acme/start?invite_code=pci_code")),
        "{links:?}"
    );
    // A code that is typed travels in no link.
    let page = open(&browser, "/sign-up").await;
    assert!(!page.links().iter().any(|link| link.starts_with("/auth/oauth/")));
}
