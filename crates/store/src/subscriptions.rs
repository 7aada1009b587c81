//! What accounts have subscribed to: at most one row each.

use portcullis_core::ids::AccountId;
use portcullis_core::subscription::{Phase, Plan, Subscription};
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

const GET: &str = "SELECT plan, phase, started_at, ends_at FROM subscriptions WHERE account_id = $1";
const PUT: &str = "INSERT INTO subscriptions (account_id, plan, phase, started_at, ends_at) \
    SELECT id, $2, $3, $4, $5 FROM accounts WHERE id = $1 ON CONFLICT (account_id) DO UPDATE \
    SET plan = excluded.plan, phase = excluded.phase, started_at = excluded.started_at, ends_at = excluded.ends_at";
const DELETE: &str = "DELETE FROM subscriptions WHERE account_id = $1";

row! {
    /// All of them `NULL`: there is none.
    pub(crate) struct SubscriptionRow {
        plan: Option<String>, phase: Option<String>, started_at: Option<i64>, ends_at: Option<i64>,
    }
}

impl SubscriptionRow {
    /// The subscription of account `id`.
    pub(crate) fn into_subscription(self, id: Uuid) -> Result<Option<Subscription>, StoreError> {
        let Some(plan) = self.plan else { return Ok(None) };
        let ends_at = self.ends_at.map(Timestamp::from_micros);
        let phase = self.phase.as_deref().and_then(|phase| Phase::named(phase, ends_at));
        let corrupt = || StoreError::Corrupt { table: "subscriptions", column: "phase", id: id.to_string() };
        Ok(Some(Subscription {
            plan: Plan::from_stored(plan),
            phase: phase.ok_or_else(corrupt)?,
            started_at: Timestamp::from_micros(self.started_at.unwrap_or_default()),
        }))
    }
}

impl Store {
    /// What an account has subscribed to.
    pub async fn subscription(&self, account: AccountId) -> Result<Option<Subscription>, StoreError> {
        let row: Option<SubscriptionRow> =
            on!(&self.db, db => sqlx::query_as(GET).bind(account.uuid()).fetch_optional(db))?;
        row.map_or(Ok(None), |row| row.into_subscription(account.uuid()))
    }
}

/// Subscribes an account, in the place of what it had; `false`: there is no such account.
pub async fn put(tx: &mut Tx, account: AccountId, new: &Subscription) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(PUT)
            .bind(account.uuid())
            .bind(new.plan.as_str())
            .bind(new.phase.as_str())
            .bind(new.started_at.micros())
            .bind(new.phase.ends_at().map(Timestamp::micros))
    )?;
    Ok(done > 0)
}

/// Ends what an account has subscribed to; `false`: nothing.
pub async fn delete(tx: &mut Tx, account: AccountId) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(DELETE).bind(account.uuid()))? > 0)
}
