use std::time::Duration;

use portcullis_testkit::{Actor, Backend, PASSWORD, TestApp, postgres};
use serde_json::Value;

use crate::on_both;
use crate::support::{credentials, refused};

/// Signs in as `name` and tells the status.
async fn attempt(actor: &Actor, name: &str, password: &str, device: Option<&str>) -> u16 {
    let mut body: Value = credentials(name, password);
    body["device_token"] = device.into();
    let reply = actor.post("/auth/login", &body).await;
    if reply.status != 200 {
        refused(&reply, 401, "invalid_credentials");
    }
    reply.status
}

on_both! {
    async fn five_wrong_passwords_are_free_and_then_even_the_right_one_waits(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        app.sign_up("ada").await;
        for at in 0..5 {
            let node = if at % 2 == 0 { app.anon() } else { other.anon() };
            assert_eq!(attempt(&node, "ada", "wrong", None).await, 401);
        }
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 401);
        assert_eq!(attempt(&other.anon(), "ada", PASSWORD, None).await, 401, "on every node");
        app.clock.advance(Duration::from_millis(999));
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 401);
        app.clock.advance(Duration::from_millis(1));
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 200);
        assert_eq!(attempt(&app.anon(), "ada", "wrong", None).await, 401);
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 200, "the count starts afresh");
    }

    async fn the_wait_doubles_up_to_a_quarter_of_an_hour(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        for _ in 0..5 {
            attempt(&app.anon(), "ada", "wrong", None).await;
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            app.clock.advance(Duration::from_secs(wait - 1));
            assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 401, "{wait} not over yet");
            app.clock.advance(Duration::from_secs(1));
            assert_eq!(attempt(&app.anon(), "ada", "wrong", None).await, 401);
        }
        app.clock.advance(Duration::from_mins(15));
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 200);
    }

    async fn strangers_do_not_keep_out_a_device_that_is_known(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let bob = app.sign_up("bob").await;
        for _ in 0..8 {
            attempt(&app.anon(), "ada", "wrong", None).await;
            attempt(&app.anon(), "ada", "wrong", Some("pcd_madeup")).await;
            attempt(&app.anon(), "ada", "wrong", bob.device_token.as_deref()).await;
        }
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 401);
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, bob.device_token.as_deref()).await, 401);
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, ada.device_token.as_deref()).await, 200);
    }

    async fn a_known_device_that_guesses_slows_only_itself_down(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        for _ in 0..5 {
            attempt(&app.anon(), "ada", "wrong", ada.device_token.as_deref()).await;
        }
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, ada.device_token.as_deref()).await, 401);
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 200);
    }

    async fn addresses_that_nobody_has_behave_the_same(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        let mut bodies = std::collections::HashSet::new();
        for _ in 0..7 {
            for name in ["ada", "nobody"] {
                let reply = app.anon().post("/auth/login", &credentials(name, "wrong")).await;
                refused(&reply, 401, "invalid_credentials");
                bodies.insert(reply.body);
            }
        }
        assert_eq!(bodies.len(), 1);
    }

    async fn twenty_right_passwords_at_once_all_sign_in(backend: Backend) {
        let app = TestApp::new(backend).await;
        app.sign_up("ada").await;
        for round in 0..10 {
            let calls = (0..20).map(|_| {
                let actor = app.anon();
                tokio::spawn(async move { attempt(&actor, "ada", PASSWORD, None).await })
            });
            for call in calls.collect::<Vec<_>>() {
                assert_eq!(call.await.unwrap(), 200, "round {round}");
            }
        }
    }

    async fn wrong_passwords_at_once_do_not_outrun_the_count(backend: Backend) {
        let app = TestApp::new(backend).await;
        let other = app.another(|_| {}).await;
        app.sign_up("ada").await;
        let calls = (0..40).map(|at| {
            let actor = if at % 2 == 0 { app.anon() } else { other.anon() };
            tokio::spawn(async move { attempt(&actor, "ada", &format!("wrong {at}"), None).await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), 401);
        }
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 401);
        // Had more than five been counted, the wait would be longer than after the fifth.
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(attempt(&app.anon(), "ada", PASSWORD, None).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_wrong_passwords_at_once_at_most_five_are_looked_at() {
    let app = TestApp::new(Backend::Postgres).await;
    app.sign_up("ada").await;
    let calls = (0..40).map(|at| {
        let actor = app.anon();
        tokio::spawn(async move { attempt(&actor, "ada", &format!("wrong {at}"), None).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 401);
    }
    let sql = "SELECT detail, count(*) FROM audit_events WHERE kind = 'login.failed' GROUP BY 1 ORDER BY 1";
    let told = postgres::query(&app.database.url, sql).expect("the audit log can be read");
    let counts: Vec<_> = told.lines().filter_map(|line| line.rsplit_once('|')).collect();
    assert_eq!(counts.len(), 2, "{told}");
    for (reason, count) in counts {
        let expected = if reason.contains("wrong password") { "5" } else { "35" };
        assert_eq!(count, expected, "{told}");
    }
}
