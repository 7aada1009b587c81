//! The life of a node: what it reads at start, what it follows while it runs, what it tidies.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use portcullis_store::sessions::Slice;
use portcullis_store::{
    api_tokens, clients, invites, keys, limits, links, login_challenges, oauth_flows, outbox, pending,
    revocations, sessions, totp, trusted_devices,
};
use thiserror::Error;
use uuid::Uuid;

use crate::cx::Cx;
use crate::factors::SET_UP_LIFETIME;
use crate::fault::Fault;
use crate::rotate_keys::KeyError;
use crate::server_keys::ServerKeyError;

/// How often the key tables are read again.
const RELOAD: Duration = Duration::from_secs(5);
/// How often the runtime settings are read again.
const SETTINGS: Duration = Duration::from_secs(1);
/// How often periodic work is done, by one node at a time.
const HOUSEKEEPING: Duration = Duration::from_mins(1);
/// Longest that the holder of the lease may be silent.
const LEASE: Duration = Duration::from_secs(150);
/// Ended sessions, expired and revoked tokens are kept this long, so that they are told apart from unknown ones.
const KEEP_SESSIONS: Duration = Duration::from_hours(7 * 24);
/// Wrong passwords are forgotten after this long without another.
const KEEP_ATTEMPTS: Duration = Duration::from_hours(24);
/// Sent mails are kept this long; those that were given up, so that an operator may try them again; those that nobody
/// needs any more, so that it can be seen that they were not sent.
const KEEP_SENT: Duration = Duration::from_hours(7 * 24);
const KEEP_FAILED: Duration = Duration::from_hours(30 * 24);
const KEEP_EXPIRED: Duration = Duration::from_hours(24);
/// How many sessions one step of the walk over all of them looks at, and how many steps a round takes.
const SLICE: i64 = 2_000;
const SLICES_A_ROUND: usize = 50;
/// A server key noted within this time is not forgotten, whatever is under it.
const KEY_IS_NEW: Duration = Duration::from_hours(1);

/// Where the walk over all sessions stands.
#[derive(Default)]
pub struct Walk(Mutex<Option<Uuid>>);

impl Walk {
    pub(crate) fn load(&self) -> Uuid {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(Uuid::nil())
    }

    pub(crate) fn store(&self, at: Uuid) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A server key is wanting or wrong.
    #[error(transparent)]
    ServerKey(#[from] ServerKeyError),
    /// A signing key cannot be made or used.
    #[error(transparent)]
    SigningKey(#[from] KeyError),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Cx {
    /// Reads what a node must know before it answers anybody.
    pub async fn start(&self) -> Result<(), StartError> {
        self.check_server_keys().await?;
        self.reload_runtime().await?;
        self.note_lifetime().await?;
        self.reload_signing_keys().await?;
        self.ensure_signing_key().await?;
        self.signer()?;
        self.follow_revocations().await?;
        Ok(())
    }

    /// Follows the database until the task is dropped: revocations at once, runtime settings within about a second,
    /// keys every few seconds.
    pub async fn follow(self: Arc<Self>) {
        let (mut reloaded, mut settings_read) = (Instant::now(), Instant::now());
        let mut lost = false;
        loop {
            let Ok(mut follower) = self.store.follow().await else {
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            };
            loop {
                follower.next().await;
                let seen = self.follow_revocations().await;
                report(&seen, &mut lost);
                metrics::gauge!("portcullis_revocations").set(self.revoked.len() as f64);
                metrics::gauge!("portcullis_revocations_staleness_seconds")
                    .set(self.revoked.staleness().as_secs_f64());
                if seen.is_ok() && settings_read.elapsed() > SETTINGS {
                    settings_read = Instant::now();
                    if let Err(error) = self.reload_runtime().await {
                        tracing::warn!(%error, "the runtime settings cannot be read");
                    }
                }
                if seen.is_ok() && reloaded.elapsed() > RELOAD {
                    reloaded = Instant::now();
                    if let Err(error) = self.reload_keys().await {
                        tracing::warn!(%error, "the key tables cannot be read");
                    }
                }
                if seen.is_err() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn reload_keys(&self) -> Result<(), Fault> {
        self.reload_lifetime().await?;
        self.reload_signing_keys().await?;
        self.note_server_keys().await
    }

    /// Does periodic work until the task is dropped.
    pub async fn keep_house(self: Arc<Self>) {
        loop {
            tokio::time::sleep(HOUSEKEEPING).await;
            self.tidy();
            if let Err(error) = self.count_mail().await {
                tracing::warn!(%error, "mails are not counted");
            }
            if let Err(error) = self.keep_house_once(&self.node).await {
                tracing::warn!(%error, "periodic work failed; it is tried again in a minute");
            }
        }
    }

    /// What a node leaves behind that goes away: mails that are being sent get their time, uses of API tokens are
    /// written, the audit chain gets what has happened and a checkpoint, and periodic work is anybody's again at once.
    /// What fails is said in the log.
    pub async fn leave(&self) {
        self.mailroom.close().await;
        if let Err(error) = self.write_uses().await {
            tracing::warn!(%error, "the last uses of API tokens are not noted");
        }
        if let Err(error) = self.close_chain().await {
            tracing::warn!(%error, "the audit chain has no checkpoint of this moment");
        }
        if let Err(error) = self.store.release_leases(self.node.clone()).await {
            tracing::warn!(%error, "periodic work rests until the lease of this node has expired");
        }
    }

    /// One round of periodic work, if no other node does it. What fails keeps nothing else from being done.
    pub async fn keep_house_once(&self, holder: &str) -> Result<(), Fault> {
        let now = self.clock.now();
        if !self.store.take_lease("housekeeping", holder.to_owned(), now + LEASE, now).await? {
            return Ok(());
        }
        let purged = self.purge_some().await;
        let rotated = match self.rotate_signing_key_by_age().await {
            Ok(()) => Ok(()),
            Err(KeyError::Fault(fault)) => Err(fault),
            Err(error) => Err(Fault::Internal(error.to_string())),
        };
        let tended = self.tend_signing_keys().await;
        let resealed = self.reseal_factors().await;
        let audit = self.keep_audit().await;
        let deleted = self.delete_due_users().await.map(drop);
        let all = purged.and(deleted).and(rotated).and(tended).and(resealed).and(audit);
        all.and(self.forget_free_server_keys().await)
    }

    /// Deletes what has run out; how many rows.
    pub async fn purge(&self) -> Result<u64, Fault> {
        let mut gone = self.purge_small_tables().await?;
        let mut after = Some(Uuid::nil());
        while let Some(from) = after {
            let (deleted, next) = self.purge_slice(from).await?;
            gone += deleted;
            after = next;
        }
        while let retired = self.retire_events().await?
            && retired > 0
        {
            gone += retired;
        }
        Ok(gone)
    }

    /// The share of one round: a walk over all sessions goes on where the last round left it.
    async fn purge_some(&self) -> Result<(), Fault> {
        self.purge_small_tables().await?;
        for _ in 0..SLICES_A_ROUND {
            let from = self.purged_to.load();
            let (_, next) = self.purge_slice(from).await?;
            self.purged_to.store(next.unwrap_or(Uuid::nil()));
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn purge_small_tables(&self) -> Result<u64, Fault> {
        let now = self.clock.now();
        let gone = self.store.write(move |tx| {
            Box::pin(async move {
                let entries = revocations::purge(tx, now).await?;
                let counters = limits::purge(tx, now, now - KEEP_ATTEMPTS).await?;
                let tokens = api_tokens::purge(tx, now - KEEP_SESSIONS).await?;
                let invites = invites::purge(tx, now - KEEP_SESSIONS).await?;
                let mails = outbox::purge(tx, now - KEEP_SENT, now - KEEP_FAILED, now - KEEP_EXPIRED).await?;
                let links = links::purge(tx, now).await? + pending::purge(tx, now).await?;
                let flows = oauth_flows::purge(tx, now).await?;
                login_challenges::purge(tx, now).await?;
                totp::purge(tx, now - SET_UP_LIFETIME).await?;
                trusted_devices::purge(tx, now).await?;
                let clients = clients::purge(tx, now - KEEP_SESSIONS).await?;
                Ok(entries + counters + tokens + invites + mails + links + flows + clients)
            })
        });
        Ok(gone.await?)
    }

    async fn purge_slice(&self, after: Uuid) -> Result<(u64, Option<Uuid>), Fault> {
        let slice = Slice { after, length: SLICE };
        let before = self.clock.now() - KEEP_SESSIONS;
        let done =
            self.store.write(move |tx| Box::pin(async move { sessions::purge(tx, slice, before).await }));
        Ok(done.await?)
    }

    /// Forgets server keys that this node does not hold and that nothing is under. A key that was noted only
    /// lately may belong to a node that has just started with it.
    async fn forget_free_server_keys(&self) -> Result<(), Fault> {
        let known = self.store.server_keys().await?;
        let now = self.clock.now();
        for key in known.into_iter().filter(|key| self.ring.get(key.id).is_none()) {
            self.store
                .write_one(move |tx| {
                    Box::pin(async move { keys::delete_server_key(tx, key.id, now - KEY_IS_NEW, now).await })
                })
                .await?;
        }
        Ok(())
    }
}

/// Logs when the database is lost and when it is back, not every try.
fn report(followed: &Result<(), Fault>, lost: &mut bool) {
    match followed {
        Err(error) if !*lost => {
            *lost = true;
            tracing::error!(%error, "the database cannot be followed; requests that need it are answered 503");
        }
        Ok(()) if *lost => {
            *lost = false;
            tracing::info!("the database is back");
        }
        _ => {}
    }
}
