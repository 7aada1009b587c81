//! `kill -9` under load: what was acknowledged holds, what was ended stays ended, and nobody is signed out.

use std::time::Duration;

use portcullis_testkit::postgres::OwnCluster;
use portcullis_testkit::{Backend, HttpClient, RunningServer, eventually};

use crate::load::Load;
use crate::support::{Tokens, installation, installation_on, login, logout, refresh, register, verify};

crate::on_both!(the_server_is_killed_twenty_times);

const CLIENTS: usize = 20;
const KILLS: usize = 20;
/// Refreshes between two crashes: a third of a second at the clients' pace.
const BETWEEN: u64 = 60;

/// `count` sessions of one user.
async fn sessions(client: &mut HttpClient, email: &str, count: usize) -> Vec<Tokens> {
    let mut all = vec![register(client, email).await];
    while all.len() < count {
        all.push(login(client, email).await);
    }
    all
}

/// Ended for refreshing and for access.
async fn assert_ended(client: &mut HttpClient, ended: &Tokens) {
    let reply = refresh(client, &ended.refresh).await.expect("an answer");
    assert_eq!(reply.outcome(), (401, "refresh_revoked"), "an ended session came back");
    let reply = verify(client, &ended.access).await.expect("an answer");
    assert_eq!(reply.outcome(), (401, "invalid_token"), "an ended session's access token came back");
}

/// Whatever was acknowledged last is taken, and the server never met a token ahead of its row: that is how a
/// lost rotation would show, and be forgiven.
async fn assert_nothing_was_lost(server: &RunningServer, last: Vec<Tokens>, ended: &[Tokens]) {
    let mut client = server.client();
    for tokens in last {
        let reply = refresh(&mut client, &tokens.refresh).await.expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    for tokens in ended {
        assert_ended(&mut client, tokens).await;
    }
    let log = server.log();
    let ahead: Vec<_> = log.lines().filter(|line| line.contains("was ahead of its row")).collect();
    assert_eq!(ahead, Vec::<&str>::new(), "acknowledged rotations were lost");
}

async fn the_server_is_killed_twenty_times(backend: Backend) {
    let site = installation(backend);
    let mut server = site.serve().await;
    let lasting = sessions(&mut server.client(), "ada@example.org", CLIENTS).await;
    let ending = sessions(&mut server.client(), "eve@example.org", KILLS).await;
    let load = Load::start(&[server.address()], lasting);
    for tokens in &ending {
        load.more(BETWEEN).await;
        sign_out(&server, tokens).await;
        // The very moment it was acknowledged.
        server.kill().await;
        server.start_again().await;
        assert_ended(&mut server.client(), tokens).await;
    }
    load.more(BETWEEN).await;
    assert!(load.acknowledged() > BETWEEN * KILLS as u64);
    let last = load.stop().await;
    assert_nothing_was_lost(&server, last, &ending).await;
}

/// Signs out, and asks again as long as the database is too slow for the moment: what counts is what was said.
async fn sign_out(server: &RunningServer, tokens: &Tokens) {
    let mut client = server.client();
    eventually(Duration::from_secs(20), "the sign-out is acknowledged", async || {
        let reply = logout(&mut client, &tokens.refresh).await.expect("an answer");
        assert!(matches!(reply.status, 204 | 503), "{}", reply.text());
        (reply.status == 204).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed_five_times() {
    const CRASHES: usize = 5;
    let cluster = OwnCluster::start(true);
    let site = installation_on(&cluster.create_database("portcullis"));
    let server = site.serve().await;
    let lasting = sessions(&mut server.client(), "ada@example.org", CLIENTS).await;
    let ending = sessions(&mut server.client(), "eve@example.org", CRASHES).await;
    let load = Load::start(&[server.address()], lasting);
    for tokens in &ending {
        load.more(BETWEEN).await;
        sign_out(&server, tokens).await;
        let before = load.unavailable();
        tokio::task::block_in_place(|| cluster.kill_hard());
        tokio::task::block_in_place(|| cluster.start_again());
        // The server is the same; it finds its database again by itself.
        load.more(BETWEEN).await;
        assert!(load.unavailable() > before, "the crash was not even noticed");
        assert_ended(&mut server.client(), tokens).await;
    }
    let last = load.stop().await;
    assert_nothing_was_lost(&server, last, &ending).await;
}
