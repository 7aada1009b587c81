//! `POST /auth/register` where addresses must be shown first

use portcullis_testkit::{Actor, Backend, PASSWORD, Reply, TestApp};
use serde_json::json;

use crate::on_both;
use crate::pages::{Page, open, submit};
use crate::support::{OTHER_PASSWORD, credentials, invalid, mailed, private, refused};

async fn strict(backend: Backend) -> TestApp {
    let app = TestApp::new(backend).await;
    // Made while nobody had to show anything.
    app.sign_up("ada").await;
    app.another(|setup| setup.settings.require_email_verification = true).await
}

async fn register(by: &Actor, email: &str, password: &str) -> Reply {
    by.post("/auth/register", &json!({"email": email, "password": password})).await
}

async fn verify(by: &Actor, body: serde_json::Value) -> Reply {
    by.post("/auth/email/verify", &body).await
}

on_both! {
    /// 000 (Metaculus): asking for the mail again was 400 for an unknown address, and 204 for a known one.
    async fn the_answer_is_the_same_for_a_taken_address_whose_owner_is_told(backend: Backend) {
        let app = strict(backend).await;
        let free = register(&app.anon(), "bob@example.org", OTHER_PASSWORD).await;
        let taken = register(&app.anon(), "ada@example.org", OTHER_PASSWORD).await;
        private(&free, 202);
        assert_eq!((taken.status, &taken.body), (free.status, &free.body));
        assert_eq!(free.json, json!({"status": "verification_required"}));
        let names = |reply: &Reply| reply.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&taken), names(&free));
        mailed(&app, "bob@example.org").await;
        let told = app.mails().await;
        let told: Vec<_> = told.iter().filter(|mail| mail.to == "ada@example.org").collect();
        assert_eq!(told.last().map(|mail| mail.token()), Some(None), "a mail without a link");
        // The password of the registration, and no other, says that it waits: for both.
        for email in ["bob@example.org", "ada@example.org"] {
            let login = |password: &str| json!({"email": email, "password": password});
            refused(&app.anon().post("/auth/login", &login(OTHER_PASSWORD)).await, 403, "email_not_verified");
            refused(&app.anon().post("/auth/login", &login("wrong")).await, 401, "invalid_credentials");
        }
    }

    async fn the_link_makes_the_user_with_the_password_of_the_registration(backend: Backend) {
        let app = strict(backend).await;
        register(&app.anon(), "bob@example.org", PASSWORD).await;
        let token = mailed(&app, "bob@example.org").await;
        let reply = verify(&app.anon(), json!({"token": token})).await;
        invalid(&reply, &[("password", "required")]);
        let reply = verify(&app.anon(), json!({"token": token, "password": OTHER_PASSWORD})).await;
        refused(&reply, 403, "wrong_password");
        assert_eq!(verify(&app.anon(), json!({"token": token, "password": PASSWORD})).await.status, 204);
        refused(&verify(&app.anon(), json!({"token": token, "password": PASSWORD})).await, 400, "invalid_link");
        let reply = app.anon().post("/auth/login", &credentials("bob", PASSWORD)).await;
        assert_eq!((reply.status, &reply.json["user"]["email_verified"]), (200, &json!(true)));
    }

    async fn or_with_a_new_one(backend: Backend) {
        let app = strict(backend).await;
        register(&app.anon(), "bob@example.org", PASSWORD).await;
        let token = mailed(&app, "bob@example.org").await;
        let reply = verify(&app.anon(), json!({"token": token, "new_password": "short"})).await;
        assert_eq!(reply.json["errors"][0]["field"], "new_password");
        let body = json!({"token": token, "new_password": OTHER_PASSWORD});
        assert_eq!(verify(&app.anon(), body).await.status, 204);
        refused(&app.anon().post("/auth/login", &credentials("bob", PASSWORD)).await, 401, "invalid_credentials");
        assert_eq!(app.anon().post("/auth/login", &credentials("bob", OTHER_PASSWORD)).await.status, 200);
    }

    async fn or_in_the_browser_that_registered(backend: Backend) {
        let app = strict(backend).await;
        let (browser, other) = (app.browser(), app.browser());
        let fields = [("email", "bob@example.org"), ("password", PASSWORD)];
        Page::of(submit(&browser, "/sign-up", &fields).await, 200);
        let link = format!("/verify-email?token={}", mailed(&app, "bob@example.org").await);
        let shown = |page: &Page| page.by_id("password").is_some();
        assert!(!shown(&open(&browser, &link).await) && shown(&open(&other, &link).await));
        let page = Page::of(submit(&other, &link, &[]).await, 422);
        assert!(page.is_wrong("password"), "another browser is asked for it");
        Page::of(submit(&browser, &link, &[]).await, 200);
        assert_eq!(app.anon().post("/auth/login", &credentials("bob", PASSWORD)).await.status, 200);
    }

    async fn of_two_who_register_one_address_the_first_to_show_it_wins(backend: Backend) {
        let app = strict(backend).await;
        let other = app.another(|setup| setup.settings.require_email_verification = true).await;
        register(&app.anon(), "bob@example.org", PASSWORD).await;
        let squatter = mailed(&app, "bob@example.org").await;
        register(&app.anon(), "bob@example.org", OTHER_PASSWORD).await;
        let owner = mailed(&app, "bob@example.org").await;
        assert_ne!(squatter, owner);
        let (here, there) = (app.anon(), other.anon());
        let (one, two) = tokio::join!(
            verify(&here, json!({"token": squatter, "password": PASSWORD})),
            verify(&there, json!({"token": owner, "password": OTHER_PASSWORD})),
        );
        let mut outcomes = [one.outcome(), two.outcome()];
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(204, ""), (409, "email_taken")]);
    }

    async fn this_was_not_me_takes_it_away(backend: Backend) {
        let app = strict(backend).await;
        register(&app.anon(), "bob@example.org", PASSWORD).await;
        let token = mailed(&app, "bob@example.org").await;
        let reply = app.anon().post("/auth/email/not-me", &json!({"token": token})).await;
        assert_eq!(reply.status, 204);
        let reply = verify(&app.anon(), json!({"token": token, "password": PASSWORD})).await;
        refused(&reply, 400, "invalid_link");
        refused(&app.anon().post("/auth/login", &credentials("bob", PASSWORD)).await, 401, "invalid_credentials");
    }

    async fn another_mail_can_be_asked_for_and_a_registration_runs_out(backend: Backend) {
        let app = strict(backend).await;
        register(&app.anon(), "bob@example.org", PASSWORD).await;
        let first = mailed(&app, "bob@example.org").await;
        let reply = app.anon().post("/auth/email/send-verification", &json!({"email": "bob@example.org"})).await;
        assert_eq!(reply.status, 202);
        let second = mailed(&app, "bob@example.org").await;
        assert_ne!(first, second);
        refused(&verify(&app.anon(), json!({"token": first, "password": PASSWORD})).await, 400, "invalid_link");
        app.clock.advance(std::time::Duration::from_hours(24));
        refused(&verify(&app.anon(), json!({"token": second, "password": PASSWORD})).await, 400, "invalid_link");
        refused(&app.anon().post("/auth/login", &credentials("bob", PASSWORD)).await, 401, "invalid_credentials");
    }

    async fn a_user_name_that_somebody_has_by_then_is_left_out(backend: Backend) {
        let app = strict(backend).await;
        for name in ["bob", "eve"] {
            let body = json!({"email": format!("{name}@example.org"), "password": PASSWORD, "username": "both"});
            assert_eq!(app.anon().post("/auth/register", &body).await.status, 202);
            let token = mailed(&app, &format!("{name}@example.org")).await;
            assert_eq!(verify(&app.anon(), json!({"token": token, "password": PASSWORD})).await.status, 204);
        }
        let mut shown = Vec::new();
        for name in ["bob", "eve"] {
            let reply = app.anon().post("/auth/login", &credentials(name, PASSWORD)).await;
            shown.push(reply.json["user"]["username"].clone());
        }
        assert_eq!(shown, [json!("both"), json!(null)]);
    }
}
