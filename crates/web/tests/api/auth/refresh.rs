use std::time::Duration;

use portcullis_testkit::TestApp;

use crate::on_both;

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
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(alice.refresh_with(&before).await.status, 200, "the last moment of the grace");
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(alice.refresh_with(&before).await.outcome(), (401, "refresh_reused"));
    }
}
