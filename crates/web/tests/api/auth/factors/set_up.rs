//! Setting up an app for codes, and removing it.

use std::time::Duration;

use portcullis_testkit::{PASSWORD, SecurityKey, TestApp};
use serde_json::json;

use super::{CONFIRM, Phone, TOTP, challenge, set_up, show, sign_in, texts, wrong};
use crate::auth::passkeys::register;
use crate::on_both;
use crate::support::{OTHER_PASSWORD, claims_of, credentials, events, private, refused};

on_both! {
    /// Whoever holds a session from before could add an app of their own, and with it take the user's away.
    async fn what_was_begun_without_a_factor_is_not_ended_beside_one(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut thief = app.sign_in("ada").await;
        let begun = thief.post(TOTP, &json!({})).await;
        private(&begun, 201);
        register(&mut ada, &mut SecurityKey::counting(), "laptop").await;
        private(&thief.refresh().await, 200);
        let code = Phone::new(&begun.json).code(&app, 0);
        let reply = thief.post(CONFIRM, &json!({"code": code})).await;
        refused(&reply, 403, "fresh_login_required");
        assert_eq!(reply.json["methods"], json!(["passkey", "recovery_code"]));
    }

    async fn counts_for_nothing_before_its_first_code(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let begun = ada.post(TOTP, &json!({})).await;
        private(&begun, 201);
        let uri = begun.json["uri"].as_str().unwrap();
        let secret = begun.json["secret"].as_str().unwrap();
        assert!(uri.starts_with("otpauth://totp/localhost%3A8400:ada%40example.org?secret="), "{uri}");
        assert!(uri.contains(secret) && begun.json["qr_code"].as_str().unwrap().starts_with("<svg"));
        assert_eq!(app.sign_in("ada").await.get("/auth/factors").await.json["items"], json!([]));

        let phone = Phone::new(&begun.json);
        refused(&ada.post(CONFIRM, &json!({"code": wrong(&app, &phone)})).await, 403, "wrong_code");
        app.sign_in("ada").await;
        let reply = ada.post(CONFIRM, &json!({"code": phone.code(&app, 0)})).await;
        private(&reply, 200);
        assert_eq!(reply.json["factor_id"], json!(phone.id));
        let codes = texts(&reply.json["recovery_codes"]);
        assert_eq!(codes.len(), 10);
        ada.take_tokens(&reply);
        assert_eq!(claims_of(&ada)["amr"], json!(["pwd", "otp", "mfa"]));
        assert_eq!(ada.refresh().await.status, 200);
        challenge(&app.anon(), "ada").await;
        let own = ada.get("/auth/factors").await;
        private(&own, 200);
        assert_eq!((&own.json["items"][0]["kind"], &own.json["recovery_codes"]), (&json!("totp"), &json!(10)));
        assert_eq!(events(&app, "factor.added").await.len(), 1);
        app.deliver_mail().await;
        let mails = app.mails().await;
        assert!(mails.iter().any(|mail| mail.to == "ada@example.org" && mail.subject == "A second factor was added"));
    }

    async fn access_tokens_so_far_end_and_the_sessions_live_on(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let mut tablet = app.sign_in("ada").await;
        let old = ada.clone();
        set_up(&app, &mut ada).await;
        assert_eq!(ada.session, old.session);
        for node in [&app, &other] {
            old.at(node).until_refused("/auth/me").await;
            tablet.at(node).until_refused("/auth/me").await;
            assert_eq!(ada.at(node).get("/auth/me").await.status, 200);
        }
        assert_eq!(tablet.refresh().await.status, 200);
        assert_eq!(tablet.get("/auth/me").await.status, 200);
        assert_eq!(claims_of(&tablet)["amr"], json!(["pwd"]), "the tablet has shown nothing");
    }

    async fn needs_a_fresh_sign_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        app.clock.advance(Duration::from_mins(11));
        let reply = ada.post(TOTP, &json!({})).await;
        refused(&reply, 403, "fresh_login_required");
        assert_eq!((&reply.json["methods"], &reply.json["max_age"]), (&json!(["password"]), &json!(600)));
        assert_eq!(ada.refresh().await.status, 200, "that is no sign-in");
        refused(&ada.post(TOTP, &json!({})).await, 403, "fresh_login_required");
    }

    async fn may_take_ten_minutes_and_a_later_one_takes_its_place(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        refused(&ada.post(CONFIRM, &json!({"code": "123456"})).await, 404, "not_found");
        let first = Phone::new(&ada.post(TOTP, &json!({})).await.json);
        let second = Phone::new(&ada.post(TOTP, &json!({})).await.json);
        refused(&ada.post(CONFIRM, &json!({"code": first.code(&app, 0)})).await, 403, "wrong_code");
        app.clock.advance(Duration::from_mins(10));
        refused(&ada.post(CONFIRM, &json!({"code": second.code(&app, 0)})).await, 404, "not_found");
    }

    async fn a_second_app_takes_the_place_of_the_first(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let old = set_up(&app, &mut ada).await;
        let begun = ada.post(TOTP, &json!({})).await;
        private(&begun, 201);
        let new = Phone::new(&begun.json);
        let reply = ada.post(CONFIRM, &json!({"code": new.code(&app, 0)})).await;
        private(&reply, 200);
        assert_eq!(reply.json["recovery_codes"], json!([]), "those of the first are good still");
        app.clock.advance(Duration::from_secs(30));
        let challenge = challenge(&app.anon(), "ada").await;
        refused(&show(&app.anon(), &challenge, "totp", &old.code(&app, 0)).await, 403, "wrong_code");
        private(&show(&app.anon(), &challenge, "totp", &new.code(&app, 0)).await, 200);
        let again = super::challenge(&app.anon(), "ada").await;
        private(&show(&app.anon(), &again, "recovery_code", &old.recovery_codes[0]).await, 200);
    }

    async fn of_two_apps_confirmed_at_once_one_is_there(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let tablet = app.sign_in("ada").await.at(&other);
        let phone = Phone::new(&ada.post(TOTP, &json!({})).await.json);
        let code = json!({"code": phone.code(&app, 0)});
        let (one, two) = tokio::join!(ada.post(CONFIRM, &code), tablet.post(CONFIRM, &code));
        let won = [&one, &two].into_iter().filter(|reply| reply.status == 200).count();
        assert_eq!(won, 1, "{} {}", one.text(), two.text());
    }

    async fn is_removed_with_its_codes(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let path = format!("/auth/factors/{}", phone.id);
        let mut bob = app.sign_up("bob").await;
        refused(&bob.delete(&path).await, 404, "not_found");
        app.clock.advance(Duration::from_mins(11));
        let reply = ada.delete(&path).await;
        refused(&reply, 403, "fresh_login_required");
        assert_eq!(reply.json["methods"], json!(["totp", "recovery_code"]));
        let mut ada = sign_in(&app, "ada", &phone).await;
        let old = ada.clone();
        private(&ada.delete(&path).await, 204);
        old.until_refused("/auth/me").await;
        assert_eq!(ada.refresh().await.status, 200);
        refused(&ada.delete(&path).await, 404, "not_found");
        assert_eq!(ada.get("/auth/factors").await.json["recovery_codes"], json!(0));
        app.sign_in("ada").await;
        assert_eq!(events(&app, "factor.removed").await.len(), 1);
        assert_eq!(bob.refresh().await.status, 200);
    }

    async fn a_new_password_leaves_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        private(&ada.post("/auth/password/change", &body).await, 200);
        let reply = app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await;
        refused(&reply, 403, "second_factor_required");
        let challenge = reply.json["challenge"].as_str().unwrap();
        private(&show(&app.anon(), challenge, "totp", &phone.next(&app)).await, 200);
    }
}
