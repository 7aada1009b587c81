//! The audit log: appended to in the transaction of the fact.

use portcullis_core::audit::{Event, KindFilter};
use portcullis_core::ids::{SessionId, UserId, lowest_uuid_at};
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

pub use portcullis_core::audit::StoredEvent;

/// Of `audit_events AS e`.
macro_rules! event_columns {
    () => {
        "e.id, e.at, e.kind, e.actor_id, e.user_id, e.session_id, e.address, e.detail"
    };
}
pub(crate) use event_columns;

const APPEND: &str = "INSERT INTO audit_events (id, at, kind, actor_id, user_id, session_id, address, detail) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
macro_rules! list {
    ($of:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            ", c.seq FROM audit_events AS e LEFT JOIN audit_chain AS c ON c.event_id = e.id \
             WHERE e.id < $1 AND e.id >= $2 AND ",
            $of,
            " AND ($4 IS NULL OR e.actor_id = $4) AND ($5 IS NULL OR e.kind = $5) \
             AND ($6 IS NULL OR substr(e.kind, 1, length($6)) = $6) AND e.at >= $7 AND e.at < $8 \
             ORDER BY e.id DESC LIMIT $9"
        )
    };
}
const LIST: &str = list!("$3 IS NULL");
/// There is an index for these.
const LIST_OF_USER: &str = list!("e.user_id = $3");
const ONE: &str = concat!(
    "SELECT ",
    event_columns!(),
    ", c.seq FROM audit_events AS e LEFT JOIN audit_chain AS c ON c.event_id = e.id WHERE e.id = $1"
);
const WINDOW_END: &str = "SELECT id FROM audit_events WHERE id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2";

/// How many events one statement looks at where no index helps.
const WINDOW: i64 = 5_000;

row! {
    /// An event, and its place in the chain.
    pub(crate) struct EventRow {
        pub(crate) id: Uuid,
        pub(crate) at: i64,
        pub(crate) kind: String,
        pub(crate) actor_id: Option<Uuid>,
        pub(crate) user_id: Option<Uuid>,
        pub(crate) session_id: Option<Uuid>,
        pub(crate) address: Option<String>,
        pub(crate) detail: String,
        pub(crate) seq: Option<i64>,
    }
}

impl From<EventRow> for StoredEvent {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            at: Timestamp::from_micros(row.at),
            kind: row.kind,
            actor: row.actor_id.map(UserId::from_uuid),
            user: row.user_id.map(UserId::from_uuid),
            session: row.session_id.map(SessionId::from_uuid),
            address: row.address,
            detail: row.detail,
            seq: row.seq.map(|seq| seq as u64),
        }
    }
}

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// What.
    pub kind: Option<KindFilter>,
    /// On whom.
    pub user: Option<UserId>,
    /// Who.
    pub actor: Option<UserId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Appends one event.
pub async fn append(tx: &mut Tx, event: &Event) -> Result<(), StoreError> {
    let detail = serde_json::Value::Object(event.detail.clone()).to_string();
    affected!(
        tx,
        sqlx::query(APPEND)
            .bind(event.id.uuid())
            .bind(event.at.micros())
            .bind(event.kind.as_str())
            .bind(event.actor.map(UserId::uuid))
            .bind(event.user.map(UserId::uuid))
            .bind(event.session.map(SessionId::uuid))
            .bind(event.address.map(|address| address.to_string()))
            .bind(detail)
    )?;
    Ok(())
}

impl Store {
    /// The newest events before one, newest first.
    pub async fn events(&self, before: Option<Uuid>, limit: i64) -> Result<Vec<StoredEvent>, StoreError> {
        let everything = EventFilter::default();
        self.select_events(&everything, (before.unwrap_or(Uuid::max()), Uuid::nil()), limit).await
    }

    /// One event.
    pub async fn event(&self, id: Uuid) -> Result<Option<StoredEvent>, StoreError> {
        let row: Option<EventRow> = on!(&self.db, db => sqlx::query_as(ONE).bind(id).fetch_optional(db))?;
        Ok(row.map(StoredEvent::from))
    }

    /// The newest of the wanted events before one, newest first, and where to go on; `None`: nowhere, there are no
    /// more. One call looks at so many events only, so that there may be more though fewer than `limit` came.
    pub async fn events_like(
        &self,
        filter: &EventFilter,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<(Vec<StoredEvent>, Option<Uuid>), StoreError> {
        let millisecond = std::time::Duration::from_millis(1);
        let until = filter.until.map_or(Uuid::max(), |until| lowest_uuid_at(until + millisecond));
        let since = filter.since.map_or(Uuid::nil(), lowest_uuid_at);
        let before = before.unwrap_or(Uuid::max()).min(until);
        let end: Option<Uuid> = if filter.user.is_some() {
            None
        } else {
            on!(&self.db, db => sqlx::query_scalar(WINDOW_END).bind(before).bind(WINDOW - 1).fetch_optional(db))?
        };
        let end = end.filter(|end| *end > since);
        let found = self.select_events(filter, (before, end.unwrap_or(since)), limit).await?;
        let full = found.len() as i64 == limit;
        let next = found.last().filter(|_| full).map(|last| last.id).or(end);
        Ok((found, next))
    }

    /// Events with ids before the first and not before the second.
    async fn select_events(
        &self,
        filter: &EventFilter,
        (before, from): (Uuid, Uuid),
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let (exactly, beginning) = match &filter.kind {
            None => (None, None),
            Some(KindFilter::Exactly(kind)) => (Some(kind), None),
            Some(KindFilter::Beginning(start)) => (None, Some(start)),
        };
        let statement = if filter.user.is_some() { LIST_OF_USER } else { LIST };
        let rows: Vec<EventRow> = on!(&self.db, db => sqlx::query_as(statement)
            .bind(before)
            .bind(from)
            .bind(filter.user.map(UserId::uuid))
            .bind(filter.actor.map(UserId::uuid))
            .bind(exactly)
            .bind(beginning)
            .bind(filter.since.map_or(i64::MIN, Timestamp::micros))
            .bind(filter.until.map_or(i64::MAX, Timestamp::micros))
            .bind(limit)
            .fetch_all(db))?;
        Ok(rows.into_iter().map(StoredEvent::from).collect())
    }
}
