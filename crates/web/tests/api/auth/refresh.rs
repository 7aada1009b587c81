use std::time::Duration;

use portcullis_testkit::{Backend, TestApp, postgres};
use serde_json::json;

use crate::on_both;
use crate::support::{claims_of, private, redacted, token_json};

on_both! {
    async fn a_refresh_rotates_and_the_next_one_works_too(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut alice = app.sign_up("alice").await;
        for _ in 0..3 {
            let before = alice.refresh_token.clone();
            let reply = alice.refresh().await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_ne!(alice.refresh_token, before);
            assert_eq!(reply.json["user"]["email"], "alice@example.org");
            assert_eq!(alice.get("/auth/me").await.status, 200);
        }
    }

    async fn fifty_at_once_on_two_nodes_get_one_and_the_same_successor(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let alice = app.sign_up("alice").await;
        let token = alice.refresh_token.clone().unwrap();
        let calls = (0..50).map(|at| {
            let actor = if at % 2 == 0 { alice.clone() } else { alice.at(&other) };
            let token = token.clone();
            tokio::spawn(async move { actor.refresh_with(&token).await })
        });
        let mut successors = std::collections::HashSet::new();
        for call in calls.collect::<Vec<_>>() {
            let reply = call.await.unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text());
            successors.insert(reply.json["refresh_token"].as_str().unwrap().to_owned());
        }
        assert_eq!(successors.len(), 1);
        let successor = successors.into_iter().next().unwrap();
        assert_eq!(alice.at(&other).refresh_with(&successor).await.status, 200);
    }

    async fn without_grace_exactly_one_wins(backend: Backend) {
        let strict = |setup: &mut portcullis_testkit::Setup| setup.settings.lifetimes.grace = Duration::ZERO;
        let app = TestApp::with(backend, strict).await;
        let other = app.another(strict).await;
        let alice = app.sign_up("alice").await;
        let token = alice.refresh_token.clone().unwrap();
        let calls = (0..50).map(|at| {
            let actor = if at % 2 == 0 { alice.clone() } else { alice.at(&other) };
            let token = token.clone();
            tokio::spawn(async move { actor.refresh_with(&token).await.status })
        });
        let mut won = 0;
        for call in calls.collect::<Vec<_>>() {
            match call.await.unwrap() {
                200 => won += 1,
                401 => {}
                other => panic!("{other}"),
            }
        }
        assert_eq!(won, 1);
    }

    async fn a_token_two_back_is_theft_and_ends_the_session_on_both_nodes(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut alice = app.sign_up("alice").await;
        let stolen = alice.refresh_token.clone().unwrap();
        alice.refresh().await;
        alice.refresh().await;
        assert_eq!(alice.refresh_with(&stolen).await.outcome(), (401, "refresh_reused"));
        assert_eq!(alice.refresh_with(&stolen).await.outcome(), (401, "refresh_revoked"));
        let current = alice.refresh_token.clone().unwrap();
        assert_eq!(alice.at(&other).refresh_with(&current).await.outcome(), (401, "refresh_revoked"));
        assert_eq!(alice.get("/auth/me").await.outcome(), (401, "invalid_token"));
        alice.at(&other).until_refused("/auth/me").await;
    }

    async fn a_token_one_back_after_the_grace_is_theft(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut alice = app.sign_up("alice").await;
        let before = alice.refresh_token.clone().unwrap();
        alice.refresh().await;
        app.clock.advance(Duration::from_mins(1));
        assert_eq!(alice.refresh_with(&before).await.status, 200, "the last moment of the grace");
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(alice.refresh_with(&before).await.outcome(), (401, "refresh_reused"));
    }

    async fn answers_tokens_of_the_next_generation(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let before = claims_of(&ada);
        for path in ["/auth/refresh", "/auth/refresh/"] {
            let reply = ada.post(path, &json!({"refresh_token": ada.refresh_token})).await;
            private(&reply, 200);
            let mut expected = token_json("ada");
            expected.as_object_mut().unwrap().remove("device_token");
            assert_eq!(redacted(&reply.json), expected);
            ada.take_tokens(&reply);
        }
        let mut after = claims_of(&ada);
        assert_eq!(after["gen"], before["gen"].as_u64().unwrap() + 2);
        assert_ne!(after["jti"], before["jti"]);
        for changed in ["gen", "jti"] {
            after[changed] = before[changed].clone();
        }
        assert_eq!(after, before);
    }

    async fn the_access_token_before_lives_on(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let old = ada.clone();
        assert_eq!(ada.refresh().await.status, 200);
        assert_eq!(old.get("/auth/me").await.status, 200);
    }

    async fn a_replay_gets_the_same_successor_and_moves_nothing(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let first = ada.refresh_token.clone().unwrap();
        assert_eq!(ada.refresh().await.status, 200);
        let successor = ada.refresh_token.clone();
        for _ in 0..3 {
            app.clock.advance(Duration::from_secs(20));
            let replay = ada.with_header("user-agent", "elsewhere").refresh_with(&first).await;
            assert_eq!((replay.status, replay.json["refresh_token"].as_str()), (200, successor.as_deref()));
        }
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(ada.refresh_with(&first).await.outcome(), (401, "refresh_reused"), "61 s after the rotation");
    }

    async fn a_session_never_outlives_its_absolute_end(backend: Backend) {
        let day = Duration::from_hours(24);
        let app = TestApp::with(backend, |setup| setup.settings.lifetimes.session = 31 * day).await;
        let mut ada = app.sign_up("ada").await;
        app.clock.advance(29 * day);
        let reply = ada.refresh().await;
        assert_eq!(reply.json["refresh_expires_in"], 2 * 86_400, "cut to the end of the session");
        app.clock.advance(day);
        app.clock.advance(Duration::from_mins(24 * 60 - 5));
        let reply = ada.refresh().await;
        assert_eq!((reply.json["expires_in"].as_u64(), reply.status), (Some(300), 200));
        app.clock.advance(Duration::from_mins(5));
        assert_eq!(ada.refresh().await.outcome(), (401, "refresh_expired"));
        assert_eq!(ada.get("/auth/me").await.outcome(), (401, "invalid_token"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_set_back_signs_nobody_out() {
    let app = TestApp::new(Backend::Postgres).await;
    let mut ada = app.sign_up("ada").await;
    let start = claims_of(&ada)["gen"].as_u64().unwrap();
    for _ in 0..5 {
        ada.refresh().await;
    }
    postgres::query(&app.database.url, &format!("UPDATE sessions SET generation = {start}"))
        .expect("set back");
    let before = ada.refresh_token.clone().unwrap();
    assert_eq!(ada.refresh().await.status, 200);
    assert_eq!(claims_of(&ada)["gen"], start + 6, "it goes on from the token, not from the row");
    assert_eq!(ada.refresh_with(&before).await.json["refresh_token"].as_str(), ada.refresh_token.as_deref());
    assert_eq!(ada.refresh().await.status, 200);
    let told =
        postgres::query(&app.database.url, "SELECT count(*) FROM audit_events WHERE kind = 'refresh.ahead'");
    assert_eq!(told.expect("the audit log can be read").trim(), "1");
}

/// A token that is spent for nothing would come back after the grace, as a stolen one does.
#[tokio::test]
async fn what_cannot_be_read_costs_no_token() {
    let app = TestApp::new(Backend::Postgres).await;
    let mut alice = app.sign_up("alice").await;
    let rename = |from: &str, to: &str| {
        postgres::query(&app.database.url, &format!("ALTER TABLE {from} RENAME TO {to}")).expect("renamed")
    };
    rename("users", "users_away");
    let token = alice.refresh_token.clone().unwrap();
    let reply = alice.refresh_with(&token).await;
    assert!(reply.status >= 500, "{}", reply.text());
    rename("users_away", "users");
    app.clock.advance(Duration::from_mins(10));
    assert_eq!(alice.refresh().await.status, 200);
}
