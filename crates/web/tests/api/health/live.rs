use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use crate::support::private;

#[tokio::test]
async fn answers_whoever_asks_by_whatever_name() {
    let app = TestApp::new(Backend::Sqlite).await;
    for host in ["localhost", "10.1.2.3:8400", "probe.internal"] {
        let reply = app.anon().with_header("host", host).get("/health/live").await;
        private(&reply, 200);
        assert_eq!(reply.json, json!({"status": "ok"}));
    }
    let garbage = app.anon().with_header("authorization", "garbage \u{fc}");
    private(&garbage.get("/health/live/").await, 200);
}
