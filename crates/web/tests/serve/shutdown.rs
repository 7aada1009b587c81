//! The end: running requests finish, nothing new begins, and no one can hold the server up.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use portcullis_web::serve::ServeConfig;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{SOON, Server, within};

/// A route whose request tells when it runs, and ends when it may.
fn gated() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (runs, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, gate) = (Arc::clone(&runs), Arc::clone(&may_end));
    let handler = move || async move {
        tell.notify_one();
        gate.notified().await;
        "done"
    };
    (Router::new().route("/", get(handler)), runs, may_end)
}

#[tokio::test]
async fn a_running_request_finishes_and_new_connections_are_refused() {
    let (router, runs, may_end) = gated();
    let server = Server::start(router, ServeConfig::default());
    let address = server.address;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    within(runs.notified()).await;

    let ended = server.begin_stop();
    assert_eq!(idle.read_to_close().await, "", "an idle connection is closed at once");
    within(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    assert!(!ended.is_finished(), "the request still runs");

    may_end.notify_one();
    let response = busy.read_to_close().await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("done"), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
    assert_eq!(within(ended).await.expect("the server ends"), 0);
}

#[tokio::test]
async fn a_kept_connection_is_closed() {
    let server = Server::start(Router::new().route("/", get(|| async { "hello" })), ServeConfig::default());
    let mut kept = server.connect().await;
    kept.get("/").await;
    let ended = server.begin_stop();
    assert_eq!(kept.read_to_close().await, "");
    assert_eq!(within(ended).await.expect("the server ends"), 0);
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cut_and_counted() {
    let runs = Arc::new(Notify::new());
    let tell = Arc::clone(&runs);
    let forever = move || async move {
        tell.notify_one();
        pending::<()>().await;
    };
    let config = ServeConfig { shutdown_grace: SOON, ..ServeConfig::default() };
    let server = Server::start(Router::new().route("/", get(forever)), config);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    within(runs.notified()).await;
    assert_eq!(server.stop().await, 1);
    assert_eq!(client.read_to_close().await, "");
}

#[tokio::test]
async fn half_a_head_holds_the_end_up_no_longer_than_a_head_may_take() {
    let config = ServeConfig {
        header_timeout: SOON,
        shutdown_grace: Duration::from_hours(1),
        ..ServeConfig::default()
    };
    let server = Server::start(Router::new().route("/", get(|| async { "hello" })), config);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\n").await;
    assert_eq!(server.stop().await, 0);
    assert_eq!(client.read_to_close().await, "");
}
