//! Places in the status lists: each session that is made while they are on has one, and gets another when its tokens
//! so far are ended but it lives on.

use portcullis_core::ids::UserId;
use portcullis_core::status_list::StatusIndex;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx};
use crate::error::StoreError;

const ALLOCATE: &str = "INSERT INTO status_indexes (session_id) VALUES ($1) RETURNING idx";
/// Whatever the setting says now: its old place is taken, so tokens that still name one must name another.
const ALLOCATE_AGAIN: &str = "INSERT INTO status_indexes (session_id) \
    SELECT id FROM sessions WHERE id = $1 AND status_index IS NOT NULL RETURNING idx";
const MOVE: &str = "UPDATE sessions SET status_index = $2 WHERE id = $1";
const ALLOCATE_ALL: &str = "INSERT INTO status_indexes (session_id) \
    SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND status_index IS NOT NULL";
const MOVE_ALL: &str = "UPDATE sessions SET status_index = \
    (SELECT MAX(i.idx) FROM status_indexes AS i WHERE i.session_id = sessions.id) \
    WHERE user_id = $1 AND ended_at IS NULL AND status_index IS NOT NULL";
const HIGHEST: &str = "SELECT MAX(idx) FROM status_indexes";
/// Also those of sessions that went with their user.
const PURGE: &str = "DELETE FROM status_indexes WHERE session_id > $1 AND session_id <= $2 \
    AND NOT EXISTS (SELECT 1 FROM sessions AS s WHERE s.id = status_indexes.session_id)";

/// A place for a session that is about to be made in the same transaction.
pub(crate) async fn allocate(tx: &mut Tx, session: Uuid) -> Result<i64, StoreError> {
    Ok(on_tx!(tx, db => sqlx::query_scalar(ALLOCATE).bind(session).fetch_one(db))?)
}

/// Another place for a session that has one, after the old one was appended to the revocations. The caller holds
/// the session's row.
pub(crate) async fn renew(tx: &mut Tx, session: Uuid) -> Result<Option<StatusIndex>, StoreError> {
    let index: Option<i64> =
        on_tx!(tx, db => sqlx::query_scalar(ALLOCATE_AGAIN).bind(session).fetch_optional(db))?;
    let Some(index) = index else { return Ok(None) };
    affected!(tx, sqlx::query(MOVE).bind(session).bind(index))?;
    Ok(StatusIndex::from_stored(index))
}

/// The same for all live sessions of a user. The caller holds their rows.
pub(crate) async fn renew_all(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    if affected!(tx, sqlx::query(ALLOCATE_ALL).bind(user.uuid()))? > 0 {
        affected!(tx, sqlx::query(MOVE_ALL).bind(user.uuid()))?;
    }
    Ok(())
}

/// Forgets the places of sessions after `after` up to `last` that are gone. Their numbers never come again.
pub(crate) async fn purge(tx: &mut Tx, after: Uuid, last: Uuid) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(PURGE).bind(after).bind(last))?;
    Ok(())
}

impl Store {
    /// The highest place that a session has; `None`: none has one.
    pub async fn highest_status_index(&self) -> Result<Option<StatusIndex>, StoreError> {
        let highest: Option<i64> = on!(&self.db, db => sqlx::query_scalar(HIGHEST).fetch_one(db))?;
        Ok(highest.and_then(StatusIndex::from_stored))
    }
}
