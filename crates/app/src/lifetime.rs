//! How long an access token may live, whoever made it: for so long its end and its key must be known.
//!
//! Nodes and commands of one database may be set differently, and a shorter `tokens.access_ttl` does not shorten
//! tokens that are out. So the longest that any of them ever had is kept in the database.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use portcullis_store::keys;

use crate::cx::Cx;
use crate::fault::Fault;

/// The longest lifetime, as last read, in microseconds.
#[derive(Default)]
pub struct LongestLifetime(AtomicI64);

impl Cx {
    /// How long an access token of this database may live.
    pub(crate) fn longest_lifetime(&self) -> Duration {
        let known = Duration::from_micros(self.longest.0.load(Ordering::Relaxed).max(0).cast_unsigned());
        known.max(self.settings.lifetimes.access)
    }

    /// Notes our own lifetime before any token is made.
    pub(crate) async fn note_lifetime(&self) -> Result<(), Fault> {
        let own = i64::try_from(self.settings.lifetimes.access.as_micros()).unwrap_or(i64::MAX);
        if self.store.longest_access_token().await? < own {
            self.store
                .write_one(move |tx| Box::pin(async move { keys::lengthen_access_tokens(tx, own).await }))
                .await?;
        }
        self.reload_lifetime().await
    }

    pub(crate) async fn reload_lifetime(&self) -> Result<(), Fault> {
        self.longest.0.store(self.store.longest_access_token().await?, Ordering::Relaxed);
        Ok(())
    }
}
