//! A node that hears nothing from the database for longer than `revocations.max_staleness` cannot know who was
//! signed out meanwhile, and says so. Only this node is cut off: the other one goes on and ends a session.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis_testkit::eventually;
use portcullis_testkit::postgres::OwnCluster;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use crate::support::{get_as, installation_on, login, logout, register, verify};

const STALENESS: Duration = Duration::from_secs(2);

/// A cable to the database that can be pulled out: connections stay open, and nothing passes.
struct Cable {
    address: SocketAddr,
    passes: watch::Sender<bool>,
}

impl Cable {
    async fn to(database: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (passes, seen) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(database).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::spawn(pass(near_in, far_out, seen.clone()));
                tokio::spawn(pass(far_in, near_out, seen.clone()));
            }
        });
        Self { address, passes }
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut passes: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        if passes.wait_for(|passes| *passes).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_news_answers_503_and_nothing_stale() {
    let cluster = OwnCluster::start(false);
    let direct = Url::parse(&cluster.create_database("portcullis")).expect("a URL");
    let cable = Cable::to(direct.socket_addrs(|| None).expect("an address")[0]).await;
    let mut by_cable = direct.clone();
    by_cable.set_port(Some(cable.address.port())).expect("a URL with a host");
    let site_a = installation_on(direct.as_str());
    let site_b = installation_on(by_cable.as_str())
        .env("PORTCULLIS_REVOCATIONS__MAX_STALENESS", "2s")
        .env("PORTCULLIS_REVOCATIONS__STALE", "refuse");
    let (a, b) = (site_a.serve().await, site_b.serve().await);
    let (mut on_a, mut on_b) = (a.client(), b.client());
    let kept = register(&mut on_a, "ada@example.org").await;
    let ended = login(&mut on_a, "ada@example.org").await;
    for tokens in [&kept, &ended] {
        assert_eq!(verify(&mut on_b, &tokens.access).await.expect("an answer").status, 200);
    }

    let since = Instant::now();
    cable.passes.send_replace(false);
    assert_eq!(logout(&mut on_a, &ended.refresh).await.expect("an answer").status, 204);
    eventually(STALENESS * 2, "the node knows that it knows nothing", async || {
        let reply = verify(&mut on_b, &ended.access).await.expect("an answer");
        if reply.status == 200 {
            assert!(since.elapsed() < STALENESS + Duration::from_millis(200), "a stale answer");
            return None;
        }
        assert_eq!(reply.outcome(), (503, "store_unavailable"));
        assert!(reply.header("retry-after").is_some());
        Some(())
    })
    .await;
    let reply = get_as(&mut on_b, "/auth/me", &kept.access).await.expect("an answer");
    assert_eq!(reply.outcome(), (503, "store_unavailable"));
    for path in ["/health/live", "/.well-known/jwks.json"] {
        assert_eq!(on_b.get(path).await.expect("an answer").status, 200);
    }
    assert_eq!(verify(&mut on_a, &kept.access).await.expect("an answer").status, 200, "the other is well");

    cable.passes.send_replace(true);
    eventually(Duration::from_secs(10), "the node hears again", async || {
        let reply = verify(&mut on_b, &kept.access).await.expect("an answer");
        assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
        (reply.status == 200).then_some(())
    })
    .await;
    let reply = verify(&mut on_b, &ended.access).await.expect("an answer");
    assert_eq!(reply.outcome(), (401, "invalid_token"), "the first news includes what was missed");
}
