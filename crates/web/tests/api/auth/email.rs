//! `/auth/email/…` and a new `email` at `PATCH /auth/me`

use portcullis_testkit::{PASSWORD, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{OTHER_PASSWORD, admin, claims_of, credentials, events, mailed, private, refused};

on_both! {
    async fn an_address_is_verified(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        assert_eq!(ada.get("/auth/me").await.json["email_verified"], false);
        let reply = ada.send(http::Method::POST, "/auth/email/send-verification", None).await;
        private(&reply, 202);
        let token = mailed(&app, "ada@example.org").await;
        assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
        assert_eq!(ada.get("/auth/me").await.json["email_verified"], true);
        refused(&ada.post("/auth/email/send-verification", &json!({})).await, 409, "already_verified");
        let reply = app.anon().post("/auth/email/send-verification", &json!({"email": "ada@example.org"})).await;
        assert_eq!(reply.status, 202, "nobody else is told");
    }

    /// Had the owner of the address confirmed it, whatever they do by it later would be shared with the other one.
    async fn who_made_a_user_with_the_address_of_another_is_shut_out_by_them(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let eve = app.sign_up("ada").await;
        let token = eve.post("/auth/tokens", &json!({"name": "later"})).await.json["token"].clone();
        assert_eq!(eve.post("/auth/email/send-verification", &json!({})).await.status, 202);
        let link = json!({"token": mailed(&app, "ada@example.org").await});
        let (here, there) = (app.anon(), other.anon());
        let clicks = (0..8).map(|at| {
            let by = if at % 2 == 0 { &here } else { &there };
            by.post("/auth/email/not-me", &link)
        });
        let replies = futures_util::future::join_all(clicks).await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 204).count(), 1);
        for lost in replies.iter().filter(|reply| reply.status != 204) {
            refused(lost, 400, "invalid_link");
        }
        refused(&app.anon().post("/auth/email/verify", &link).await, 400, "invalid_link");
        eve.at(&other).until_refused("/auth/me").await;
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        app.anon().with_header("authorization", &bearer).until_refused("/auth/me").await;
        refused(&app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await, 401, "invalid_credentials");
        let claimed = events(&app, "email.claimed").await;
        assert_eq!((claimed.len(), &claimed[0]["user"]), (1, &json!(eve.user)));
        // The owner has the address, and by it the user.
        assert_eq!(app.anon().post("/auth/password/forgot", &json!({"email": "ada@example.org"})).await.status, 202);
        let reset = json!({"token": mailed(&app, "ada@example.org").await, "new_password": OTHER_PASSWORD});
        assert_eq!(app.anon().post("/auth/password/reset", &reset).await.status, 204);
        private(&app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await, 200);
    }

    async fn whoever_has_shown_it_or_is_an_administrator_is_not_shut_out_by_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let root = admin(&app, "root").await;
        app.database.tamper("UPDATE users SET email_verified_at = NULL");
        for (name, actor) in [("ada", &ada), ("root", &root)] {
            assert_eq!(actor.post("/auth/email/send-verification", &json!({})).await.status, 202);
            let link = json!({"token": mailed(&app, &format!("{name}@example.org")).await});
            if name == "ada" {
                app.database.tamper("UPDATE users SET email_verified_at = created_at WHERE role <> 'admin'");
            }
            refused(&app.anon().post("/auth/email/not-me", &link).await, 400, "invalid_link");
            private(&actor.get("/auth/me").await, 200);
            if name == "root" {
                let confirmed = app.anon().post("/auth/email/verify", &link).await;
                assert_eq!(confirmed.status, 204, "refusing uses nothing up");
            }
        }
    }

    /// An address that was held in between is told that it is the user's no more; what undoes it all is in the first mail.
    async fn a_change_that_follows_another_is_told_without_a_link(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        for new in ["two@example.org", "three@example.org"] {
            private(&ada.patch("/auth/me", &json!({"email": new, "current_password": PASSWORD})).await, 200);
            let link = json!({"token": mailed(&app, new).await});
            assert_eq!(app.anon().post("/auth/email/verify", &link).await.status, 204);
        }
        app.deliver_mail().await;
        let told = app.mails().await.pop().unwrap();
        assert_eq!((told.to.as_str(), told.subject.as_str()), ("two@example.org", "Your e-mail address was changed again"));
        assert!(told.token().is_none(), "{}", told.text);
        let undo = json!({"token": mailed(&app, "ada@example.org").await});
        assert_eq!(app.anon().post("/auth/email/undo", &undo).await.status, 204);
    }

    async fn where_it_is_off_nobody_verifies(backend: Backend) {
        let app = TestApp::with(backend, |setup| setup.settings.email_verification = false).await;
        let ada = app.sign_up("ada").await;
        assert_eq!(app.anon().get("/auth/email/verification-status").await.json, json!({"enabled": false}));
        refused(&ada.post("/auth/email/send-verification", &json!({})).await, 403, "verification_disabled");
        let body = json!({"email": "nobody@example.org"});
        refused(&app.anon().post("/auth/email/send-verification", &body).await, 403, "verification_disabled");
    }

    async fn where_it_is_required_nobody_signs_in_before(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let strict = app.another(|setup| setup.settings.require_email_verification = true).await;
        let login = credentials("ada", PASSWORD);
        refused(&strict.anon().post("/auth/login", &login).await, 403, "email_not_verified");
        refused(&strict.anon().post("/auth/login", &credentials("ada", "wrong")).await, 401, "invalid_credentials");
        let by_password = json!({"email": "ada@example.org", "password": PASSWORD, "name": "script"});
        refused(&strict.anon().post("/auth/tokens", &by_password).await, 403, "email_not_verified");
        let reply = strict.anon().post("/auth/email/send-verification", &json!({"email": "ada@example.org"})).await;
        assert_eq!(reply.status, 202);
        let token = mailed(&strict, "ada@example.org").await;
        assert_eq!(strict.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
        assert_eq!(strict.anon().post("/auth/login", &login).await.status, 200);
    }

    /// 000: the mail went to the old address, so that the new one was never proved. 004: it took effect at once, and stayed
    /// verified.
    async fn another_address_counts_when_it_is_proved(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let tablet = app.sign_in("ada").await.at(&other);
        let body = json!({"name": "Ada", "email": "Ada@New.example", "current_password": PASSWORD});
        let reply = ada.patch("/auth/me", &body).await;
        assert_eq!((&reply.json["email"], &reply.json["name"]), (&json!("ada@example.org"), &json!("Ada")));
        let token = mailed(&app, "Ada@New.example").await;
        assert_eq!(app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await.status, 200, "still the old one");
        assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);

        let me = ada.get("/auth/me").await.json;
        assert_eq!((&me["email"], &me["email_verified"]), (&json!("Ada@New.example"), &json!(true)));
        tablet.until_refused("/auth/me").await;
        assert_eq!(ada.refresh().await.status, 200, "the session that asked goes on");
        refused(&app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await, 401, "invalid_credentials");
        let body = json!({"email": "ada@new.example", "password": PASSWORD});
        assert_eq!(app.anon().post("/auth/login", &body).await.status, 200);
        let told = app.mails().await.pop().unwrap();
        assert!(told.to == "ada@example.org" && told.token().is_some(), "{told:?}");
    }

    async fn undoing_brings_the_old_one_back_and_shuts_out_whoever_changed_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let api = ada.post("/auth/tokens", &json!({"name": "script"})).await;
        let api = ada.bearing(api.json["token"].as_str());
        let body = json!({"email": "eve@example.org", "current_password": PASSWORD});
        assert_eq!(ada.patch("/auth/me", &body).await.status, 200);
        let token = mailed(&app, "eve@example.org").await;
        assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
        let undo = mailed(&app, "ada@example.org").await;
        assert_eq!(app.anon().post("/auth/email/undo", &json!({"token": undo})).await.status, 204);

        refused(&ada.get("/auth/me").await, 401, "invalid_token");
        api.until_refused("/auth/me").await;
        for login in ["ada@example.org", "eve@example.org"] {
            let body = json!({"email": login, "password": PASSWORD});
            refused(&app.anon().post("/auth/login", &body).await, 401, "invalid_credentials");
        }
        let token = mailed(&app, "ada@example.org").await;
        let body = json!({"token": token, "new_password": PASSWORD});
        assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204, "a mail came by itself");
        assert_eq!(app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await.status, 200);
    }

    /// Whoever took an account changes its address twice.
    async fn the_first_of_several_changes_can_be_undone(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let mut undo = String::new();
        for (to, from) in [("eve@example.org", "ada@example.org"), ("mallory@example.org", "eve@example.org")] {
            let body = json!({"email": to, "current_password": PASSWORD});
            assert_eq!(ada.patch("/auth/me", &body).await.status, 200);
            let token = mailed(&app, to).await;
            assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
            if undo.is_empty() {
                undo = mailed(&app, from).await;
            }
        }
        let told = app.mails().await;
        assert!(told.iter().all(|mail| mail.to != "eve@example.org" || !mail.text.contains("undo-email")));
        assert_eq!(app.anon().post("/auth/email/undo", &json!({"token": undo})).await.status, 204);
        let token = mailed(&app, "ada@example.org").await;
        let body = json!({"token": token, "new_password": PASSWORD});
        assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);
        assert_eq!(app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await.status, 200);
    }

    async fn a_link_that_undoes_stays_good_while_the_user_is_disabled(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let body = json!({"email": "eve@example.org", "current_password": PASSWORD});
        assert_eq!(ada.patch("/auth/me", &body).await.status, 200);
        let token = mailed(&app, "eve@example.org").await;
        assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
        let undo = json!({"token": mailed(&app, "ada@example.org").await});
        let id = ada.user.as_deref().and_then(|id| id.parse().ok()).expect("signed up");
        assert!(app.cx.disable_user(id).await.expect("disabled"));
        refused(&app.anon().post("/auth/email/undo", &undo).await, 400, "invalid_link");
        assert!(app.cx.enable_user(id).await.expect("enabled"));
        assert_eq!(app.anon().post("/auth/email/undo", &undo).await.status, 204);
    }

    /// The password was right when the change was asked for, and is not when the mail is to go out.
    async fn a_change_asked_for_under_an_old_password_is_not_mailed(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let body = json!({"email": "eve@example.org", "current_password": PASSWORD});
        assert_eq!(ada.patch("/auth/me", &body).await.status, 200);
        let user = app.cx.find_user("ada@example.org").await.unwrap();
        app.cx.set_password(&user, "twelve silver kettles".into(), false).await.unwrap();
        app.cx.answer_mail_requests().await.unwrap();
        assert!(app.mails().await.iter().all(|mail| mail.to != "eve@example.org"));
    }

    async fn an_address_that_is_taken_is_not_told_and_its_owner_is(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        app.sign_up("bob").await;
        let ask = |email: &str| json!({"email": email, "current_password": PASSWORD});
        let taken = ada.patch("/auth/me", &ask("bob@example.org")).await;
        let free = ada.patch("/auth/me", &ask("free@example.org")).await;
        assert_eq!((taken.status, &taken.json), (200, &free.json));
        app.cx.answer_mail_requests().await.unwrap();
        let told = app.mails().await;
        let told: Vec<_> = told.iter().map(|mail| (mail.to.as_str(), mail.token().is_some())).collect();
        assert!(told.contains(&("bob@example.org", false)) && told.contains(&("free@example.org", true)), "{told:?}");
    }

    async fn an_address_that_somebody_else_gets_first_is_refused(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let body = json!({"email": "bob@example.org", "current_password": PASSWORD});
        assert_eq!(ada.patch("/auth/me", &body).await.status, 200);
        let token = mailed(&app, "bob@example.org").await;
        app.sign_up("bob").await;
        refused(&app.anon().post("/auth/email/verify", &json!({"token": token})).await, 409, "email_taken");
        assert_eq!(ada.get("/auth/me").await.json["email"], "ada@example.org");
    }

    async fn another_address_needs_the_password(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let body = json!({"email": "ada@new.example", "current_password": "wrong"});
        refused(&ada.patch("/auth/me", &body).await, 403, "wrong_password");
        let api = ada.post("/auth/tokens", &json!({"name": "script"})).await;
        let body = json!({"email": "ada@new.example", "current_password": PASSWORD});
        refused(&ada.bearing(api.json["token"].as_str()).patch("/auth/me", &body).await, 403, "session_required");
        app.cx.answer_mail_requests().await.unwrap();
        assert!(app.mails().await.iter().all(|mail| mail.to != "ada@new.example"));
        assert!(claims_of(&ada)["sub"].is_string());
    }

    /// 004: addresses that differed in case only were two users.
    async fn another_case_is_no_other_user(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let body = json!({"email": "ADA@example.org", "current_password": PASSWORD});
        assert_eq!(ada.patch("/auth/me", &body).await.status, 200);
        let token = mailed(&app, "ADA@example.org").await;
        assert_eq!(app.anon().post("/auth/email/verify", &json!({"token": token})).await.status, 204);
        assert_eq!(ada.get("/auth/me").await.json["email"], "ADA@example.org");
    }
}
