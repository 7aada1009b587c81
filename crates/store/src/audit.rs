//! The audit log: appended to in the transaction of the fact.

use portcullis_core::audit::Event;
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

const APPEND: &str = "INSERT INTO audit_events (id, at, kind, actor_id, user_id, session_id, address, detail) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const LIST: &str = "SELECT id, at, kind, actor_id, user_id, session_id, address, detail FROM audit_events \
    WHERE id < $1 ORDER BY id DESC LIMIT $2";

row! {
    struct EventRow {
        id: Uuid, at: i64, kind: String, actor_id: Option<Uuid>, user_id: Option<Uuid>,
        session_id: Option<Uuid>, address: Option<String>, detail: String,
    }
}

/// A stored event.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: String,
    /// Who.
    pub actor: Option<UserId>,
    /// On whom.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// From where.
    pub address: Option<String>,
    /// More, as JSON.
    pub detail: String,
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
        let before = before.unwrap_or(Uuid::max());
        let rows: Vec<EventRow> =
            on!(&self.db, db => sqlx::query_as(LIST).bind(before).bind(limit).fetch_all(db))?;
        let event = |row: EventRow| StoredEvent {
            id: row.id,
            at: Timestamp::from_micros(row.at),
            kind: row.kind,
            actor: row.actor_id.map(UserId::from_uuid),
            user: row.user_id.map(UserId::from_uuid),
            session: row.session_id.map(SessionId::from_uuid),
            address: row.address,
            detail: row.detail,
        };
        Ok(rows.into_iter().map(event).collect())
    }
}
