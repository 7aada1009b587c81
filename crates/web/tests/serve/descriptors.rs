//! Out of file descriptors: the server waits until some are free, and neither ends nor spins.
//!
//! The limit holds for a whole process, so the server runs in one of its own: this test binary again, started with
//! a low `ulimit`.

use std::process::Stdio;

use axum::Router;
use axum::routing::get;
use portcullis_web::serve::{ServeConfig, listen, serve};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::support::{Client, within};

/// Tells the child process that it is one, so that `--ignored` runs by hand pass it by.
const CHILD: &str = "PORTCULLIS_TEST_CHILD";

/// Few, but enough for the runtime; far fewer than the connections of the test.
const DESCRIPTORS: u32 = 40;

#[tokio::test]
#[ignore = "the server of the test below, in a process of its own"]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let listener = listen("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    println!("\nlistening on {}", listener.local_addr().expect("it listens"));
    let router = Router::new().route("/", get(|| async { "hello" }));
    serve(listener, router, ServeConfig::default(), std::future::pending()).await;
}

#[tokio::test]
async fn a_server_without_free_descriptors_recovers() {
    let mut child = Command::new("sh")
        .args(["-c", &format!(r#"ulimit -n {DESCRIPTORS} && exec "$0" "$@""#)])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "descriptors::child", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("sh starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address = loop {
        let line = within(lines.next_line()).await.expect("readable").expect("the server starts");
        if let Some(address) = line.strip_prefix("listening on ") {
            break address.parse().expect("an address");
        }
    };

    let mut served = Vec::new();
    for _ in 0..10 {
        let mut client = Client::connect(address).await;
        client.get("/").await;
        served.push(client);
    }
    // The kernel takes these on; the server cannot accept them all.
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(Client::connect(address).await);
    }
    for client in &mut served {
        assert!(client.get("/").await.ends_with("hello"), "whoever is in is still served");
    }
    drop(waiting);
    let mut late = Client::connect(address).await;
    assert!(late.get("/").await.ends_with("hello"), "there are free descriptors again");
    assert!(child.try_wait().expect("it can be asked").is_none(), "the server never ended");
}
