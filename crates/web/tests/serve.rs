//! The accept loop over real sockets. Where time must pass, the test waits for the server to act, and never
//! sleeps itself.

#![expect(clippy::disallowed_methods, reason = "these routes are not the product's and belong in no table")]

#[path = "serve/descriptors.rs"]
mod descriptors;
#[path = "serve/limits.rs"]
mod limits;
#[path = "serve/shutdown.rs"]
mod shutdown;
#[path = "serve/support.rs"]
mod support;

use axum::Router;
use axum::routing::{get, post};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_web::serve::{PeerAddress, ServeConfig};
use support::{Server, within};
use tokio::net::TcpStream;

#[tokio::test]
async fn requests_carry_the_peer_address_and_share_a_connection() {
    let peer = |request: axum::extract::Request| async move {
        request.extensions().get::<PeerAddress>().expect("every request has it").0.to_string()
    };
    let server = Server::start(Router::new().route("/", get(peer)), ServeConfig::default());
    let mut client = server.connect().await;
    let own = client.address().to_string();
    for _ in 0..3 {
        let response = client.get("/").await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.ends_with(&own), "{response}");
    }
}

#[tokio::test]
async fn http2_is_spoken_by_prior_knowledge() {
    let server = Server::start(Router::new().route("/", get(|| async { "two" })), ServeConfig::default());
    let stream = TcpStream::connect(server.address).await.expect("connects");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("the server speaks HTTP/2");
    let driver = tokio::spawn(connection);
    let request = hyper::Request::get(format!("http://{}/", server.address)).body(Empty::<Bytes>::new());
    let response = within(sender.send_request(request.expect("a request"))).await.expect("an answer");
    assert_eq!(response.version(), hyper::Version::HTTP_2);
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(body, "two");

    assert_eq!(server.stop().await, 0, "an idle HTTP/2 connection ends with the server");
    within(driver).await.expect("the driver ends").expect("by a good-bye, not by an error");
}

#[tokio::test]
async fn a_slow_body_is_read_to_its_end() {
    let config = ServeConfig { header_timeout: support::SOON, ..ServeConfig::default() };
    let server = Server::start(Router::new().route("/", post(|body: String| async move { body })), config);
    let mut slow = server.connect().await;
    slow.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n").await;
    for piece in ["a", "b"] {
        slow.send(piece).await;
        // A connection opened after the piece was sent is closed for its slow head: so much time has passed.
        server.connect().await.read_to_close().await;
    }
    slow.send("c").await;
    let response = slow.response().await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("abc"), "{response}");
}
