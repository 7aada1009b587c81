use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use crate::support::common_headers;

#[tokio::test]
async fn says_what_is_there_and_nothing_else() {
    let app = TestApp::new(Backend::Sqlite).await;
    let reply = app.anon().get("/.well-known/oauth-authorization-server").await;
    assert_eq!(reply.status, 200);
    common_headers(&reply);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    let expected = json!({
        "issuer": "http://localhost:8400",
        "jwks_uri": "http://localhost:8400/.well-known/jwks.json",
        "portcullis_revocations_endpoint": "http://localhost:8400/.well-known/portcullis/revocations",
        "service_documentation": "http://localhost:8400/docs",
    });
    assert_eq!(reply.json, expected);
    for endpoint in ["jwks_uri", "portcullis_revocations_endpoint"] {
        let path = expected[endpoint].as_str().unwrap().trim_start_matches("http://localhost:8400");
        assert_eq!(app.anon().get(path).await.status, 200);
    }
}
