use http::{Method, Request};
use portcullis_testkit::{Backend, TestApp};

use crate::support::common_headers;

const PATH: &str = "/.well-known/jwks.json";

#[tokio::test]
async fn holds_public_keys_alone() {
    let app = TestApp::new(Backend::Sqlite).await;
    for path in [PATH, "/.well-known/jwks.json/"] {
        let reply = app.anon().get(path).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        common_headers(&reply);
        let keys = reply.json["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 1);
        let mut members: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!((&keys[0]["alg"], &keys[0]["use"]), (&"ES256".into(), &"sig".into()));
    }
}

#[tokio::test]
async fn who_has_it_already_is_told_so() {
    let app = TestApp::new(Backend::Sqlite).await;
    let tag = app.anon().get(PATH).await.header("etag").expect("a tag").to_owned();
    let again = app.anon().with_header("if-none-match", &tag).get(PATH).await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(&*tag)));
    app.cx.rotate_signing_key().await.unwrap();
    let changed = app.anon().with_header("if-none-match", &tag).get(PATH).await;
    assert_eq!((changed.status, changed.json["keys"].as_array().unwrap().len()), (200, 2));
    let head = Request::builder().method(Method::HEAD).uri(PATH);
    let head = app.anon().exchange(head, axum::body::Body::empty()).await;
    assert_eq!(head.header("etag"), changed.header("etag"));
}
