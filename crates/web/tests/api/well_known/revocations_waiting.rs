//! Many who wait: what wakes them, what it costs, and who may not.

use std::time::Duration;

use portcullis_testkit::{Actor, Backend, Reply, TestApp};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::on_both;
use crate::support::{FEED, common_headers, eventually, hashed};

const FROM_THE_START: &str = "/.well-known/portcullis/revocations?after=0-0000000000000000&wait=30";
const OF_ONE_ADDRESS: usize = 1_024;

fn waiting(actor: &Actor) -> JoinHandle<Reply> {
    let actor = actor.clone();
    tokio::spawn(async move { actor.get(FROM_THE_START).await })
}

async fn all_wait(app: &TestApp, count: usize) {
    eventually("all wait", async || app.app.waiting() == count).await;
}

async fn nobody_waits(app: &TestApp) {
    eventually("nobody waits", async || app.app.waiting() == 0).await;
}

on_both! {
    async fn a_thousand_are_woken_with_one_answer(backend: Backend) {
        let app = TestApp::new(backend).await;
        let ada = app.sign_up("ada").await;
        let readers: Vec<_> = (0..1_000).map(|_| waiting(&app.anon())).collect();
        all_wait(&app, 1_000).await;
        ada.post("/auth/logout", &json!({})).await;
        let mut bodies = Vec::new();
        for reader in readers {
            bodies.push(reader.await.expect("no panic").body);
        }
        assert!(bodies.iter().all(|body| body.as_ptr() == bodies[0].as_ptr()), "made once");
        let told: serde_json::Value = serde_json::from_slice(&bodies[0]).unwrap();
        assert_eq!(told["sessions"][0]["id"], hashed(ada.session.as_deref().unwrap()));
        assert_eq!(told["sessions"].as_array().unwrap().len(), 1);
        nobody_waits(&app).await;
    }
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let (one, other) = (app.anon().from_address("192.0.2.1"), app.anon().from_address("192.0.2.2"));
    let mut readers: Vec<_> = (0..OF_ONE_ADDRESS).map(|_| waiting(&one)).collect();
    all_wait(&app, OF_ONE_ADDRESS).await;
    let at_once = one.get(FROM_THE_START).await;
    assert_eq!((at_once.status, &at_once.json["sessions"]), (200, &json!([])));
    assert_eq!(at_once.header("retry-after"), Some("5"));
    assert_eq!(at_once.header("cache-control"), Some("no-store"));
    assert_eq!(one.get(FEED).await.header("retry-after"), None, "who does not wait needs no place");
    readers.push(waiting(&other));
    all_wait(&app, OF_ONE_ADDRESS + 1).await;
    // Who goes away gives the place back.
    readers[0].abort();
    all_wait(&app, OF_ONE_ADDRESS).await;
    readers[0] = waiting(&one);
    all_wait(&app, OF_ONE_ADDRESS + 1).await;
    ada.post("/auth/logout", &json!({})).await;
    for reader in readers {
        assert_eq!(reader.await.expect("no panic").json["sessions"].as_array().unwrap().len(), 1);
    }
    nobody_waits(&app).await;
}

#[tokio::test]
async fn a_node_that_goes_down_keeps_nobody_waiting() {
    let app = TestApp::new(Backend::Sqlite).await;
    let readers: Vec<_> = (0..10).map(|_| waiting(&app.anon())).collect();
    all_wait(&app, 10).await;
    app.app.readiness().stop();
    for reader in readers {
        let reply = reader.await.expect("no panic");
        assert_eq!((reply.status, &reply.json["sessions"]), (200, &json!([])));
        assert_eq!(reply.header("retry-after"), Some("1"));
        common_headers(&reply);
    }
    let late = app.anon().get(FROM_THE_START).await;
    assert_eq!((late.status, late.header("retry-after")), (200, Some("1")));
    nobody_waits(&app).await;
}

#[tokio::test]
async fn a_wait_may_be_longer_than_a_request() {
    let app = TestApp::new(Backend::Sqlite).await;
    let hasty = app.another(|setup| setup.web.request_timeout = Duration::from_millis(1)).await;
    let reader = waiting(&hasty.anon());
    all_wait(&hasty, 1).await;
    // Takes longer than a millisecond.
    let ada = app.sign_up("ada").await;
    assert_eq!(hasty.app.waiting(), 1);
    ada.post("/auth/logout", &json!({})).await;
    let told = reader.await.expect("no panic");
    assert_eq!((told.status, told.json["sessions"].as_array().unwrap().len()), (200, 1));
}
