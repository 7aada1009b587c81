//! Wrong guesses at factors are counted together, whatever endpoint and challenge they come by.

use std::time::Duration;

use portcullis_testkit::{Actor, PASSWORD, Reply, TestApp};
use serde_json::json;

use super::{CONFIRM, Phone, STEP_UP, TOTP, challenge, set_up, show, wrong};
use crate::on_both;
use crate::support::{events, private, refused};

async fn by_password(actor: &Actor, method: &str, code: &str) -> Reply {
    let body = json!({"email": "ada@example.org", "password": PASSWORD, "name": "ci", "method": method, "code": code});
    actor.post("/auth/tokens", &body).await
}

on_both! {
    async fn six_wrong_guesses_close_every_door(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let begun = Phone::new(&ada.post(TOTP, &json!({})).await.json);
        app.clock.advance(Duration::from_secs(30));
        let bad = wrong(&app, &phone);
        let anon = app.anon();
        let (first, second) = (challenge(&anon, "ada").await, challenge(&anon, "ada").await);
        // Five are free, each by another door.
        refused(&show(&anon, &first, "totp", &bad).await, 403, "wrong_code");
        refused(&show(&other.anon(), &second, "recovery_code", "0000-0000-0000-0000").await, 403, "wrong_code");
        refused(&ada.post(STEP_UP, &json!({"method": "totp", "code": bad})).await, 403, "wrong_code");
        refused(&ada.post(CONFIRM, &json!({"code": wrong(&app, &begun)})).await, 403, "wrong_code");
        refused(&by_password(&anon, "totp", &bad).await, 403, "wrong_code");
        // Now a right one is wrong, too, at every door of every node.
        let good = phone.code(&app, 0);
        for node in [&app, &other] {
            refused(&show(&node.anon(), &first, "totp", &good).await, 403, "wrong_code");
            refused(&show(&node.anon(), &second, "recovery_code", &phone.recovery_codes[0]).await, 403, "wrong_code");
            let ada = ada.at(node);
            refused(&ada.post(STEP_UP, &json!({"method": "totp", "code": good})).await, 403, "wrong_code");
            refused(&ada.post(CONFIRM, &json!({"code": begun.code(&app, 0)})).await, 403, "wrong_code");
            refused(&by_password(&node.anon(), "totp", &good).await, 403, "wrong_code");
        }
        let failed = events(&app, "factor.failed").await;
        let slowed = failed.iter().filter(|event| event["detail"]["reason"] == "slowed down").count();
        assert_eq!((failed.len(), slowed), (15, 10));
        // A second later it is right, and what was counted is forgiven.
        app.clock.advance(Duration::from_secs(1));
        private(&show(&anon, &first, "totp", &good).await, 200);
        for _ in 0..4 {
            refused(&show(&anon, &second, "totp", &bad).await, 403, "wrong_code");
        }
        private(&show(&anon, &second, "totp", &phone.code(&app, 1)).await, 200);
    }

    async fn the_password_is_counted_apart(backend: Backend) {
        let app = TestApp::new(backend).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let open = challenge(&app.anon(), "ada").await;
        for _ in 0..6 {
            refused(&show(&app.anon(), &open, "totp", &wrong(&app, &phone)).await, 403, "wrong_code");
        }
        challenge(&app.anon(), "ada").await;
    }

    async fn another_users_guesses_are_their_own(backend: Backend) {
        let app = TestApp::new(backend).await;
        let (mut ada, mut bob) = (app.sign_up("ada").await, app.sign_up("bob").await);
        let (ada_phone, bob_phone) = (set_up(&app, &mut ada).await, set_up(&app, &mut bob).await);
        let open = challenge(&app.anon(), "ada").await;
        for _ in 0..6 {
            refused(&show(&app.anon(), &open, "totp", &wrong(&app, &ada_phone)).await, 403, "wrong_code");
        }
        let open = challenge(&app.anon(), "bob").await;
        private(&show(&app.anon(), &open, "totp", &bob_phone.next(&app)).await, 200);
    }

    async fn guesses_side_by_side_do_not_outrun_the_count(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        let mut ada = app.sign_up("ada").await;
        let phone = set_up(&app, &mut ada).await;
        let open = challenge(&app.anon(), "ada").await;
        let bad = wrong(&app, &phone);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..12 {
            let anon = if number % 2 == 0 { app.anon() } else { other.anon() };
            let (open, bad) = (open.clone(), bad.clone());
            tasks.spawn(async move { show(&anon, &open, "totp", &bad).await.status });
        }
        assert!(tasks.join_all().await.into_iter().all(|status| status == 403));
        let failed = events(&app, "factor.failed").await;
        let looked_at = failed.iter().filter(|event| event["detail"]["reason"] == "wrong code").count();
        // Each node may have one under way that nobody has counted yet.
        assert!((5..=6).contains(&looked_at), "{looked_at}");
    }
}
