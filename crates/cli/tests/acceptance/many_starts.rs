//! Many processes start at once on nothing at all, and agree on everything.

use std::fs;
use std::time::Duration;

use portcullis_testkit::{Backend, Database, Installation, RunningServer, eventually};
use serde_json::Value;

use crate::support::{installation, installation_on, refresh, register, verify};

async fn all_ready(mut servers: Vec<RunningServer>) -> Vec<RunningServer> {
    for server in &mut servers {
        server.ready().await;
    }
    servers
}

/// One signing key, the same for all; and what one gives, all others take.
async fn assert_agree(servers: &[RunningServer]) {
    let mut published = Vec::new();
    for server in servers {
        let reply = server.client().get("/.well-known/jwks.json").await.expect("an answer");
        assert_eq!(reply.json["keys"].as_array().map(Vec::len), Some(1), "{}", reply.text());
        published.push(reply.json);
    }
    assert!(published.iter().all(|keys: &Value| *keys == published[0]), "{published:?}");
    let tokens = register(&mut servers[0].client(), "ada@example.org").await;
    for server in servers {
        let mut client = server.client();
        assert_eq!(verify(&mut client, &tokens.access).await.expect("an answer").status, 200);
        assert_eq!(refresh(&mut client, &tokens.refresh).await.expect("an answer").status, 200);
    }
}

/// Written once requests are answered.
async fn set_up_link(site: &Installation) -> String {
    eventually(Duration::from_secs(10), "the set-up link", async || {
        fs::read_to_string(site.path("data/setup-link")).ok().filter(|link| link.ends_with('\n'))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_on_an_empty_postgres() {
    let database = Database::fresh(Backend::Postgres);
    let sites: Vec<_> = (0..6).map(|_| installation_on(&database.url)).collect();
    let servers = all_ready(sites.iter().map(Installation::start).collect()).await;
    assert_agree(&servers).await;
    let link = set_up_link(&sites[0]).await;
    for site in &sites[1..] {
        assert_eq!(set_up_link(site).await, link);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_in_an_empty_directory() {
    let site = installation(Backend::Sqlite);
    let servers = all_ready((0..4).map(|_| site.start()).collect()).await;
    assert_agree(&servers).await;
    let link = set_up_link(&site).await;
    // Whoever starts later shows the same one.
    let _later = site.serve().await;
    assert_eq!(set_up_link(&site).await, link);
}
