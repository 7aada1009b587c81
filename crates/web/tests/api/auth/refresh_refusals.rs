use std::time::Duration;

use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{forged, invalid, refused, user_id};

on_both! {
    async fn what_is_no_token_of_a_session_here_is_invalid(backend: Backend) {
        let app = TestApp::new(backend).await;
        let elsewhere = TestApp::with(backend, |_| {}).await;
        let ada = app.sign_up("ada").await;
        // Another database under the same server key, and another randomness: the MAC is right.
        elsewhere.sign_up("somebody").await;
        let stranger = elsewhere.sign_up("stranger").await;
        let token = ada.refresh_token.clone().unwrap();
        for presented in [
            "",
            "pcr_",
            "garbage",
            "pcr_0000000000000000000000000000000000000000000000000000000000000000000000000000",
            &token[4..],
            &token[..token.len() - 1],
            &format!("{token}0"),
            &format!(" {token}"),
            &forged(&token),
            ada.access_token.as_deref().unwrap(),
            ada.device_token.as_deref().unwrap(),
            stranger.refresh_token.as_deref().unwrap(),
        ] {
            refused(&ada.refresh_with(presented).await, 401, "invalid_token");
        }
        assert_eq!(ada.refresh_with(&token).await.status, 200, "none of that did any harm");
    }

    async fn idle_time_counts_from_rotation_and_not_from_replay(backend: Backend) {
        let minute = Duration::from_mins(1);
        let nearly = Duration::from_secs(59);
        let app = TestApp::with(backend, |setup| setup.settings.lifetimes.refresh = minute).await;
        let mut ada = app.sign_up("ada").await;
        let first = ada.refresh_token.clone().unwrap();
        app.clock.advance(nearly);
        assert_eq!(ada.refresh().await.status, 200);
        app.clock.advance(nearly);
        assert_eq!(ada.refresh_with(&first).await.status, 200, "a replay");
        app.clock.advance(Duration::from_secs(1));
        refused(&ada.refresh().await, 401, "refresh_expired");
        refused(&ada.refresh_with(&first).await, 401, "refresh_expired");
        refused(&ada.refresh_with(&forged(&first)).await, 401, "invalid_token");
    }

    async fn revoked_is_told_before_expired_and_both_before_reused(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut bob = app.sign_up("bob").await;
        let (old_ada, old_bob) = (ada.refresh_token.clone().unwrap(), bob.refresh_token.clone().unwrap());
        for actor in [&mut ada, &mut bob] {
            actor.refresh().await;
            actor.refresh().await;
        }
        ada.post("/auth/logout", &json!({"refresh_token": ada.refresh_token})).await;
        app.clock.advance(Duration::from_hours(31 * 24));
        refused(&ada.refresh_with(&old_ada).await, 401, "refresh_revoked");
        refused(&bob.refresh_with(&old_bob).await, 401, "refresh_expired");
    }

    async fn a_disabled_user_is_revoked_and_stays_so_when_enabled(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        app.cx.disable_user(user_id(&ada)).await.unwrap();
        refused(&ada.refresh().await, 401, "refresh_revoked");
        app.cx.enable_user(user_id(&ada)).await.unwrap();
        refused(&ada.refresh().await, 401, "refresh_revoked");
    }

    async fn a_stolen_token_ends_its_session_and_no_other(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let mut tablet = app.sign_in("ada").await;
        let stolen = ada.refresh_token.clone().unwrap();
        ada.refresh().await;
        ada.refresh().await;
        refused(&ada.refresh_with(&stolen).await, 401, "refresh_reused");
        refused(&ada.refresh().await, 401, "refresh_revoked");
        assert_eq!(tablet.refresh().await.status, 200);
        assert_eq!(tablet.get("/auth/me").await.status, 200);
    }
}

#[tokio::test]
async fn the_token_and_a_known_audience_are_needed() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    refused(&ada.post("/auth/refresh", &json!({})).await, 401, "missing_token");
    let body = json!({"refresh_token": ada.refresh_token, "audience": "https://evil.example"});
    invalid(&ada.post("/auth/refresh", &body).await, &[("audience", "unknown")]);
    assert_eq!(ada.clone().refresh().await.status, 200, "refused before anything was rotated");
}
