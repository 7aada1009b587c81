//! A gateway in front: whom it names is believed from a trusted proxy, or from the same process, and from nobody else.

use portcullis_testkit::{Actor, Backend, PASSWORD, TestApp};
use serde_json::json;

const SECRET: &str = "made-at-this-start-for-the-tests";

/// The address that a new session is noted under.
async fn noted(actor: &Actor) -> String {
    let body = json!({"email": "ada@example.org", "password": PASSWORD});
    let reply = actor.post("/auth/login", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sessions = actor.bearing(reply.json["access_token"].as_str()).get("/auth/sessions").await;
    let items = sessions.json["items"].as_array().unwrap().clone();
    let own = items.iter().find(|item| item["current"] == true).unwrap();
    own["address"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_our_own_gateway_names_a_client_by_its_secret() {
    let app = TestApp::with(Backend::Sqlite, |setup| setup.web.gateway_secret = Some(SECRET.into())).await;
    app.sign_up("ada").await;
    let named = app.anon().with_header("x-forwarded-for", "203.0.113.7");
    for (secret, address) in [
        (Some(SECRET), "203.0.113.7"),
        (Some("x"), "127.0.0.1"),
        (Some(""), "127.0.0.1"),
        (None, "127.0.0.1"),
    ] {
        let actor = secret.map_or(named.clone(), |secret| named.with_header("x-portcullis-gateway", secret));
        assert_eq!(noted(&actor).await, address, "{secret:?}");
    }
    let garbage =
        app.anon().with_header("x-forwarded-for", "unknown").with_header("x-portcullis-gateway", SECRET);
    assert_eq!(noted(&garbage).await, "127.0.0.1");
    let without = TestApp::new(Backend::Sqlite).await;
    without.sign_up("ada").await;
    let guess =
        without.anon().with_header("x-forwarded-for", "203.0.113.7").with_header("x-portcullis-gateway", "");
    assert_eq!(noted(&guess).await, "127.0.0.1", "no secret is no secret to show");
}

#[tokio::test]
async fn a_gateway_that_is_not_believed_is_told() {
    let app =
        TestApp::with(Backend::Sqlite, |setup| setup.web.trusted_proxies = vec!["10.0.0.1".into()]).await;
    let told = async |actor: Actor| {
        actor.get("/auth/config").await.header("x-portcullis-forwarded").map(str::to_owned)
    };
    let named = app.anon().with_header("x-forwarded-for", "192.0.2.1");
    assert_eq!(told(named.clone()).await.as_deref(), Some("ignored"));
    assert_eq!(told(named.from_address("10.0.0.1")).await, None);
    assert_eq!(told(app.anon()).await, None);
}
