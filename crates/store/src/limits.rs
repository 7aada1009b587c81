//! Rate limits and slow-downs, shared by all nodes of the database. Each is one guarded statement.

use portcullis_core::rate::Rate;
use portcullis_core::slow_down;
use portcullis_core::time::Timestamp;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx};
use crate::error::StoreError;

/// The generic cell rate algorithm: `full_at` is when the counter would be empty again. A call is let through
/// if the counter, with this call in it, is not fuller than one period.
const TAKE: &str = "INSERT INTO rate_limits (key, full_at) VALUES ($1, $2 + $3) ON CONFLICT (key) DO UPDATE \
    SET full_at = CASE WHEN rate_limits.full_at > $2 THEN rate_limits.full_at ELSE $2 END + $3 \
    WHERE rate_limits.full_at + $3 <= $2 + $4 OR rate_limits.full_at <= $2 RETURNING full_at";
const PEEK: &str = "SELECT full_at FROM rate_limits WHERE key = $1";
const PURGE: &str = "DELETE FROM rate_limits WHERE full_at <= $1";

const IS_CLEAN: &str = "SELECT COUNT(*) FROM slow_downs WHERE key = $1";
/// Reserves an attempt before the password is looked at. No row: the bucket is closed.
const RESERVE: &str = "INSERT INTO slow_downs (key, attempts, opens_at, updated_at) VALUES ($1, 1, 0, $2) \
    ON CONFLICT (key) DO UPDATE SET attempts = slow_downs.attempts + 1, updated_at = $2, \
    opens_at = CASE WHEN slow_downs.attempts + 1 < $3 THEN 0 WHEN slow_downs.attempts + 1 >= $3 + 10 \
    THEN $2 + 900000000 ELSE $2 + 1000000 * (1 << CAST(slow_downs.attempts + 1 - $3 AS INTEGER)) END \
    WHERE slow_downs.opens_at <= $2 RETURNING attempts";
const FORGIVE: &str = "DELETE FROM slow_downs WHERE key = $1";
const RETURN: &str = "UPDATE slow_downs SET attempts = attempts - 1, opens_at = 0 \
    WHERE key = $1 AND attempts > 0";
const PURGE_SLOW_DOWNS: &str = "DELETE FROM slow_downs WHERE updated_at <= $1 AND opens_at <= $1";

/// Names a counter: a MAC, so that the table tells no address and no e-mail.
pub type CounterKey = [u8; 16];

/// Whether a call is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Yes; the counter is empty again at this time.
    Granted(Timestamp),
    /// No; the counter is empty again at this time.
    Refused(Timestamp),
}

impl Store {
    /// Counts one call against `rate`.
    pub async fn take(&self, key: CounterKey, rate: Rate, now: Timestamp) -> Result<Take, StoreError> {
        let (cost, per) = (rate.cost(), i64::try_from(rate.per.as_micros()).unwrap_or(i64::MAX / 4));
        let granted: Option<i64> = self
            .write_one(move |tx| {
                Box::pin(async move {
                    Ok(on_tx!(tx, db => sqlx::query_scalar(TAKE)
                        .bind(&key[..])
                        .bind(now.micros())
                        .bind(cost)
                        .bind(per)
                        .fetch_optional(db))?)
                })
            })
            .await?;
        if let Some(full_at) = granted {
            return Ok(Take::Granted(Timestamp::from_micros(full_at)));
        }
        let full_at: Option<i64> =
            on!(&self.db, db => sqlx::query_scalar(PEEK).bind(&key[..]).fetch_optional(db))?;
        Ok(Take::Refused(Timestamp::from_micros(full_at.unwrap_or_else(|| now.micros() + per))))
    }

    /// Whether no attempt is counted in this bucket.
    pub async fn is_clean(&self, key: CounterKey) -> Result<bool, StoreError> {
        let rows: i64 = on!(&self.db, db => sqlx::query_scalar(IS_CLEAN).bind(&key[..]).fetch_one(db))?;
        Ok(rows == 0)
    }

    /// Reserves an attempt at a password; `false`: the bucket is closed, do not look at the password.
    pub async fn reserve_attempt(&self, key: CounterKey, now: Timestamp) -> Result<bool, StoreError> {
        self.write_one(move |tx| {
            Box::pin(async move {
                let attempts: Option<i64> = on_tx!(tx, db => sqlx::query_scalar(RESERVE)
                    .bind(&key[..])
                    .bind(now.micros())
                    .bind(slow_down::FREE)
                    .fetch_optional(db))?;
                Ok(attempts.is_some())
            })
        })
        .await
    }

    /// The password was right: the bucket starts afresh.
    pub async fn forgive_attempts(&self, key: CounterKey) -> Result<(), StoreError> {
        self.write_one(move |tx| Box::pin(async move { forgive(tx, key).await })).await
    }

    /// The password was never looked at (no room, a fault of ours): the attempt does not count.
    pub async fn return_attempt(&self, key: CounterKey) -> Result<(), StoreError> {
        self.write_one(move |tx| {
            Box::pin(async move {
                affected!(tx, sqlx::query(RETURN).bind(&key[..]))?;
                Ok(())
            })
        })
        .await
    }
}

/// The password was right: the bucket starts afresh.
pub async fn forgive(tx: &mut Tx, key: CounterKey) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(FORGIVE).bind(&key[..]))?;
    Ok(())
}

/// Deletes counters that say nothing any more.
pub async fn purge(tx: &mut Tx, now: Timestamp, forgotten: Timestamp) -> Result<u64, StoreError> {
    let limits = affected!(tx, sqlx::query(PURGE).bind(now.micros()))?;
    Ok(limits + affected!(tx, sqlx::query(PURGE_SLOW_DOWNS).bind(forgotten.micros()))?)
}
