use portcullis_core::registration::Mode;
use portcullis_testkit::{Backend, TestApp};
use serde_json::json;

use crate::support::{common_headers, refused};

#[tokio::test]
async fn says_what_a_sign_in_page_needs() {
    let app = TestApp::new(Backend::Sqlite).await;
    let reply = app.anon().get("/auth/config").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("public, max-age=60"));
    common_headers(&reply);
    let expected = json!({
        "registration": {"open": true, "invite_required": false, "email_verification_required": false},
        "password": {"min_length": 15, "max_length": 128},
        "methods": ["password", "passkey"],
        "providers": [],
    });
    assert_eq!(reply.json, expected);
    refused(&app.anon().post("/auth/config", &json!({})).await, 405, "method_not_allowed");
}

#[tokio::test]
async fn says_that_registration_is_closed() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.settings.registration.mode = Mode::Closed).await;
    let reply = app.anon().get("/auth/config").await;
    assert_eq!(reply.json["registration"]["open"], false);
}
