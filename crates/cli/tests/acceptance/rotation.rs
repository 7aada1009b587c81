//! One chain of refresh tokens over two processes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use portcullis_testkit::{Backend, Reply, RunningServer, eventually};
use tokio::sync::Barrier;

use crate::support::{Tokens, installation, refresh, register, verify};

crate::on_both!(
    fifty_at_once_get_one_successor,
    without_a_grace_one_of_fifty_wins,
    two_back_is_theft_on_both_nodes,
    one_back_after_the_grace_is_theft,
);

/// 25 clients of each server, connected first, then all at the same moment.
async fn fifty_at_once(nodes: [&RunningServer; 2], token: &str) -> Vec<Reply> {
    let together = Arc::new(Barrier::new(50));
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (mut client, together) = (nodes[number % 2].client(), together.clone());
            let token = token.to_owned();
            tokio::spawn(async move {
                client.get("/health/live").await.expect("connects");
                together.wait().await;
                refresh(&mut client, &token).await.expect("an answer")
            })
        })
        .collect();
    let mut replies = Vec::new();
    for task in tasks {
        replies.push(task.await.expect("no panic"));
    }
    replies
}

async fn fifty_at_once_get_one_successor(backend: Backend) {
    let site = installation(backend);
    let (a, b) = (site.serve().await, site.serve().await);
    let mut token = register(&mut a.client(), "ada@example.org").await.refresh;
    for _ in 0..5 {
        let replies = fifty_at_once([&a, &b], &token).await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
        let successors: BTreeSet<_> = replies.iter().map(|reply| Tokens::of(reply).refresh).collect();
        assert_eq!(successors.len(), 1);
        token = successors.into_iter().next().expect("one");
    }
}

async fn without_a_grace_one_of_fifty_wins(backend: Backend) {
    let site = installation(backend).env("PORTCULLIS_TOKENS__REFRESH_GRACE", "0");
    let (a, b) = (site.serve().await, site.serve().await);
    for round in 0..5 {
        let token = register(&mut a.client(), &format!("ada{round}@example.org")).await.refresh;
        let replies = fifty_at_once([&a, &b], &token).await;
        let count = |status, code| replies.iter().filter(|reply| reply.outcome() == (status, code)).count();
        let counts = (count(200, ""), count(401, "refresh_reused"), count(401, "refresh_revoked"));
        assert_eq!(counts, (1, 1, 48), "{replies:?}");
    }
}

/// Dead for refreshing at once, and its access token within a second, on both.
async fn assert_dead(nodes: [&RunningServer; 2], tokens: &Tokens) {
    for node in nodes {
        let mut client = node.client();
        let reply = refresh(&mut client, &tokens.refresh).await.expect("an answer");
        assert_eq!(reply.outcome(), (401, "refresh_revoked"));
        eventually(Duration::from_secs(1), "the access token dies", async || {
            let reply = verify(&mut client, &tokens.access).await.expect("an answer");
            (reply.status == 401).then_some(())
        })
        .await;
    }
}

async fn two_back_is_theft_on_both_nodes(backend: Backend) {
    let site = installation(backend);
    let (a, b) = (site.serve().await, site.serve().await);
    let first = register(&mut a.client(), "ada@example.org").await;
    let second = Tokens::of(&refresh(&mut b.client(), &first.refresh).await.expect("an answer"));
    let third = Tokens::of(&refresh(&mut a.client(), &second.refresh).await.expect("an answer"));
    assert_eq!(verify(&mut b.client(), &third.access).await.expect("an answer").status, 200);
    let reply = refresh(&mut b.client(), &first.refresh).await.expect("an answer");
    assert_eq!(reply.outcome(), (401, "refresh_reused"));
    assert_dead([&a, &b], &third).await;
}

async fn one_back_after_the_grace_is_theft(backend: Backend) {
    let site = installation(backend).env("PORTCULLIS_TOKENS__REFRESH_GRACE", "1s");
    let (a, b) = (site.serve().await, site.serve().await);
    let first = register(&mut a.client(), "ada@example.org").await;
    let second = Tokens::of(&refresh(&mut a.client(), &first.refresh).await.expect("an answer"));
    let mut client = b.client();
    // Replays within the grace are answered the same and do not move it.
    eventually(Duration::from_secs(10), "the grace ends", async || {
        let reply = refresh(&mut client, &first.refresh).await.expect("an answer");
        if reply.status == 200 {
            assert_eq!(Tokens::of(&reply).refresh, second.refresh);
            return None;
        }
        assert_eq!(reply.outcome(), (401, "refresh_reused"));
        Some(())
    })
    .await;
    assert_dead([&a, &b], &second).await;
}
