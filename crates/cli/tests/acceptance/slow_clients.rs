//! Clients that send slowly, or far too much: answered 4xx or closed, and no memory is kept.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_testkit::Backend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::JoinSet;

use crate::process::resident_kib;
use crate::support::{installation, login, register};

const OF_EACH_KIND: usize = 50;
const TEN_MEGABYTES: usize = 10 * 1024 * 1024;
/// Nobody may hold a connection for longer, whatever they do: the limits set below, and time to be told.
const PATIENCE: Duration = Duration::from_secs(15);
/// A slow client's pace.
const DRIP: Duration = Duration::from_millis(50);
/// What the allocator and a few caches may add over three rounds.
const MOST_GROWTH_KIB: i64 = 6 * 1024;

const HEAD: &str = "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

#[derive(Clone, Copy, Debug)]
enum Client {
    /// A head without end, a byte at a time.
    SlowHead,
    /// A body that takes for ever, a byte at a time.
    SlowBody,
    /// Ten megabytes that were announced.
    LargeBody,
    /// Ten megabytes in pieces, nobody knows how many.
    EndlessBody,
}

const KINDS: [Client; 4] = [Client::SlowHead, Client::SlowBody, Client::LargeBody, Client::EndlessBody];

impl Client {
    const fn drips(self) -> bool {
        matches!(self, Self::SlowHead | Self::SlowBody)
    }

    fn first(self) -> String {
        match self {
            Self::SlowHead => format!("{HEAD}X-Slow: "),
            Self::SlowBody => format!("{HEAD}Content-Length: 60000\r\n\r\n{{\"email\": \""),
            Self::LargeBody => format!("{HEAD}Content-Length: {TEN_MEGABYTES}\r\n\r\n"),
            Self::EndlessBody => format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n"),
        }
    }

    async fn send(self, to: &mut OwnedWriteHalf) -> std::io::Result<()> {
        to.write_all(self.first().as_bytes()).await?;
        if self.drips() {
            let mut pace = tokio::time::interval(DRIP);
            loop {
                pace.tick().await;
                to.write_all(b"x").await?;
            }
        }
        let piece = match self {
            Self::EndlessBody => format!("{:x}\r\n{}\r\n", 16 * 1024, "x".repeat(16 * 1024)),
            _ => "x".repeat(16 * 1024),
        };
        for _ in 0..TEN_MEGABYTES / (16 * 1024) {
            to.write_all(piece.as_bytes()).await?;
        }
        std::future::pending().await
    }

    /// What came back until the server closed the connection.
    async fn run(self, server: SocketAddr) -> Vec<u8> {
        let (mut from, mut to) = TcpStream::connect(server).await.expect("it listens").into_split();
        let mut answer = Vec::new();
        let reading = async {
            // A reset after, or instead of, an answer is an end like any other.
            let _ = from.read_to_end(&mut answer).await;
        };
        let sending = async {
            // Whoever is not listened to any more still reads what was answered.
            let _ = self.send(&mut to).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = sending => {}
            ended = tokio::time::timeout(PATIENCE, reading) => ended.unwrap_or_else(|_| panic!("{self:?} holds on")),
        }
        answer
    }
}

fn assert_refused(client: Client, answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{client:?}: {text}");
}

async fn round(server: SocketAddr) {
    let mut clients = JoinSet::new();
    for client in KINDS.iter().copied().cycle().take(OF_EACH_KIND * KINDS.len()) {
        clients.spawn(async move { (client, client.run(server).await) });
    }
    while let Some(done) = clients.join_next().await {
        let (client, answer) = done.expect("no panic");
        assert_refused(client, &answer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_turned_away_and_cost_no_memory() {
    let site = installation(Backend::Sqlite)
        .env("PORTCULLIS_SERVER__HEADER_TIMEOUT", "1s")
        .env("PORTCULLIS_SERVER__REQUEST_TIMEOUT", "2s");
    let mut server = site.serve().await;
    register(&mut server.client(), "ada@example.org").await;
    // The first one makes the buffers and threads that stay.
    round(server.address()).await;
    let before = resident_kib(server.pid());
    for _ in 0..3 {
        round(server.address()).await;
    }
    let growth = resident_kib(server.pid()) - before;
    assert!(growth < MOST_GROWTH_KIB, "{growth} KiB more than {before} KiB");
    login(&mut server.client(), "ada@example.org").await;
    assert!(server.runs());
}
