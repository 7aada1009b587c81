//! Connections that are held for nothing are closed; too many are refused.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use hyper::body::{Bytes, Frame};
use portcullis_web::serve::ServeConfig;
use tokio::sync::mpsc;

use crate::support::{SOON, Server, within};

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

#[tokio::test]
async fn a_head_that_does_not_end_is_closed_unanswered() {
    let config = ServeConfig { header_timeout: SOON, ..ServeConfig::default() };
    let server = Server::start(hello(), config);
    for beginning in
        ["", "G", "GET / HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut client = server.connect().await;
        client.send(beginning).await;
        let answer = client.read_to_close().await;
        assert!(!answer.contains("HTTP/1.1"), "{beginning}: {answer}");
    }
}

#[tokio::test]
async fn a_later_head_that_does_not_end_is_closed_too() {
    // Only the limit of heads can run out here.
    let config =
        ServeConfig { header_timeout: SOON, keep_alive: Duration::from_hours(1), ..ServeConfig::default() };
    let server = Server::start(hello(), config);
    let mut client = server.connect().await;
    client.get("/").await;
    client.send("GET / HT").await;
    assert_eq!(client.read_to_close().await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let config = ServeConfig { keep_alive: SOON, ..ServeConfig::default() };
    let server = Server::start(hello(), config);
    let mut client = server.connect().await;
    client.get("/").await;
    assert_eq!(client.read_to_close().await, "");
}

#[tokio::test]
async fn a_head_without_measure_is_refused() {
    let server = Server::start(hello(), ServeConfig::default());
    let mut client = server.connect().await;
    let padding = "x".repeat(100_000);
    client.send(&format!("GET / HTTP/1.1\r\nHost: x\r\nX-Padding: {padding}\r\n\r\n")).await;
    let answer = client.read_to_close().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

/// A body without end that tells when it is dropped.
struct Endless(mpsc::Sender<()>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 16_384])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let (dropped, mut was_dropped) = mpsc::channel(1);
    let endless = move || async move { Body::new(Endless(dropped)) };
    let config = ServeConfig { write_timeout: SOON, ..ServeConfig::default() };
    let server = Server::start(Router::new().route("/", get(endless)), config);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    within(was_dropped.recv()).await.expect("the connection is dropped while the client still holds it");
    drop(client);
}

#[tokio::test]
async fn a_connection_beyond_the_cap_is_told_to_come_back() {
    let config = ServeConfig { max_connections: 1, ..ServeConfig::default() };
    let server = Server::start(hello(), config);
    let mut first = server.connect().await;
    first.get("/").await;

    let mut second = server.connect().await;
    let refusal = second.get("/").await;
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert!(refusal.contains("\r\nretry-after: 1\r\n"), "{refusal}");
    assert!(refusal.contains(r#""code":"overloaded""#), "{refusal}");
    assert_eq!(second.read_to_close().await, "", "a refused connection is closed");

    let kept = first.get("/").await;
    assert!(kept.starts_with("HTTP/1.1 200 "), "the first goes on: {kept}");
    drop(first);
    // The slot is free as soon as the server has seen the close.
    within(async { while !server.connect().await.get("/").await.starts_with("HTTP/1.1 200 ") {} }).await;
}

#[tokio::test]
async fn a_rush_beyond_the_cap_leaves_no_client_hanging() {
    let config = ServeConfig { max_connections: 1, ..ServeConfig::default() };
    let server = Server::start(hello(), config);
    let mut first = server.connect().await;
    first.get("/").await;
    let mut rush = Vec::new();
    for _ in 0..200 {
        rush.push(server.connect().await);
    }
    // None of them sends anything: the polite ones are given up after their second, the others at once.
    for mut client in rush {
        client.read_to_close().await;
    }
    assert!(first.get("/").await.starts_with("HTTP/1.1 200 "));
}
