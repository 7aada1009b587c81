use portcullis_testkit::{Actor, Backend, PASSWORD, Reply, TestApp};
use serde_json::json;

use crate::on_both;
use crate::support::{
    OTHER_PASSWORD, claims_of, credentials, invalid, private, redacted, refused, token_json,
};

async fn change(actor: &Actor, current: &str, new: &str) -> Reply {
    let body = json!({"current_password": current, "new_password": new});
    actor.post("/auth/password/change", &body).await
}

on_both! {
    async fn this_session_goes_on_with_new_tokens_and_the_others_end(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let mut tablet = app.sign_in("ada").await;
        let (old, before) = (ada.clone(), ada.refresh_token.clone().unwrap());
        let reply = change(&ada, PASSWORD, OTHER_PASSWORD).await;
        private(&reply, 200);
        assert_eq!(redacted(&reply.json), token_json("ada"));
        ada.take_tokens(&reply);
        assert_eq!(ada.session, old.session);
        assert_ne!(ada.device_token, old.device_token, "the old one was under the old password");

        let superseded = ada.refresh_with(&before).await;
        refused(&superseded, 401, "refresh_revoked");
        assert_eq!(superseded.json["superseded"], true, "whoever held it has been given another");
        refused(&old.get("/auth/me").await, 401, "invalid_token");
        old.at(&other).until_refused("/auth/me").await;
        refused(&tablet.get("/auth/me").await, 401, "invalid_token");
        tablet.at(&other).until_refused("/auth/me").await;
        let over = tablet.refresh().await;
        refused(&over, 401, "refresh_revoked");
        assert!(over.json.get("superseded").is_none(), "nothing came after it");

        for node in [&app, &other] {
            assert_eq!(ada.at(node).get("/auth/me").await.status, 200);
        }
        assert_eq!(ada.refresh().await.status, 200);
        assert!(claims_of(&ada)["gen"].as_u64() > claims_of(&old)["gen"].as_u64());
        refused(&app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await, 401, "invalid_credentials");
        assert_eq!(app.anon().post("/auth/login", &credentials("ada", OTHER_PASSWORD)).await.status, 200);
    }

    async fn a_wrong_current_password_is_never_a_401(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        for _ in 0..8 {
            refused(&change(&ada, "wrong", OTHER_PASSWORD).await, 403, "wrong_password");
        }
        refused(&change(&ada, PASSWORD, OTHER_PASSWORD).await, 403, "wrong_password");
        assert_eq!(app.anon().post("/auth/login", &credentials("ada", PASSWORD)).await.status, 200,
            "guesses here slow down this session, not the sign-in");
        app.clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(change(&ada, PASSWORD, OTHER_PASSWORD).await.status, 200);
        assert_eq!(ada.refresh().await.outcome(), (401, "refresh_revoked"));
    }

    async fn the_same_password_is_no_change(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        refused(&change(&ada, PASSWORD, PASSWORD).await, 422, "password_unchanged");
        assert_eq!(ada.refresh().await.status, 200);
    }

    async fn of_two_changes_at_once_one_counts(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let ada = app.sign_up("ada").await;
        let tablet = app.sign_in("ada").await.at(&other);
        let (one, two) = tokio::join!(
            change(&ada, PASSWORD, OTHER_PASSWORD),
            change(&tablet, PASSWORD, "twelve silver kettles"),
        );
        let won = [(&one, OTHER_PASSWORD), (&two, "twelve silver kettles")];
        let won: Vec<_> = won.into_iter().filter(|(reply, _)| reply.status == 200).collect();
        assert_eq!(won.len(), 1, "{} {}", one.text(), two.text());
        let lost = if one.status == 200 { &two } else { &one };
        assert!(matches!(lost.outcome(), (401, "invalid_token") | (403, "wrong_password")), "{}", lost.text());
        assert_eq!(app.anon().post("/auth/login", &credentials("ada", won[0].1)).await.status, 200);
    }
}

#[tokio::test]
async fn the_new_password_follows_the_rules() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    for (new, code) in [("short", "password_too_short"), ("abababababababababab", "password_repetitive")] {
        invalid(&change(&ada, PASSWORD, new).await, &[("new_password", code)]);
    }
    let body = json!({"current_password": PASSWORD});
    invalid(&ada.post("/auth/password/change/", &body).await, &[("new_password", "required")]);
    assert_eq!(ada.refresh().await.status, 200);
}

#[tokio::test]
async fn nobody_changes_anything_without_a_token() {
    let app = TestApp::new(Backend::Sqlite).await;
    refused(&change(&app.anon(), PASSWORD, OTHER_PASSWORD).await, 401, "missing_token");
    refused(&change(&app.anon().bearing(Some("x")), PASSWORD, OTHER_PASSWORD).await, 401, "invalid_token");
}
