//! PostgreSQL goes away. Whatever needs it says so in time, all else goes on, nobody is signed out, and when it is
//! back so are we.

use std::io;
use std::time::{Duration, Instant};

use portcullis_testkit::postgres::OwnCluster;
use portcullis_testkit::{HttpClient, Installation, Reply, RunningServer, eventually};
use serde_json::json;

use crate::support::{Tokens, get_as, installation_on, login, logout, refresh, register, try_login, verify};

/// What needs the database answers 503 within 2 s; half a second more is the test's own.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// After the database is back.
const RECOVERY: Duration = Duration::from_secs(10);

async fn in_time(what: &str, asked: impl Future<Output = io::Result<Reply>>) -> Reply {
    let reply = tokio::time::timeout(PATIENCE, asked).await;
    let reply = reply.unwrap_or_else(|_| panic!("{what}: no answer within {PATIENCE:?}"));
    reply.unwrap_or_else(|error| panic!("{what}: {error}"))
}

async fn assert_unavailable(what: &str, asked: impl Future<Output = io::Result<Reply>>) {
    let reply = in_time(what, asked).await;
    assert_eq!(reply.outcome(), (503, "store_unavailable"), "{what}: {}", reply.text());
    assert!(reply.header("retry-after").is_some(), "{what}: no Retry-After");
}

async fn assert_well(what: &str, asked: impl Future<Output = io::Result<Reply>>) {
    let reply = in_time(what, asked).await;
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
}

async fn assert_not_ready(mut client: HttpClient) {
    let reply = in_time("ready", client.get("/health/ready")).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
}

/// One request of each kind, all at once, over connections of their own.
async fn round(server: &RunningServer, kept: &Tokens, ended: &Tokens) {
    let client = || server.client();
    let newcomer = json!({ "email": "new@example.org", "password": "some harbour, some lamp" });
    let needy = async {
        tokio::join!(
            assert_unavailable("refresh", async { refresh(&mut client(), &kept.refresh).await }),
            assert_unavailable("login", async { try_login(&mut client(), "ada@example.org").await }),
            assert_unavailable("register", async { client().post("/auth/register", &newcomer).await }),
            assert_unavailable("sessions", async {
                get_as(&mut client(), "/auth/sessions", &kept.access).await
            }),
            assert_unavailable("logout", async { logout(&mut client(), &ended.refresh).await }),
            assert_unavailable("me", async { get_as(&mut client(), "/auth/me", &kept.access).await }),
        );
    };
    let independent = async {
        let mut client = client();
        assert_well("verify", verify(&mut client, &kept.access)).await;
        for path in ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/health/live"] {
            assert_well(path, client.get(path)).await;
        }
    };
    tokio::join!(Box::pin(needy), Box::pin(independent), Box::pin(assert_not_ready(client())));
}

struct Site {
    cluster: OwnCluster,
    _installation: Installation,
    server: RunningServer,
    kept: Tokens,
    ended: Tokens,
}

impl Site {
    async fn new() -> Self {
        let cluster = OwnCluster::start(false);
        let installation = installation_on(&cluster.create_database("portcullis"));
        let server = installation.serve().await;
        let mut client = server.client();
        let kept = register(&mut client, "ada@example.org").await;
        let ended = login(&mut client, "ada@example.org").await;
        Self { cluster, _installation: installation, server, kept, ended }
    }

    /// Asks again and again for so long.
    async fn out_for(&self, long: Duration) {
        let since = Instant::now();
        while since.elapsed() < long {
            round(&self.server, &self.kept, &self.ended).await;
        }
    }

    /// The same process answers again, with the tokens from before.
    async fn assert_recovers(mut self) {
        let mut client = self.server.client();
        let next = eventually(RECOVERY, "refresh answers again", async || {
            let reply = in_time("refresh", refresh(&mut client, &self.kept.refresh)).await;
            assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
            (reply.status == 200).then(|| Tokens::of(&reply))
        })
        .await;
        assert_well("verify", verify(&mut client, &next.access)).await;
        self.server.ready().await;
        login(&mut client, "ada@example.org").await;
        assert!(self.server.runs());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_stopped_for_ten_seconds() {
    let site = Site::new().await;
    tokio::task::block_in_place(|| site.cluster.stop());
    site.out_for(Duration::from_secs(10)).await;
    tokio::task::block_in_place(|| site.cluster.start_again());
    site.assert_recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_hangs_for_four_seconds() {
    let site = Site::new().await;
    tokio::task::block_in_place(|| site.cluster.pause());
    site.out_for(Duration::from_secs(4)).await;
    tokio::task::block_in_place(|| site.cluster.resume());
    site.assert_recovers().await;
}
