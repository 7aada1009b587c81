//! `POST /auth/password/forgot`, `/verify-reset-token` and `/reset`

use std::time::Duration;

use portcullis_core::rate::Rate;
use portcullis_testkit::{Backend, PASSWORD, Setup, TestApp};
use serde_json::json;

use crate::across::rate_limits::limited;
use crate::on_both;
use crate::support::{OTHER_PASSWORD, credentials, events, invalid, mailed, private, refused};

async fn asked(app: &TestApp) -> String {
    let reply = app.anon().post("/auth/password/forgot", &json!({"email": "ADA@example.org"})).await;
    private(&reply, 202);
    assert_eq!(reply.json, json!({"status": "accepted"}));
    mailed(app, "ada@example.org").await
}

on_both! {
    /// 004 (resolutionflow): a reset ended no access token, and looking at its link told the address.
    async fn the_whole_way(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let tablet = app.sign_in("ada").await.at(&other);
        let api = json!({"name": "script"});
        let api = ada.post("/auth/tokens", &api).await.json["token"].as_str().unwrap().to_owned();
        let token = asked(&app).await;
        let body = json!({"token": token});
        for _ in 0..3 {
            let reply = app.anon().post("/auth/password/verify-reset-token", &body).await;
            private(&reply, 200);
            assert_eq!(reply.json, json!({"valid": true}), "and no address");
        }
        let body = json!({"token": token, "new_password": OTHER_PASSWORD});
        assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);

        refused(&ada.get("/auth/me").await, 401, "invalid_token");
        tablet.until_refused("/auth/me").await;
        refused(&ada.refresh_with(ada.refresh_token.as_deref().unwrap()).await, 401, "refresh_revoked");
        ada.bearing(Some(&api)).until_refused("/auth/me").await;
        refused(&app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await, 401, "invalid_credentials");
        let reply = app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await;
        assert_eq!((reply.status, &reply.json["user"]["email_verified"]), (200, &json!(true)));
        let told = app.mails().await.pop().unwrap();
        assert_eq!((told.to.as_str(), told.token()), ("ada@example.org", None), "that the password was changed");
        let reply = app.anon().post("/auth/password/verify-reset-token", &json!({"token": token})).await;
        assert_eq!(reply.json, json!({"valid": false}));
    }

    /// Of what two nodes find to do, each would count what one does.
    async fn one_address_gets_ten_mails_an_hour_from_all_nodes_together(backend: Backend) {
        let often = |setup: &mut Setup| {
            limited(setup);
            let rates = setup.settings.rates.as_mut().expect("limited");
            rates.password_forgot = Rate::per_minute(100);
        };
        let app = TestApp::with(backend, often).await;
        let other = app.another(often).await;
        app.sign_up("ada").await;
        let ask = async |times: usize| {
            for at in 0..times {
                let node = if at % 2 == 0 { &app } else { &other };
                let reply = node.anon().post("/auth/password/forgot", &json!({"email": "ada@example.org"})).await;
                assert_eq!(reply.status, 202);
            }
        };
        ask(14).await;
        let (one, two) = tokio::join!(app.cx.answer_mail_requests(), other.cx.answer_mail_requests());
        assert_eq!((one.unwrap() + two.unwrap(), events(&app, "password.reset_requested").await.len()), (14, 10));

        // One of them dies over it: the other goes on, soon.
        app.clock.advance(Duration::from_hours(1));
        ask(3).await;
        assert_eq!(app.cx.answer_mail_requests().await.unwrap(), 3);
        ask(3).await;
        assert_eq!(other.cx.answer_mail_requests().await.unwrap(), 0);
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(other.cx.answer_mail_requests().await.unwrap(), 3);
        // Whoever stops says so.
        ask(3).await;
        assert_eq!(app.cx.answer_mail_requests().await.unwrap(), 0);
        other.cx.leave().await;
        assert_eq!(app.cx.answer_mail_requests().await.unwrap(), 3);
        assert_eq!(events(&app, "password.reset_requested").await.len(), 19);
    }

    async fn api_tokens_live_on_if_asked_for(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let api = ada.post("/auth/tokens", &json!({"name": "script"})).await;
        let api = ada.bearing(api.json["token"].as_str());
        let token = asked(&app).await;
        let body = json!({"token": token, "new_password": OTHER_PASSWORD, "revoke_api_tokens": false});
        assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);
        assert_eq!(api.get("/auth/me").await.status, 200);
    }

    async fn a_bad_password_does_not_spend_the_link(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let token = asked(&app).await;
        for (new, code) in [("short", "too_short"), ("ada@example.org", "too_similar")] {
            let reply = app.anon().post("/auth/password/reset", &json!({"token": token, "new_password": new})).await;
            assert_eq!(reply.status, 422, "{}", reply.text());
            assert_eq!(reply.json["errors"][0]["field"], "new_password", "{code}");
        }
        let body = json!({"token": token, "new_password": OTHER_PASSWORD});
        assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);
    }

    /// A sign-in whose password check overlaps the reset never leaves a session.
    async fn must_change_ends_with_it(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let user = app.cx.find_user("ada@example.org").await.unwrap();
        app.cx.set_password(&user, "twelve silver kettles".into(), true).await.unwrap();
        refused(&ada.get("/auth/me").await, 401, "invalid_token");
        let token = asked(&app).await;
        let body = json!({"token": token, "new_password": OTHER_PASSWORD});
        assert_eq!(app.anon().post("/auth/password/reset", &body).await.status, 204);
        let reply = app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await;
        assert_eq!(reply.json["must_change_password"], false);
    }
}

#[tokio::test]
async fn what_is_no_address_is_told() {
    let app = TestApp::new(Backend::Sqlite).await;
    let reply = app.anon().post("/auth/password/forgot", &json!({"email": "nonsense"})).await;
    invalid(&reply, &[("email", "invalid_email")]);
}
