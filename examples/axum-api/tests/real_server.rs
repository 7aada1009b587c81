//! The whole way: sign up at a Portcullis server, call the service, sign out, be refused.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use portcullis_core::time::Clock as _;
use portcullis_testkit::{Backend, ManualClock, TestApp};
use portcullis_verify::{Builder, Clock, Ended, SystemClock, Verifier};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::ServiceExt as _;

/// The server's clock, which stands still, and a real one for how long things take.
struct SharedClock {
    server: Arc<ManualClock>,
    system: SystemClock,
}

impl Clock for SharedClock {
    fn unix_seconds(&self) -> i64 {
        self.server.now().seconds()
    }

    fn elapsed(&self) -> Duration {
        self.system.elapsed()
    }
}

/// Serves a node on a loopback port; its URL.
async fn serve(node: &TestApp) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let app = node.app.clone();
    let server = tokio::spawn(async move {
        let config = portcullis_web::serve::ServeConfig::default();
        portcullis_web::serve::serve(listener, app, config, std::future::pending()).await;
    });
    (url, server)
}

async fn status(service: &Router, method: &str, path: &str, token: &str) -> u16 {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(r#"{"text": "a note"}"#));
    service.clone().oneshot(request.expect("a request")).await.expect("never fails").status().as_u16()
}

/// Of the tokens of `node`, which is reached at `url`.
fn verifier_of(node: &TestApp, url: &str) -> Builder {
    let clock = SharedClock { server: node.clock.clone(), system: SystemClock::new() };
    let issuer = "http://localhost:8400";
    Verifier::builder(issuer).audience(issuer).reach_at(url).clock(clock)
}

#[tokio::test]
async fn an_api_token_lives_on_with_the_rights_it_has_now() {
    let node = TestApp::new(Backend::Sqlite).await;
    let (url, server) = serve(&node).await;
    let root = node.sign_up("root").await;
    node.cx.set_role(root.user.as_deref().unwrap().parse().unwrap(), "admin").await.expect("set");
    let root = node.sign_in("root").await;
    let client = root.post("/admin/api/clients", &json!({"name": "notes"})).await.json;
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let builder = verifier_of(&node, &url);
    let builder = builder.introspect_with(text(&client["client_id"]), text(&client["client_secret"]));
    let verifier = builder.discover().await.expect("the server is up");
    let service = axum_api::router(&verifier);

    let alice = node.sign_up("alice").await;
    let made = alice.post("/auth/tokens", &json!({"name": "x", "scopes": ["notes", "mail"]})).await.json;
    let (token, path) = (text(&made["token"]), format!("/auth/tokens/{}", text(&made["id"])));
    assert_eq!(status(&service, "POST", "/notes", &token).await, 201);
    // Each ends what was known of the token so far, and not the token.
    let ended = verifier.watch(&verifier.verify(&token).await.expect("good"));
    assert_eq!(alice.patch(&path, &json!({"scopes": ["notes"]})).await.status, 200);
    assert_eq!(ended.await, Ended::Revoked);
    assert_eq!(status(&service, "POST", "/notes", &token).await, 201);
    let ended = verifier.watch(&verifier.verify(&token).await.expect("good"));
    node.cx.set_role(alice.user.as_deref().unwrap().parse().unwrap(), "editor").await.expect("set");
    assert_eq!(ended.await, Ended::Revoked);
    assert_eq!(status(&service, "POST", "/notes", &token).await, 201);
    let claims = verifier.verify(&token).await.expect("good");
    assert_eq!((claims.role(), claims.has_scope("mail"), claims.generation()), ("editor", false, 3));
    let ended = verifier.watch(&claims);
    assert_eq!(alice.delete(&path).await.status, 401, "her session's token says the old role");
    let alice = node.sign_in("alice").await;
    assert_eq!(alice.delete(&path).await.status, 204);
    assert_eq!(ended.await, Ended::Revoked);
    assert_eq!(status(&service, "POST", "/notes", &token).await, 401);
    server.abort();
}

#[tokio::test]
async fn from_sign_up_to_sign_out() {
    let node = TestApp::new(Backend::Sqlite).await;
    let (url, server) = serve(&node).await;
    let verifier = verifier_of(&node, &url).discover().await.expect("the server is up");
    let service = axum_api::router(&verifier);

    let alice = node.sign_up("alice").await;
    let token = alice.access_token.clone().expect("signed in");
    let other = node.sign_in("alice").await.access_token.expect("signed in again");
    assert_eq!(status(&service, "GET", "/me", &token).await, 200);
    assert_eq!(status(&service, "POST", "/notes", &token).await, 201);
    assert_eq!(status(&service, "GET", "/stats", &token).await, 403);
    assert_eq!(status(&service, "GET", "/me", &other).await, 200);

    let claims = verifier.verify(&token).await.expect("good");
    assert_eq!(Some(claims.user_id()), alice.user.as_deref());
    assert_eq!(Some(claims.session_id()), alice.session.as_deref());
    let ended = verifier.watch(&claims);
    let signed_out = Instant::now();
    assert_eq!(alice.post("/auth/logout", &json!({})).await.status, 204);
    assert_eq!(ended.await, Ended::Revoked);
    // Not a measurement: with a feed that is not followed this would be the 15 minutes of the token.
    assert!(signed_out.elapsed() < Duration::from_secs(10));
    assert_eq!(status(&service, "GET", "/me", &token).await, 401);
    assert_eq!(status(&service, "GET", "/me", &other).await, 200, "another session of the same user");
    server.abort();
}
