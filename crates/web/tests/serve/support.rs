//! A server on a free port and a client that speaks HTTP by hand.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use portcullis_web::serve::{ServeConfig, listen, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A limit that a test waits to run out.
pub(crate) const SOON: Duration = Duration::from_millis(50);

/// Fails a test that would hang.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("the server acts in time")
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<usize>,
}

impl Server {
    pub(crate) fn start(router: Router, config: ServeConfig) -> Self {
        let listener = listen("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(serve(listener, router, config, async {
            let _ = stopped.await;
        }));
        Self { address, stop, ended }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Begins the shutdown; the handle answers how many connections were cut.
    pub(crate) fn begin_stop(self) -> JoinHandle<usize> {
        self.stop.send(()).expect("the server runs");
        self.ended
    }

    pub(crate) async fn stop(self) -> usize {
        within(self.begin_stop()).await.expect("the server ends")
    }
}

pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(within(TcpStream::connect(address)).await.expect("the server listens"))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("connected")
    }

    pub(crate) async fn send(&mut self, text: &str) {
        within(self.0.write_all(text.as_bytes())).await.expect("the server reads");
    }

    pub(crate) async fn get(&mut self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        self.response().await
    }

    /// One response with a Content-Length, head and body.
    pub(crate) async fn response(&mut self) -> String {
        let mut response = String::new();
        while !is_whole(&response) {
            let mut buffer = [0; 1024];
            let read = within(self.0.read(&mut buffer)).await.expect("an answer");
            assert_ne!(read, 0, "closed after: {response}");
            response.push_str(std::str::from_utf8(&buffer[..read]).expect("text"));
        }
        response
    }

    /// Whatever comes until the server closes.
    pub(crate) async fn read_to_close(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is a close, too.
        let _ = within(self.0.read_to_end(&mut rest)).await;
        // HTTP/2 frames are no text.
        String::from_utf8_lossy(&rest).into_owned()
    }
}

fn is_whole(response: &str) -> bool {
    let Some((head, body)) = response.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.expect("a length").parse().expect("a number")
}
