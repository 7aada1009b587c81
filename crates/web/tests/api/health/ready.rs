use std::time::Duration;

use portcullis_core::time::Clock as _;
use portcullis_testkit::{Backend, TestApp};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::{common_headers, private};

/// Puts the test's clock to the database's, if that has one of its own.
async fn set_clock(app: &TestApp) {
    if let Some(theirs) = app.cx.store.database_clock().await.expect("the database answers") {
        app.clock.set(theirs);
    }
}

fn checks(names: &[(&str, &str)]) -> Value {
    names.iter().map(|(name, status)| json!({"name": name, "status": status})).collect()
}

on_both! {
    async fn says_each_check_and_no_detail(backend: Backend) {
        let app = TestApp::new(backend).await;
        set_clock(&app).await;
        let names = [("store", "ok"), ("schema", "ok"), ("clock", "ok"), ("signing keys", "ok"), ("revocations", "ok")];
        let expected = json!({"status": "ok", "checks": checks(&names)});
        for path in ["/health/ready", "/health/ready/"] {
            let reply = app.anon().with_header("host", "probe.internal").get(path).await;
            private(&reply, 200);
            assert_eq!(reply.json, expected);
        }
    }

    async fn a_node_that_goes_down_wants_nothing_more(backend: Backend) {
        let app = TestApp::new(backend).await;
        set_clock(&app).await;
        app.app.readiness().stop();
        let reply = app.anon().get("/health/ready").await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
        common_headers(&reply);
        let expected = json!({"status": "unavailable", "checks": checks(&[("shutdown", "fault")])});
        assert_eq!(reply.json, expected);
        assert_eq!(app.anon().get("/health/live").await.status, 200);
        assert_eq!(app.anon().get("/auth/config").await.status, 200, "running clients are still served");
    }
}

#[tokio::test]
async fn a_clock_ten_seconds_off_is_a_fault() {
    let app = TestApp::new(Backend::Postgres).await;
    set_clock(&app).await;
    app.clock.set(app.clock.now() - Duration::from_secs(11));
    let reply = app.anon().get("/health/ready").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json["checks"][2], json!({"name": "clock", "status": "fault"}));
    app.clock.advance(Duration::from_secs(11));
    assert_eq!(app.anon().get("/health/ready").await.status, 200);
}
