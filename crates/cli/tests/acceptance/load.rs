//! Clients that refresh again and again, each with its own session, and remember what they were promised.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use portcullis_testkit::{HttpClient, Reply, eventually};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::support::{Tokens, refresh, verify};

/// Of each client: twenty of them make the 200 refreshes a second that are promised.
const PACE: Duration = Duration::from_millis(100);

/// What the clients have seen together.
#[derive(Debug, Default)]
struct Seen {
    stopped: AtomicBool,
    /// Refreshes that were answered 200.
    acknowledged: AtomicU64,
    /// Answers of 503.
    unavailable: AtomicU64,
}

/// Clients under way.
pub(crate) struct Load {
    seen: Arc<Seen>,
    clients: Vec<JoinHandle<Result<Tokens, String>>>,
}

impl Load {
    /// Starts a client for each session; it goes to the next of `addresses` when one breaks off.
    pub(crate) fn start(addresses: &[SocketAddr], sessions: Vec<Tokens>) -> Self {
        let seen = Arc::new(Seen::default());
        let clients = sessions.into_iter().enumerate().map(|(number, tokens)| {
            let mut addresses = addresses.to_vec();
            let count = addresses.len();
            addresses.rotate_left(number % count);
            tokio::spawn(run(addresses, tokens, seen.clone()))
        });
        Self { clients: clients.collect(), seen: seen.clone() }
    }

    /// Waits until so many more refreshes were acknowledged. Ends early if clients were signed out: `stop` tells.
    pub(crate) async fn more(&self, count: u64) {
        let wanted = self.acknowledged() + count;
        let what = format!("{count} more refreshes");
        eventually(Duration::from_secs(30), &what, async || {
            (self.acknowledged() >= wanted || self.clients.iter().any(JoinHandle::is_finished)).then_some(())
        })
        .await;
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.seen.acknowledged.load(Ordering::Relaxed)
    }

    pub(crate) fn unavailable(&self) -> u64 {
        self.seen.unavailable.load(Ordering::Relaxed)
    }

    /// Ends the load: the last tokens that each client was promised. Fails if any was ever refused.
    pub(crate) async fn stop(self) -> Vec<Tokens> {
        self.seen.stopped.store(true, Ordering::Relaxed);
        let mut last = Vec::new();
        for client in self.clients {
            last.push(
                client.await.expect("no panic").unwrap_or_else(|refusal| panic!("signed out: {refusal}")),
            );
        }
        last
    }
}

async fn run(addresses: Vec<SocketAddr>, mut tokens: Tokens, seen: Arc<Seen>) -> Result<Tokens, String> {
    let mut node = 0;
    let mut client = HttpClient::new(addresses[node]);
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !seen.stopped.load(Ordering::Relaxed) {
        pace.tick().await;
        let Ok(reply) = refresh(&mut client, &tokens.refresh).await else {
            // Whether it was done nobody knows: the same token again, from the next node.
            node = (node + 1) % addresses.len();
            client = HttpClient::new(addresses[node]);
            continue;
        };
        if !accepted("refresh", &reply, &seen)? {
            continue;
        }
        tokens = Tokens::of(&reply);
        seen.acknowledged.fetch_add(1, Ordering::Relaxed);
        if let Ok(reply) = verify(&mut client, &tokens.access).await {
            accepted("verify", &reply, &seen)?;
        }
    }
    Ok(tokens)
}

/// Whether it is 200; 503 may be tried again, and all else is a client that was turned away.
fn accepted(what: &str, reply: &Reply, seen: &Seen) -> Result<bool, String> {
    match reply.status {
        200 => Ok(true),
        503 => {
            seen.unavailable.fetch_add(1, Ordering::Relaxed);
            Ok(false)
        }
        status => Err(format!("{what}: {status} {}", reply.text())),
    }
}
