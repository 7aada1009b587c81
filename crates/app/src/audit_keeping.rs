//! What becomes of the audit chain in time: periodic work of one node.
//!
//! - Events that were committed very late get their place after all.
//! - What is older than `audit.retention` goes, from the beginning of the chain.
//! - Users who are gone take along what tells of them.
//! - The current server key takes over what is under an accepted one.

use std::time::Duration;

use portcullis_core::audit_chain::{Erasure, ErasureRequest, Fields, Finding, Inspection, Start, Worth};
use portcullis_core::ids::UserId;
use portcullis_core::webhook::GIVE_UP;
use portcullis_store::StoreError;
use portcullis_store::audit_keeping::{self as keeping, Erase, Trace};
use uuid::Uuid;

use crate::cx::Cx;
use crate::fault::Fault;

/// How many events one step of a walk looks at, and how many steps a round takes.
const SLICE: i64 = 2_000;
const STEPS: usize = 50;
/// Rows changed in one transaction.
const BATCH: usize = 100;
/// Entries that retention takes in one transaction.
const RETIRED: i64 = 500;
/// Checkpoints in the database are kept this long.
const KEEP_CHECKPOINTS: Duration = Duration::from_hours(30 * 24);
/// Events about somebody who is gone are looked for this long: a transaction may be slow.
const SETTLED: Duration = Duration::from_mins(10);

impl Cx {
    /// One round. What fails keeps nothing else from being done.
    pub(crate) async fn keep_audit(&self) -> Result<(), Fault> {
        let swept = self.sweep_events().await;
        let erased = self.erase_traces().await;
        let resealed = self.reseal_chain().await;
        let retired = self.retire_events().await.map(drop);
        swept.and(erased).and(resealed).and(retired)
    }

    /// Asks for everything that tells of a user who is gone to be taken from the audit log. Whoever deletes a user
    /// does the same in the transaction that deletes ([`Self::erasure_request`], [`keeping::ask_erasure`]).
    pub async fn erase_from_audit(&self, user: UserId) -> Result<(), Fault> {
        let request = self.erasure_request(user);
        let asked =
            self.store.write_one(move |tx| Box::pin(async move { keeping::ask_erasure(tx, &request).await }));
        Ok(asked.await?)
    }

    /// What asks for that.
    pub(crate) fn erasure_request(&self, user: UserId) -> ErasureRequest {
        ErasureRequest::new(user, self.clock.now(), self.ring.current())
    }

    /// A walk over all events goes on where the last round left it.
    async fn sweep_events(&self) -> Result<(), Fault> {
        for _ in 0..STEPS {
            let (late, end) = self.store.unchained_in_slice(self.swept_to.load(), SLICE).await?;
            for batch in late.chunks(BATCH) {
                self.chain_these(batch.to_vec()).await?;
            }
            self.swept_to.store(end.unwrap_or(Uuid::nil()));
            if end.is_none() {
                break;
            }
        }
        let before = self.clock.now() - KEEP_CHECKPOINTS;
        let purged = self
            .store
            .write_one(move |tx| Box::pin(async move { keeping::purge_checkpoints(tx, before).await }));
        purged.await?;
        Ok(())
    }

    /// Deletes what is older than `audit.retention`, from the beginning of the chain up to the first entry that is
    /// not; how many. What somebody has tampered with stays: it is evidence.
    pub(crate) async fn retire_events(&self) -> Result<u64, Fault> {
        let Some(keep) = self.settings.audit_retention else { return Ok(0) };
        let before = self.clock.now() - keep;
        let mut retired = 0;
        for _ in 0..STEPS {
            let start = self.store.chain_start().await?;
            let page = self.store.links(start.head.seq, RETIRED).await?;
            let old = page.iter().take_while(|(link, _)| link.at < before).count();
            let Some((last, _)) = page[..old].last() else { break };
            let mut walk = Inspection::new(&start, vec![], &self.ring);
            for (link, event) in &page[..old] {
                walk.step(link, event.as_ref(), &self.ring);
            }
            // What cannot be checked any more is no reason to keep it for ever.
            if let Some(finding) =
                walk.end().into_iter().find(|finding| !matches!(finding, Finding::Unknown { .. }))
            {
                tracing::error!(
                    target: "portcullis::audit",
                    %finding,
                    "old audit events are kept: somebody has changed them; see portcullis audit verify"
                );
                break;
            }
            let start = Start::behind(last.head(), self.ring.current());
            let gone =
                self.store.write(move |tx| Box::pin(async move { keeping::forget_up_to(tx, &start).await }));
            let gone = gone.await?;
            retired += gone;
            if gone == 0 || old < page.len() {
                break;
            }
        }
        Ok(retired)
    }

    async fn erase_traces(&self) -> Result<(), Fault> {
        for asked in self.store.asked_erasures().await? {
            if asked.check(&self.ring) == Worth::Right {
                self.erase_traces_of(asked).await?;
            } else {
                // Somebody would have us cover their traces.
                tracing::error!(
                    target: "portcullis::audit",
                    user = %asked.user,
                    "nothing is erased: this server has not asked for it, or under a key that is not held"
                );
            }
        }
        Ok(())
    }

    async fn erase_traces_of(&self, asked: ErasureRequest) -> Result<(), Fault> {
        let (mut after, mut waits) = (Uuid::nil(), false);
        for _ in 0..STEPS {
            let tried = self.clock.now() - GIVE_UP;
            let traces = self.store.traces(asked.user, after, SLICE, tried).await?;
            let Some(last) = traces.last() else {
                return if waits { Ok(()) } else { self.settle_erasure(asked).await };
            };
            after = last.event;
            // An event without a place is erased once it has one: its digests are over what was written. So is one that
            // a webhook has yet to be told of, within the days for which that is tried. Others do not wait for it.
            let ready: Vec<Erase> =
                traces.iter().filter_map(|trace| self.erase_of(asked.user, trace)).collect();
            waits |= ready.len() < traces.len();
            for batch in ready.chunks(BATCH) {
                let batch = batch.to_vec();
                let done = self.store.write(move |tx| {
                    let batch = batch.clone();
                    Box::pin(async move {
                        for one in &batch {
                            keeping::erase(tx, one).await?;
                        }
                        Ok(())
                    })
                });
                done.await?;
            }
        }
        Ok(())
    }

    async fn settle_erasure(&self, asked: ErasureRequest) -> Result<(), Fault> {
        if self.clock.now() < asked.asked_at + SETTLED {
            return Ok(());
        }
        let done = self
            .store
            .write_one(move |tx| Box::pin(async move { keeping::finish_erasure(tx, &asked).await }));
        Ok(done.await?)
    }

    /// What is to be taken from an event; `None`: it waits.
    fn erase_of(&self, user: UserId, trace: &Trace) -> Option<Erase> {
        let link = trace.link?;
        let fields = link.erased.and(Fields::about(user, trace.user, trace.actor));
        let erasure = Erasure::new(link.seq, trace.event, fields, self.ring.current());
        Some(Erase { event: trace.event, link, erasure })
    }

    /// Puts what only one seal vouches for under the current key: the end of the chain, its beginning, erasures, done and
    /// asked for. The entries in between are vouched for by the end. Nothing that is not right is made so.
    async fn reseal_chain(&self) -> Result<(), Fault> {
        let (ring, key) = (&self.ring, self.ring.current());
        if let Some((last, _)) = self.store.last_link().await?
            && last.seal.key != key.id()
            && last.head().check(&last.seal, ring) == Worth::Right
        {
            let (seq, before, seal) = (last.seq, last.seal.key, last.head().seal(key));
            self.reseal(move |tx| Box::pin(keeping::reseal_link(tx, seq, before, seal))).await?;
        }
        let start = self.store.chain_start().await?;
        if let Some(before) = start.seal.filter(|seal| seal.key != key.id())
            && start.check(ring) == Worth::Right
            && let Some(seal) = Start::behind(start.head, key).seal
        {
            let seq = start.head.seq;
            self.reseal(move |tx| Box::pin(keeping::reseal_start(tx, seq, before.key, seal))).await?;
        }
        for before in self.store.asked_erasures().await? {
            if before.seal.key != key.id() && before.check(ring) == Worth::Right {
                let now = ErasureRequest::new(before.user, before.asked_at, key);
                self.reseal(move |tx| {
                    Box::pin(async move { keeping::reseal_request(tx, before.seal.key, &now).await })
                })
                .await?;
            }
        }
        let mut after = 0;
        for _ in 0..STEPS {
            let page = self.store.erased_under_others(key.id(), after, SLICE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for erased in page {
                if erased.erasure.check(erased.seq, erased.event, ring) == Worth::Right {
                    let fields = erased.erasure.fields;
                    let seal = Erasure::new(erased.seq, erased.event, fields, key).seal;
                    self.reseal(move |tx| {
                        Box::pin(async move { keeping::reseal_erasure(tx, &erased, seal).await })
                    })
                    .await?;
                }
            }
        }
        Ok(())
    }

    async fn reseal<F>(&self, work: F) -> Result<(), Fault>
    where
        F: for<'c> Fn(
                &'c mut portcullis_store::Tx,
            )
                -> std::pin::Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'c>>
            + Send
            + Sync
            + 'static,
    {
        Ok(self.store.write_one(work).await?)
    }
}
