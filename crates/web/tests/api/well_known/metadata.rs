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
        "token_endpoint": "http://localhost:8400/oauth/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "grant_types_supported":
            ["refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
        "introspection_endpoint": "http://localhost:8400/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint": "http://localhost:8400/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "service_documentation": "http://localhost:8400/docs",
    });
    assert_eq!(reply.json, expected);
    for endpoint in ["jwks_uri", "portcullis_revocations_endpoint"] {
        let path = expected[endpoint].as_str().unwrap().trim_start_matches("http://localhost:8400");
        assert_eq!(app.anon().get(path).await.status, 200);
    }
    for (endpoint, status) in
        [("token_endpoint", 400), ("introspection_endpoint", 401), ("revocation_endpoint", 400)]
    {
        let path = expected[endpoint].as_str().unwrap().trim_start_matches("http://localhost:8400");
        assert_eq!(app.anon().post(path, &json!({})).await.status, status, "{endpoint}");
    }
}
