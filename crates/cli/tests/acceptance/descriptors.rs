//! More connections than the process may have files open.

use std::time::Duration;

use portcullis_testkit::{Backend, RunningServer, eventually};
use tokio::net::TcpStream;

use crate::process::cpu_time;
use crate::support::{installation, refresh, register};

const DESCRIPTORS: u32 = 256;
const CONNECTIONS: usize = 400;
/// How long the server is watched while it can accept no more.
const WATCHED: Duration = Duration::from_secs(2);

/// Beyond the cap of our own, which leaves some for the database: they are told to come back.
#[tokio::test]
async fn beyond_the_cap_the_rest_is_refused() {
    let site = installation(Backend::Sqlite);
    survives(site.start_with_descriptors(DESCRIPTORS)).await;
}

/// Without such a cap the system's own limit is met.
#[tokio::test]
async fn beyond_the_limit_of_the_system_the_rest_waits() {
    let site = installation(Backend::Sqlite).env("PORTCULLIS_SERVER__MAX_CONNECTIONS", "10000");
    survives(site.start_with_descriptors(DESCRIPTORS)).await;
}

async fn survives(mut server: RunningServer) {
    server.ready().await;
    let mut early = server.client();
    let tokens = register(&mut early, "ada@example.org").await;
    let mut rush = Vec::new();
    while rush.len() < CONNECTIONS {
        rush.push(TcpStream::connect(server.address()).await.expect("the kernel takes it on"));
    }
    let before = cpu_time(server.pid());
    // A measurement takes its time; nothing waits for anything here.
    tokio::time::sleep(WATCHED).await;
    let spent = cpu_time(server.pid()).saturating_sub(before);
    assert!(spent < WATCHED / 8, "a busy loop: {spent:?} of {WATCHED:?}");
    assert_eq!(early.get("/health/live").await.expect("whoever is in is served").status, 200);

    drop(rush);
    eventually(Duration::from_secs(10), "there is room again", async || {
        let reply = refresh(&mut server.client(), &tokens.refresh).await.ok()?;
        assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
        (reply.status == 200).then_some(())
    })
    .await;
    assert!(server.runs());
}
