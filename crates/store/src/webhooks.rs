//! Messages to others: one row for each endpoint until it has arrived. Whoever sends one takes it first, so that no
//! two nodes send the same; if they die over it, it is anybody's again.

use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::StoreError;

const INSERT: &str = "INSERT INTO webhook_deliveries (message_id, endpoint, kind, created_at, since, tries, due_at) \
    VALUES ($1, $2, $3, $4, $4, 0, $4) ON CONFLICT DO NOTHING";
/// The outer condition decides between two who have read the same.
const TAKE: &str = "UPDATE webhook_deliveries SET due_at = $3, tries = tries + 1 WHERE endpoint = $1 \
    AND due_at <= $2 AND message_id IN (SELECT message_id FROM webhook_deliveries \
    WHERE endpoint = $1 AND due_at <= $2 ORDER BY due_at, message_id LIMIT $4) \
    RETURNING message_id, endpoint, kind, created_at, since, tries, due_at, last_error";
const ARRIVED: &str =
    "DELETE FROM webhook_deliveries WHERE message_id = $1 AND endpoint = $2 AND due_at = $3 AND tries = $4";
const FAILED: &str = "UPDATE webhook_deliveries SET due_at = $5, last_error = $6 \
    WHERE message_id = $1 AND endpoint = $2 AND due_at = $3 AND tries = $4";
macro_rules! list {
    ($which:literal) => {
        concat!(
            "SELECT message_id, endpoint, kind, created_at, since, tries, due_at, last_error \
             FROM webhook_deliveries WHERE ",
            $which,
            " (message_id > $1 OR (message_id = $1 AND endpoint > $2)) ORDER BY message_id, endpoint LIMIT $3"
        )
    };
}
const LIST: &str = list!("");
const LIST_DEAD: &str = list!("due_at IS NULL AND");
/// Of the dead alone: one that is being sent is its sender's, and one that waits is tried by itself.
const RETRY: &str = "UPDATE webhook_deliveries SET due_at = $1, since = $1, tries = 0 \
    WHERE due_at IS NULL AND ($2 IS NULL OR endpoint = $2) AND ($3 IS NULL OR message_id = $3)";
const DROP: &str = "DELETE FROM webhook_deliveries WHERE endpoint = $1";
const COUNT: &str = "SELECT endpoint, CAST(COALESCE(SUM(CASE WHEN due_at IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT) \
    AS dead, COUNT(*) AS all_rows, MIN(CASE WHEN due_at IS NULL THEN NULL ELSE created_at END) AS oldest \
    FROM webhook_deliveries GROUP BY endpoint ORDER BY endpoint";

row! {
    struct DeliveryRow {
        message_id: Uuid, endpoint: String, kind: String, created_at: i64, since: i64, tries: i64,
        due_at: Option<i64>, last_error: Option<String>,
    }
}

row! {
    struct CountRow { endpoint: String, dead: i64, all_rows: i64, oldest: Option<i64> }
}

/// A message for one endpoint.
#[derive(Clone, Debug)]
pub struct Message {
    /// The event or the checkpoint that it is about, and its `webhook-id`.
    pub id: Uuid,
    /// To whom, by the name in the configuration.
    pub endpoint: String,
    /// Of the event.
    pub kind: String,
    /// When it was made, and is due.
    pub now: Timestamp,
}

/// A message that has not arrived.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its `webhook-id`.
    pub id: Uuid,
    /// To whom.
    pub endpoint: String,
    /// Of the event.
    pub kind: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Tries count from here.
    pub since: Timestamp,
    /// How often it was tried, one that is under way included.
    pub tries: u32,
    /// When it is tried next; `None`: it waits for an operator.
    pub due_at: Option<Timestamp>,
    /// Why it has not arrived.
    pub last_error: Option<String>,
}

/// What waits for one endpoint.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Which.
    pub endpoint: String,
    /// Messages that are tried again.
    pub waiting: i64,
    /// Messages that wait for an operator.
    pub dead: i64,
    /// When the oldest of those that are tried again was made.
    pub oldest: Option<Timestamp>,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.message_id,
            endpoint: row.endpoint,
            kind: row.kind,
            created_at: Timestamp::from_micros(row.created_at),
            since: Timestamp::from_micros(row.since),
            tries: u32::try_from(row.tries).unwrap_or(u32::MAX),
            due_at: row.due_at.map(Timestamp::from_micros),
            last_error: row.last_error,
        }
    }
}

impl Store {
    /// Takes up to `limit` messages that are due; until `until` they are the caller's alone.
    pub async fn take_deliveries(
        &self,
        endpoint: String,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.write_one(move |tx| {
            let endpoint = endpoint.clone();
            Box::pin(async move {
                let rows: Vec<DeliveryRow> = on_tx!(tx, db => sqlx::query_as(TAKE)
                    .bind(&endpoint)
                    .bind(now.micros())
                    .bind(until.micros())
                    .bind(limit)
                    .fetch_all(db))?;
                Ok(rows.into_iter().map(Delivery::from).collect())
            })
        })
        .await
    }

    /// Messages that have not arrived, in the order of their making, after one of an endpoint.
    pub async fn deliveries(
        &self,
        dead: bool,
        after: Option<&Delivery>,
        limit: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        let (id, endpoint) = after.map_or((Uuid::nil(), ""), |last| (last.id, &last.endpoint));
        let statement = if dead { LIST_DEAD } else { LIST };
        let rows: Vec<DeliveryRow> = on!(&self.db, db =>
            sqlx::query_as(statement).bind(id).bind(endpoint).bind(limit).fetch_all(db))?;
        Ok(rows.into_iter().map(Delivery::from).collect())
    }

    /// How much waits, for each endpoint for which anything does.
    pub async fn waiting_deliveries(&self) -> Result<Vec<Waiting>, StoreError> {
        let rows: Vec<CountRow> = on!(&self.db, db => sqlx::query_as(COUNT).fetch_all(db))?;
        let waiting = |row: CountRow| Waiting {
            endpoint: row.endpoint,
            waiting: row.all_rows - row.dead,
            dead: row.dead,
            oldest: row.oldest.map(Timestamp::from_micros),
        };
        Ok(rows.into_iter().map(waiting).collect())
    }
}

/// Lets a message be sent, unless it is to be already.
pub async fn insert(tx: &mut Tx, message: &Message) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(INSERT)
            .bind(message.id)
            .bind(&message.endpoint)
            .bind(&message.kind)
            .bind(message.now.micros())
    )?;
    Ok(())
}

/// A message that was taken has arrived, or there is nothing more to send. Whoever took it after us goes on.
pub async fn arrived(tx: &mut Tx, taken: &Delivery) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(ARRIVED)
            .bind(taken.id)
            .bind(&taken.endpoint)
            .bind(taken.due_at.map(Timestamp::micros))
            .bind(i64::from(taken.tries))
    )?;
    Ok(())
}

/// A message that was taken has not arrived: tried again at `next`, or never (`None`).
pub async fn failed(
    tx: &mut Tx,
    taken: &Delivery,
    next: Option<Timestamp>,
    error: &str,
) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(FAILED)
            .bind(taken.id)
            .bind(&taken.endpoint)
            .bind(taken.due_at.map(Timestamp::micros))
            .bind(i64::from(taken.tries))
            .bind(next.map(Timestamp::micros))
            .bind(error)
    )?;
    Ok(())
}

/// Lets dead messages be sent again: all, or those of an endpoint, or one; how many.
pub async fn retry(
    tx: &mut Tx,
    endpoint: Option<&str>,
    message: Option<Uuid>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(RETRY).bind(now.micros()).bind(endpoint).bind(message))?)
}

/// Forgets all that waits for an endpoint; how many messages.
pub async fn drop_endpoint(tx: &mut Tx, endpoint: &str) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(DROP).bind(endpoint))?)
}
