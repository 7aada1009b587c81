//! The life of a node: what it reads at start, what it follows while it runs, what it tidies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_core::random;
use portcullis_core::time::Timestamp;
use portcullis_store::{keys, limits, revocations, sessions};
use thiserror::Error;

use crate::cx::Cx;
use crate::fault::Fault;
use crate::rotate_keys::KeyError;
use crate::server_keys::ServerKeyError;

/// How often the key tables are read again.
const RELOAD: Duration = Duration::from_secs(5);
/// How often periodic work is done, by one node at a time.
const HOUSEKEEPING: Duration = Duration::from_mins(1);
/// Longest that the holder of the lease may be silent.
const LEASE: Duration = Duration::from_secs(150);
/// Ended sessions are kept this long, so that their tokens are told apart from unknown ones.
const KEEP_SESSIONS: Duration = Duration::from_hours(7 * 24);
/// Wrong passwords are forgotten after this long without another.
const KEEP_ATTEMPTS: Duration = Duration::from_hours(24);
/// Most sessions deleted in one statement.
const PURGE_AT_ONCE: i64 = 2_000;

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
        self.reload_signing_keys().await?;
        self.ensure_signing_key().await?;
        self.signer()?;
        self.follow_revocations().await?;
        Ok(())
    }

    /// Follows the database until the task is dropped: revocations at once, keys every few seconds.
    pub async fn follow(self: Arc<Self>) {
        let mut reloaded = Instant::now();
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
        self.reload_signing_keys().await?;
        self.reload_server_keys().await
    }

    /// Does periodic work until the task is dropped.
    pub async fn keep_house(self: Arc<Self>) {
        let holder = u64::from_be_bytes(random::bytes(&*self.random)).to_string();
        loop {
            tokio::time::sleep(HOUSEKEEPING).await;
            self.tidy();
            if let Err(error) = self.keep_house_once(&holder).await {
                tracing::warn!(%error, "periodic work failed; it is tried again in a minute");
            }
        }
    }

    /// One round of periodic work, if no other node does it.
    pub async fn keep_house_once(&self, holder: &str) -> Result<(), Fault> {
        let now = self.clock.now();
        if !self.store.take_lease("housekeeping", holder.to_owned(), now + LEASE, now).await? {
            return Ok(());
        }
        self.purge().await?;
        match self.rotate_signing_key_by_age().await {
            Ok(()) => {}
            Err(KeyError::Fault(fault)) => return Err(fault),
            Err(error) => tracing::error!(%error, "the signing key cannot be rotated"),
        }
        self.tend_signing_keys().await?;
        self.forget_free_server_keys().await
    }

    /// Deletes what has run out; how many rows.
    pub async fn purge(&self) -> Result<u64, Fault> {
        let now = self.clock.now();
        let mut gone = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let entries = revocations::purge(tx, now).await?;
                    Ok(entries + limits::purge(tx, now, now - KEEP_ATTEMPTS).await?)
                })
            })
            .await?;
        loop {
            let deleted = self.purge_sessions(now - KEEP_SESSIONS).await?;
            gone += deleted;
            if deleted < PURGE_AT_ONCE.cast_unsigned() {
                return Ok(gone);
            }
        }
    }

    async fn purge_sessions(&self, before: Timestamp) -> Result<u64, Fault> {
        let deleted = self
            .store
            .write(move |tx| Box::pin(async move { sessions::purge(tx, before, PURGE_AT_ONCE).await }));
        Ok(deleted.await?)
    }

    /// Forgets server keys that this node does not hold and that nothing is under.
    async fn forget_free_server_keys(&self) -> Result<(), Fault> {
        let known = self.store.server_keys().await?;
        if known.iter().all(|key| self.ring.get(key.id).is_some()) {
            return Ok(());
        }
        for usage in self.server_key_use().await? {
            if !usage.held && usage.is_free() {
                self.store
                    .write(move |tx| Box::pin(async move { keys::delete_server_key(tx, usage.id).await }))
                    .await?;
            }
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
