//! The server key changes in three steps over two nodes, under load, and nobody is signed out.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_core::signing_key::PUBLISHING_DELAY;
use portcullis_testkit::{Actor, PASSWORD, Setup, TestApp};
use portcullis_web::App;
use serde_json::json;
use tokio::task::JoinSet;

use crate::on_both;
use crate::support::{credentials, eventually, private, refused};

const A: [u8; 32] = [1; 32];
const B: [u8; 32] = [2; 32];

fn keys(keys: &'static [[u8; 32]]) -> impl Fn(&mut Setup) + Copy {
    move |setup| setup.server_keys = keys.to_vec()
}

/// Where requests go: two nodes, of which one at a time is replaced.
struct Cluster {
    nodes: Mutex<[TestApp; 2]>,
    stop: AtomicBool,
    rotations: AtomicUsize,
}

impl Cluster {
    fn node(&self, at: usize) -> App {
        self.nodes.lock().unwrap()[at % 2].app.clone()
    }

    /// Restarts both nodes under these keys, one after the other.
    async fn roll(&self, starter: &TestApp, setup: impl Fn(&mut Setup) + Copy) {
        for at in 0..2 {
            let next = starter.another(setup).await;
            self.nodes.lock().unwrap()[at] = next;
            let seen = self.rotations.load(Ordering::Relaxed);
            eventually("refreshes go on", async || self.rotations.load(Ordering::Relaxed) > seen + 100).await;
        }
    }

    /// One client that refreshes, replays and asks, on either node in turn, until it is stopped.
    async fn client(self: Arc<Self>, mut actor: Actor) {
        let mut at = 0;
        while !self.stop.load(Ordering::Relaxed) {
            at += 1;
            let before = actor.refresh_token.clone().unwrap();
            actor = actor.through(self.node(at));
            private(&actor.refresh().await, 200);
            private(&actor.through(self.node(at + 1)).get("/auth/me").await, 200);
            let replay = actor.through(self.node(at + 1)).refresh_with(&before).await;
            private(&replay, 200);
            assert_eq!(replay.json["refresh_token"].as_str(), actor.refresh_token.as_deref());
            self.rotations.fetch_add(1, Ordering::Relaxed);
        }
    }
}

on_both! {
    async fn three_steps_under_load_sign_nobody_out(backend: Backend) {
        let first = TestApp::with(backend, keys(&[A])).await;
        let nodes = [first.another(keys(&[A])).await, first.another(keys(&[A])).await];
        let (stop, rotations) = (AtomicBool::new(false), AtomicUsize::new(0));
        let cluster = Arc::new(Cluster { nodes: Mutex::new(nodes), stop, rotations });
        let mut clients = JoinSet::new();
        for at in 0..8 {
            let actor = first.sign_up(&format!("user{at}")).await;
            clients.spawn(cluster.clone().client(actor));
        }
        cluster.roll(&first, keys(&[A, B])).await;
        cluster.roll(&first, keys(&[B, A])).await;
        let Err(refusal) = first.try_another(keys(&[B])).await else { panic!("A is still needed") };
        assert!(refusal.to_string().starts_with("server.secret_keys_accepted lacks the key"), "{refusal}");
        // The periodic work re-seals; sessions come under B as they rotate, which all of these have done.
        let worker = first.another(keys(&[B, A])).await;
        worker.cx.keep_house_once("test").await.unwrap();
        eventually("nothing is under A", async || {
            let usage = worker.cx.server_key_use().await.unwrap();
            usage.iter().filter(|usage| usage.is_free()).count() == 1
        })
        .await;
        cluster.roll(&first, keys(&[B])).await;
        cluster.stop.store(true, Ordering::Relaxed);
        while let Some(client) = clients.join_next().await {
            client.expect("no client was ever refused");
        }
    }

    async fn a_node_that_lacks_a_key_does_not_start(backend: Backend) {
        let app = TestApp::with(backend, keys(&[A])).await;
        app.sign_up("ada").await;
        let Err(refusal) = app.try_another(keys(&[B])).await else { panic!("A is needed") };
        let text = refusal.to_string();
        assert!(text.contains("1 signing keys, 1 live sessions and 0 second factors") && text.contains("server.secret_key"), "{text}");
        assert!(app.try_another(keys(&[B, A])).await.is_ok());
    }

    async fn a_node_that_lacks_a_key_at_run_time_answers_503_and_spends_nothing(backend: Backend) {
        let old = TestApp::with(backend, keys(&[A])).await;
        let new = old.another(keys(&[B, A])).await;
        let mut ada = new.sign_up("ada").await;
        refused(&ada.at(&old).refresh().await, 503, "key_unavailable");
        let logout = json!({"refresh_token": ada.refresh_token});
        refused(&ada.at(&old).post("/auth/logout", &logout).await, 503, "key_unavailable");
        private(&ada.at(&old).get("/auth/me").await, 200);
        private(&ada.refresh().await, 200);

        // A signing key that the old node can verify with, but not sign.
        let bob = old.sign_up("bob").await;
        new.cx.rotate_signing_key().await.unwrap();
        old.clock.advance(PUBLISHING_DELAY);
        old.cx.reload_signing_keys().await.unwrap();
        let mut bob_there = bob.at(&old);
        refused(&bob_there.refresh().await, 503, "key_unavailable");
        refused(&old.anon().post("/auth/login", &credentials("bob", PASSWORD)).await, 503, "key_unavailable");
        private(&ada.refresh().await, 200);
        private(&ada.at(&old).get("/auth/me").await, 200);
        assert_eq!(old.anon().get("/health/ready").await.status, 503);
        // Long after the grace: had the refusal spent the token, this would look like theft.
        old.clock.advance(Duration::from_mins(5));
        private(&bob.at(&new).clone().refresh().await, 200);
    }

    async fn a_key_that_this_database_never_saw_is_garbage(backend: Backend) {
        let app = TestApp::with(backend, keys(&[A])).await;
        let elsewhere = TestApp::with(backend, keys(&[B])).await;
        let ada = elsewhere.sign_up("ada").await;
        let token = ada.refresh_token.as_deref().unwrap();
        for _ in 0..3 {
            refused(&app.anon().refresh_with(token).await, 401, "invalid_token");
        }
        private(&app.anon().post("/auth/logout", &json!({"refresh_token": token})).await, 204);
        refused(&ada.at(&app).get("/auth/me").await, 401, "invalid_token");
    }
}
