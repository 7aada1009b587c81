//! SIGTERM while requests run: what was sent before is answered, nothing new is taken, and the exit code is 0.

use std::io;
use std::time::Duration;

use portcullis_testkit::http_client::{read_reply, request};
use portcullis_testkit::{Backend, PASSWORD, RunningServer, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::{installation, register};

crate::on_both!(what_was_sent_before_is_answered);

const OF_EACH_KIND: usize = 15;

type Connection = BufReader<TcpStream>;

async fn connect(server: &RunningServer) -> Connection {
    BufReader::new(TcpStream::connect(server.address()).await.expect("the server listens"))
}

fn credentials() -> Value {
    json!({ "email": "ada@example.org", "password": PASSWORD })
}

async fn send(connection: &mut Connection, text: &str) {
    connection.write_all(text.as_bytes()).await.expect("it takes the request");
}

async fn many<T>(one: impl AsyncFn() -> T) -> Vec<T> {
    let mut all = Vec::new();
    while all.len() < OF_EACH_KIND {
        all.push(one().await);
    }
    all
}

/// A request that the server has begun with, and whose body it waits for.
async fn half_sent(server: &RunningServer) -> Connection {
    let mut connection = connect(server).await;
    let length = credentials().to_string().len().to_string();
    let headers =
        [("Content-Type", "application/json"), ("Content-Length", &length), ("Expect", "100-continue")];
    send(&mut connection, &request("POST", "/auth/login", &headers, None)).await;
    let mut go_on = [0; 25];
    connection.read_exact(&mut go_on).await.expect("an interim answer");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection
}

/// A connection that has been answered once, and is kept.
async fn kept(server: &RunningServer) -> Connection {
    let mut connection = connect(server).await;
    send(&mut connection, &request("GET", "/health/live", &[], None)).await;
    assert_eq!(read_reply(&mut connection).await.expect("an answer").status, 200);
    connection
}

async fn assert_answered(what: &str, connections: Vec<Connection>) {
    for mut connection in connections {
        let reply = read_reply(&mut connection).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    }
}

async fn what_was_sent_before_is_answered(backend: Backend) {
    let site = installation(backend).env("PORTCULLIS_PASSWORD__MAX_QUEUE_WAIT", "20s");
    let mut server = site.serve().await;
    register(&mut server.client(), "ada@example.org").await;
    let login = request("POST", "/auth/login", &[], Some(&credentials()));
    let mut half = many(async || half_sent(&server).await).await;
    let mut kept = many(async || kept(&server).await).await;

    // Frozen, it finds all of this together when it goes on: requests on connections that it knows and on some
    // that it has not even accepted, and the signal, which came last.
    server.signal("STOP").await;
    for connection in &mut kept {
        send(connection, &login).await;
    }
    let mut fresh = many(async || connect(&server).await).await;
    for connection in &mut fresh {
        send(connection, &login).await;
    }
    server.signal("TERM").await;
    server.signal("CONT").await;

    assert_answered("on a kept connection", kept).await;
    assert_answered("on a new connection", fresh).await;
    eventually(Duration::from_secs(10), "nothing new is taken", async || {
        let refused = TcpStream::connect(server.address()).await.err()?;
        (refused.kind() == io::ErrorKind::ConnectionRefused).then_some(())
    })
    .await;
    assert!(server.runs(), "requests are still under way");
    for connection in &mut half {
        send(connection, &credentials().to_string()).await;
    }
    assert_answered("half sent", half).await;
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}
