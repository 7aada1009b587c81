use portcullis_testkit::app::FORWARD_SECRET;
use portcullis_testkit::{Backend, TestApp};

use crate::support::{claims_of, private, refused};

const FORWARD: &str = "x-portcullis-forward";

#[tokio::test]
async fn a_proxy_with_the_secret_is_told_who_it_is() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await.with_header(FORWARD, FORWARD_SECRET);
    for path in ["/auth/verify", "/auth/verify/"] {
        let reply = ada.get(path).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let claims = claims_of(&ada);
        for (header, claim) in
            [("x-auth-user", "sub"), ("x-auth-role", "role"), ("x-auth-account", "account")]
        {
            assert_eq!(reply.header(header), claims[claim].as_str(), "{header}");
        }
    }
    ada.post("/auth/logout", &serde_json::json!({})).await;
    refused(&ada.get("/auth/verify").await, 401, "invalid_token");
    refused(&ada.bearing(None).get("/auth/verify").await, 401, "missing_token");
}

#[tokio::test]
async fn for_everybody_else_it_is_not_there() {
    let app = TestApp::new(Backend::Sqlite).await;
    let ada = app.sign_up("ada").await;
    let twice = ada.with_header(FORWARD, FORWARD_SECRET).with_header(FORWARD, FORWARD_SECRET);
    let longer = format!("{FORWARD_SECRET}x");
    let others = [
        ada.clone(),
        ada.with_header(FORWARD, ""),
        ada.with_header(FORWARD, &longer),
        ada.with_header(FORWARD, &FORWARD_SECRET[1..]),
        ada.with_header(FORWARD, &FORWARD_SECRET.to_uppercase()),
        twice,
    ];
    for actor in others {
        refused(&actor.get("/auth/verify").await, 404, "not_found");
    }
    let without = TestApp::with(Backend::Sqlite, |setup| setup.web.forward_secret = None).await;
    let bob = without.sign_up("bob").await;
    for secret in ["", FORWARD_SECRET] {
        refused(&bob.with_header(FORWARD, secret).get("/auth/verify").await, 404, "not_found");
    }
}

#[tokio::test]
async fn the_account_is_left_out_of_no_answer_by_a_strange_role() {
    let app = TestApp::new(Backend::Sqlite).await;
    let mut ada = app.sign_up("ada").await;
    app.cx.set_role(crate::support::user_id(&ada), "night-shift_2").await.unwrap();
    private(&ada.refresh().await, 200);
    let reply = ada.with_header(FORWARD, FORWARD_SECRET).get("/auth/verify").await;
    assert_eq!(reply.header("x-auth-role"), Some("night-shift_2"));
}
