//! The server's secret key is changed in the three steps of the handbook, one node after the other, under load.

use std::time::Duration;

use portcullis_testkit::server::SERVER_KEY;
use portcullis_testkit::{Backend, Database, RunningServer, eventually};
use serde_json::Value;

use crate::load::Load;
use crate::support::{installation_on, login, refresh, register, verify};

const NEW_KEY: &str = "another server key for tests that is long enough";
const CURRENT: &str = "PORTCULLIS_SERVER__SECRET_KEY";
const ACCEPTED: &str = "PORTCULLIS_SERVER__SECRET_KEYS_ACCEPTED";
const CLIENTS: usize = 8;
/// A few refreshes of each client: on both nodes, before and after each restart.
const A_WHILE: u64 = 40;

/// One node at a time, as an operator would: the other one answers meanwhile.
async fn step(nodes: [&mut RunningServer; 2], current: &str, accepted: Option<&str>, load: &Load) {
    for node in nodes {
        node.set_env(CURRENT, Some(current));
        node.set_env(ACCEPTED, accepted);
        node.signal("TERM").await;
        assert_eq!(node.ended().await.code(), Some(0));
        node.start_again().await;
        load.more(A_WHILE).await;
    }
}

/// Whether doctor counts nothing under the old key.
fn says_free(doctor: &str) -> bool {
    let told: Value = serde_json::from_str(doctor).expect("JSON");
    let mut checks = told["checks"].as_array().expect("checks").iter();
    checks.any(|check| {
        let seen = check["seen"].as_str().expect("text");
        check["name"] == "server key"
            && seen.ends_with(
                ": 0 signing keys, 0 live sessions, 0 second factors, 0 parts of the audit chain (accepted)",
            )
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_in_three_steps_signs_nobody_out() {
    let database = Database::fresh(Backend::Postgres);
    let site = installation_on(&database.url);
    let operator = installation_on(&database.url).env(CURRENT, NEW_KEY).env(ACCEPTED, SERVER_KEY);
    let (mut a, mut b) = (site.serve().await, site.serve().await);
    let mut sessions = vec![register(&mut a.client(), "ada@example.org").await];
    while sessions.len() < CLIENTS {
        sessions.push(login(&mut b.client(), "ada@example.org").await);
    }
    let load = Load::start(&[a.address(), b.address()], sessions);
    load.more(A_WHILE).await;

    step([&mut a, &mut b], SERVER_KEY, Some(NEW_KEY), &load).await;
    step([&mut a, &mut b], NEW_KEY, Some(SERVER_KEY), &load).await;
    // The periodic work of a minute seals anew what is sealed under the old key.
    let mut pace = tokio::time::interval(Duration::from_secs(1));
    eventually(Duration::from_secs(90), "nothing is under the old key", async || {
        pace.tick().await;
        says_free(&operator.run(&["doctor", "--json"], "").await).then_some(())
    })
    .await;
    step([&mut a, &mut b], NEW_KEY, None, &load).await;

    assert_eq!(load.unavailable(), 0, "no node needed a key that it lacked");
    let last = load.stop().await;
    for node in [&a, &b] {
        let mut client = node.client();
        for tokens in &last {
            assert_eq!(verify(&mut client, &tokens.access).await.expect("an answer").status, 200);
            assert_eq!(refresh(&mut client, &tokens.refresh).await.expect("an answer").status, 200);
        }
    }
}
