//! Events get their place in the audit chain, behind the facts.
//!
//! 1. Once a second one node, which holds the lease, looks for events without a place.
//! 2. Each gets a number, salted digests and a MAC ([`portcullis_core::audit_chain`]); whoever is to be told of it
//!    gets a message, in the same transaction.
//! 3. That no event gets two places is in the database, whoever holds a lease.
//! 4. Every five minutes, and when a node goes away, a checkpoint says how far the chain goes: in the log, and to
//!    those who are told of events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::audit::StoredEvent;
use portcullis_core::audit_chain::{Checkpoint, Head, Link};
use portcullis_core::ids::{EventId, lowest_uuid_at};
use portcullis_core::random;
use portcullis_core::time::Timestamp;
use portcullis_core::webhook::GIVE_UP;
use portcullis_store::audit_chain::{StoredCheckpoint, insert_checkpoint};
use portcullis_store::webhooks::{self, Message};
use uuid::Uuid;

use crate::cx::Cx;
use crate::fault::Fault;

/// How often events are chained.
const EVERY: Duration = Duration::from_secs(1);
/// Longest that the node which chains may be silent.
const LEASE: Duration = Duration::from_secs(20);
/// Events chained in one transaction, and how many transactions a round has at the most.
const BATCH: i64 = 100;
const BATCHES: usize = 50;
/// An event may be committed this long after its id was made and still be seen at once; what is later yet is found
/// by the walk over all events.
const LATE: Duration = Duration::from_secs(15);
/// How often there is a checkpoint, if the chain has grown.
const CHECKPOINT: Duration = Duration::from_mins(5);
/// What a checkpoint is called where kinds of events are.
pub const CHECKPOINT_KIND: &str = "audit.checkpoint";
/// Most events without a place that are counted.
pub(crate) const COUNTED: i64 = 1_000;

/// What a node remembers of its chaining.
#[derive(Debug, Default)]
pub struct Chaining(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The lease is this node's until then.
    leased: Option<Timestamp>,
    /// The last checkpoint that it knows of.
    checkpoint: Option<(u64, Timestamp)>,
}

impl Chaining {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far the chain goes.
#[derive(Clone, Copy, Debug)]
pub struct AuditState {
    /// The last entry.
    pub seq: u64,
    /// Events without a place, up to a thousand.
    pub waiting: usize,
    /// When the last checkpoint was made.
    pub checkpoint: Option<Timestamp>,
}

impl Cx {
    /// Chains events until the task is dropped.
    pub async fn chain_events(self: Arc<Self>) {
        let mut failed = false;
        loop {
            tokio::time::sleep(EVERY).await;
            let done = async {
                self.chain_once().await?;
                self.checkpoint_if_due().await
            };
            match done.await {
                Ok(_) => failed = false,
                // Not each second anew.
                Err(_) if failed => {}
                Err(error) => {
                    failed = true;
                    tracing::warn!(%error, "audit events are not chained; it is tried again");
                }
            }
        }
    }

    /// Gives all events that have none a place, unless another node does; how many.
    pub async fn chain_once(&self) -> Result<u64, Fault> {
        let mut chained = 0;
        for _ in 0..BATCHES {
            let waiting = self.store.unchained(self.chained_from().await?, BATCH).await?;
            let full = waiting.len() as i64 == BATCH;
            let done = self.chain_these(waiting).await?;
            chained += done;
            if done == 0 || !full {
                break;
            }
        }
        Ok(chained)
    }

    /// How far the chain goes.
    pub async fn audit_state(&self) -> Result<AuditState, Fault> {
        let (head, _) = self.chain_head().await?;
        let waiting = self.store.unchained(self.chained_from().await?, COUNTED).await?.len();
        let checkpoint = self.store.checkpoints(1).await?.first().map(|stored| stored.checkpoint.at);
        Ok(AuditState { seq: head.seq, waiting, checkpoint })
    }

    /// From which id on events may have no place: the chain goes by the time at which they are made, nearly.
    pub(crate) async fn chained_from(&self) -> Result<Uuid, Fault> {
        let (_, last) = self.chain_head().await?;
        Ok(last.map_or(Uuid::nil(), |at| lowest_uuid_at(at.min(self.clock.now()) - LATE)))
    }

    /// The end of the chain, and when its last event happened.
    async fn chain_head(&self) -> Result<(Head, Option<Timestamp>), Fault> {
        Ok(match self.store.last_link().await? {
            Some((link, _)) => (link.head(), Some(link.at)),
            None => (self.store.chain_start().await?.head, None),
        })
    }

    /// Chains these events, which have no place, if this node may; how many.
    pub(crate) async fn chain_these(&self, waiting: Vec<StoredEvent>) -> Result<u64, Fault> {
        if waiting.is_empty() || !self.may_chain().await? {
            return Ok(0);
        }
        let (mut head, _) = self.chain_head().await?;
        let key = self.ring.current();
        let link = |event: &StoredEvent| {
            let salts = std::array::from_fn(|_| random::bytes(&*self.random));
            let link = Link::new(event, &head, salts, key);
            let before = std::mem::replace(&mut head, link.head()).hash;
            (link, before)
        };
        let links: Arc<[_]> = waiting.iter().map(link).collect();
        let now = self.clock.now();
        // Whoever is told for the first time is not told what happened long ago.
        let news = waiting.iter().filter(|event| now.since(event.at) < GIVE_UP);
        let messages: Arc<[Message]> = news.flat_map(|event| self.messages(event.id, &event.kind)).collect();
        let chained = self.store.chain(links, messages).await?;
        if !chained {
            // Somebody else does it, whatever we believe of the lease.
            self.chaining.state().leased = None;
        }
        Ok(if chained { waiting.len() as u64 } else { 0 })
    }

    /// Whether the lease is ours. It is renewed by halves, so that a busy node does not write it each time.
    async fn may_chain(&self) -> Result<bool, Fault> {
        let now = self.clock.now();
        let ours = self.chaining.state().leased.is_some_and(|until| now + LEASE / 2 < until);
        if ours {
            return Ok(true);
        }
        let until = now + LEASE;
        let taken = self.store.take_lease("audit", self.node.clone(), until, now).await?;
        self.chaining.state().leased = taken.then_some(until);
        Ok(taken)
    }

    /// A message for each who is to be told of something.
    fn messages(&self, id: Uuid, kind: &str) -> Vec<Message> {
        let now = self.clock.now();
        let told = self.settings.webhooks.iter().filter(|webhook| webhook.takes(kind));
        told.map(|webhook| Message { id, endpoint: webhook.name.clone(), kind: kind.to_owned(), now })
            .collect()
    }

    /// Makes a checkpoint if the last one is five minutes old and the chain has grown.
    pub async fn checkpoint_if_due(&self) -> Result<bool, Fault> {
        let known = self.chaining.state().checkpoint;
        if known.is_some_and(|(_, at)| self.clock.now() < at + CHECKPOINT) {
            return Ok(false);
        }
        let newest = self.store.checkpoints(1).await?.first().map(|stored| stored.checkpoint);
        let newest = newest.map(|checkpoint| (checkpoint.head.seq, checkpoint.at));
        self.chaining.state().checkpoint = newest;
        if newest.is_some_and(|(_, at)| self.clock.now() < at + CHECKPOINT) {
            return Ok(false);
        }
        self.checkpoint_now().await
    }

    /// Makes a checkpoint if the chain has grown since the last one, unless another node does.
    async fn checkpoint_now(&self) -> Result<bool, Fault> {
        let (head, _) = self.chain_head().await?;
        let known = self.chaining.state().checkpoint;
        if head == Head::NONE || known.is_some_and(|(seq, _)| seq >= head.seq) || !self.may_chain().await? {
            return Ok(false);
        }
        let now = self.clock.now();
        let checkpoint = Checkpoint::new(head, now, self.ring.current());
        let stored = StoredCheckpoint { id: EventId::new(now, &*self.random).uuid(), checkpoint };
        let messages: Arc<[Message]> = self.messages(stored.id, CHECKPOINT_KIND).into();
        let new = self.store.write(move |tx| {
            let (stored, messages) = (stored.clone(), messages.clone());
            Box::pin(async move {
                let new = insert_checkpoint(tx, &stored).await?;
                if new {
                    for message in &*messages {
                        webhooks::insert(tx, message).await?;
                    }
                }
                Ok(new)
            })
        });
        let new = new.await?;
        self.chaining.state().checkpoint = Some((head.seq, now));
        if new {
            tracing::info!(
                target: "portcullis::audit",
                checkpoint = %checkpoint,
                audit.seq = head.seq,
                "audit checkpoint"
            );
        }
        Ok(new)
    }

    /// A node goes away: what has happened is chained, and a checkpoint says so, if it is this node that does that.
    pub(crate) async fn close_chain(&self) -> Result<(), Fault> {
        self.chain_once().await?;
        self.checkpoint_now().await?;
        Ok(())
    }
}
