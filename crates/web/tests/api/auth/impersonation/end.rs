//! What ends acting: time, stopping, and the end of what it stands on.

use std::time::Duration;

use portcullis_testkit::{Actor, Backend, PASSWORD, TestApp};
use serde_json::json;

use super::acting;
use crate::on_both;
use crate::support::{OTHER_PASSWORD, admin, events, private, refused, user_id};

/// Two nodes, an administrator, a user, and the one acting as the other, seen on both.
async fn begun(backend: Backend) -> (TestApp, TestApp, Actor, Actor, Actor) {
    let app = TestApp::new(backend).await;
    let other = app.another(|_| {}).await;
    let (root, ada) = (admin(&app, "root").await, app.sign_up("ada").await);
    let actor = acting(&app, &root, &ada, "full").await;
    for node in [&app, &other] {
        assert_eq!(actor.at(node).get("/auth/me").await.status, 200);
    }
    (app, other, root, ada, actor)
}

/// Over on both nodes, for good.
async fn is_over(app: &TestApp, other: &TestApp, actor: &mut Actor) {
    refused(&actor.at(app).get("/auth/me").await, 401, "invalid_token");
    actor.at(other).until_refused("/auth/me").await;
    refused(&actor.refresh().await, 401, "refresh_revoked");
}

on_both! {
    async fn sixty_minutes_after_its_start_whatever_is_refreshed(backend: Backend) {
        let (app, other, _, _, mut actor) = begun(backend).await;
        for minutes in [10, 10, 10, 10, 10, 9] {
            app.clock.advance(Duration::from_mins(minutes));
            private(&actor.refresh().await, 200);
        }
        let last = actor.refresh().await;
        assert_eq!((&last.json["expires_in"], &last.json["refresh_expires_in"]), (&json!(60), &json!(60)));
        app.clock.advance(Duration::from_secs(59));
        assert_eq!(actor.get("/auth/me").await.status, 200);
        app.clock.advance(Duration::from_secs(1));
        for node in [&app, &other] {
            refused(&actor.at(node).get("/auth/me").await, 401, "invalid_token");
        }
        refused(&actor.refresh().await, 401, "refresh_expired");
    }

    async fn stopping(backend: Backend) {
        let (app, other, root, ada, mut actor) = begun(backend).await;
        private(&actor.post("/auth/impersonation/stop", &json!({})).await, 204);
        is_over(&app, &other, &mut actor).await;
        refused(&actor.post("/auth/impersonation/stop", &json!({})).await, 401, "invalid_token");
        for who in [&root, &ada] {
            private(&who.get("/auth/me").await, 200);
            refused(&who.post("/auth/impersonation/stop", &json!({})).await, 409, "conflict");
        }
        let told = events(&app, "session.ended").await;
        assert_eq!(told.len(), 1);
        assert_eq!((told[0]["actor"].as_str(), told[0]["user"].as_str()), (root.user.as_deref(), ada.user.as_deref()));
        assert_eq!(told[0]["detail"]["cause"], "acting_ended");
    }

    async fn the_administrator_signs_out(backend: Backend) {
        let (app, other, root, ada, mut actor) = begun(backend).await;
        private(&root.post("/auth/logout", &json!({"refresh_token": root.refresh_token})).await, 204);
        is_over(&app, &other, &mut actor).await;
        private(&ada.get("/auth/me").await, 200);
    }

    async fn the_administrator_signs_out_everywhere(backend: Backend) {
        let (app, other, _, _, mut actor) = begun(backend).await;
        let tablet = app.sign_in("root").await;
        private(&tablet.post("/auth/logout/all", &json!({})).await, 204);
        is_over(&app, &other, &mut actor).await;
    }

    async fn the_administrator_ends_the_session_from_another(backend: Backend) {
        let (app, other, root, _, mut actor) = begun(backend).await;
        let tablet = app.sign_in("root").await;
        assert_eq!(actor.get("/auth/me").await.status, 200, "another session changes nothing");
        private(&tablet.delete(&format!("/auth/sessions/{}", root.session.as_deref().unwrap())).await, 204);
        is_over(&app, &other, &mut actor).await;
        private(&tablet.get("/auth/me").await, 200);
    }

    async fn the_administrators_session_is_stolen(backend: Backend) {
        let (app, other, mut root, _, mut actor) = begun(backend).await;
        let first = root.refresh_token.clone().unwrap();
        root.refresh().await;
        app.clock.advance(Duration::from_secs(61));
        refused(&root.refresh_with(&first).await, 401, "refresh_reused");
        is_over(&app, &other, &mut actor).await;
    }

    async fn the_administrator_is_one_no_more_or_is_disabled(backend: Backend) {
        for disabled in [false, true] {
            let (app, other, root, ada, mut actor) = begun(backend).await;
            if disabled {
                // The last one stays.
                admin(&app, "second").await;
                app.cx.disable_user(user_id(&root)).await.unwrap();
            } else {
                app.cx.set_role(user_id(&root), "user").await.unwrap();
            }
            is_over(&app, &other, &mut actor).await;
            private(&ada.get("/auth/me").await, 200);
        }
    }

    async fn the_administrator_changes_the_password(backend: Backend) {
        let (app, other, _, _, mut actor) = begun(backend).await;
        let tablet = app.sign_in("root").await;
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        private(&tablet.post("/auth/password/change", &body).await, 200);
        is_over(&app, &other, &mut actor).await;
    }

    async fn the_user_becomes_an_administrator_or_is_disabled_or_signs_out_everywhere(backend: Backend) {
        for how in ["admin", "disabled", "logout"] {
            let (app, other, root, ada, mut actor) = begun(backend).await;
            match how {
                "admin" => drop(app.cx.set_role(user_id(&ada), "admin").await.unwrap()),
                "disabled" => drop(app.cx.disable_user(user_id(&ada)).await.unwrap()),
                _ => private(&ada.post("/auth/logout/all", &json!({})).await, 204),
            }
            is_over(&app, &other, &mut actor).await;
            private(&root.get("/auth/me").await, 200);
        }
    }
}
