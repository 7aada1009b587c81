//! Periodic work is done by one node at a time: whoever holds the lease.

use portcullis_core::time::Timestamp;

use crate::Store;
use crate::db::{affected, on};
use crate::dialect::CLOCK;
use crate::error::StoreError;

const TAKE: &str = "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3) ON CONFLICT (name) \
    DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at \
    WHERE leases.expires_at <= $4 OR leases.holder = excluded.holder";
const RELEASE: &str = "DELETE FROM leases WHERE holder = $1";

impl Store {
    /// Takes or renews the lease `name` for `holder`; `false`: another node has it.
    pub async fn take_lease(
        &self,
        name: &'static str,
        holder: String,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write_one(move |tx| {
            let holder = holder.clone();
            Box::pin(async move {
                let taken = affected!(
                    tx,
                    sqlx::query(TAKE).bind(name).bind(&holder).bind(until.micros()).bind(now.micros())
                )?;
                Ok(taken > 0)
            })
        })
        .await
    }

    /// Gives back every lease of `holder`, which is going away.
    pub async fn release_leases(&self, holder: String) -> Result<(), StoreError> {
        self.write_one(move |tx| {
            let holder = holder.clone();
            Box::pin(async move {
                affected!(tx, sqlx::query(RELEASE).bind(&holder))?;
                Ok(())
            })
        })
        .await
    }

    /// The database's own clock; `None` for SQLite, which has none.
    pub async fn database_clock(&self) -> Result<Option<Timestamp>, StoreError> {
        if self.engine() == "sqlite" {
            return Ok(None);
        }
        let now: i64 = on!(&self.db, db => sqlx::query_scalar(CLOCK).fetch_one(db))?;
        Ok(Some(Timestamp::from_micros(now)))
    }
}
