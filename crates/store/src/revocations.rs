//! The list of revocations. Appends commit in the order of their numbers, so that a reader who has seen number
//! n has seen all before it.

use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::revocation::{Numbered, Revocation};
use portcullis_core::status_list::StatusIndex;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::dialect::{APPEND_LOCK, NOTIFY, control_postgres};
use crate::error::StoreError;
use crate::status_indexes;

const APPEND: &str = "INSERT INTO revocations (session_id, upto, created_at, expires_at, status_index) \
    VALUES ($1, $2, $3, $4, (SELECT MAX(idx) FROM status_indexes WHERE session_id = $1))";
/// Several in one statement: the list is locked meanwhile. Each database takes them in its own form.
macro_rules! append_all {
    ($ids:literal) => {
        concat!(
            "INSERT INTO revocations (session_id, upto, created_at, expires_at, status_index) \
             SELECT e.id, NULL, $2, $3, (SELECT MAX(idx) FROM status_indexes WHERE session_id = e.id) FROM ",
            $ids
        )
    };
}
const APPEND_ALL_SQLITE: &str = append_all!("(SELECT unhex(value) AS id FROM json_each($1)) AS e");
const APPEND_ALL_POSTGRES: &str = append_all!("unnest($1::uuid[]) AS e(id)");
const APPEND_LIVE: &str = "INSERT INTO revocations (session_id, upto, created_at, expires_at, status_index) \
    SELECT id, generation, $2, $3, status_index FROM sessions WHERE user_id = $1 AND ended_at IS NULL";
/// The same, but of one session only those before its newest.
const APPEND_LIVE_BUT: &str = "INSERT INTO revocations (session_id, upto, created_at, expires_at, status_index) \
    SELECT id, CASE WHEN id = $4 THEN generation - 1 ELSE generation END, $2, $3, status_index FROM sessions \
    WHERE user_id = $1 AND ended_at IS NULL";
const APPEND_TOKENS: &str = "INSERT INTO revocations (session_id, upto, created_at, expires_at) \
    SELECT id, generation - 1, $2, $3 FROM api_tokens WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2";
const AFTER: &str = "SELECT seq, session_id, upto, expires_at, status_index FROM revocations \
    WHERE ((seq > $1 OR created_at > $2) AND expires_at > $3) \
    OR seq = (SELECT MAX(seq) FROM revocations) ORDER BY seq";
/// The last row stays: whoever follows the list knows by it where the list ends, and whether it is the same list.
const PURGE: &str =
    "DELETE FROM revocations WHERE expires_at <= $1 AND seq < (SELECT MAX(seq) FROM revocations)";

row! {
    struct RevocationRow { seq: i64, session_id: Uuid, upto: Option<i64>, expires_at: i64, status_index: Option<i64> }
}

/// When an entry is made, and when it may be forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Now.
    pub now: Timestamp,
    /// When the last token it ends has expired.
    pub expires_at: Timestamp,
}

/// Ends all access tokens of one session.
pub async fn append(tx: &mut Tx, session: Uuid, span: Span) -> Result<(), StoreError> {
    append_one(tx, session, None, span).await
}

/// Ends access tokens of one session up to a generation. If it has a place in the status lists it lives on at
/// another, which is what its next tokens must name.
pub async fn append_upto(
    tx: &mut Tx,
    session: Uuid,
    upto: u32,
    span: Span,
) -> Result<Option<StatusIndex>, StoreError> {
    append_one(tx, session, Some(i64::from(upto)), span).await?;
    status_indexes::renew(tx, session).await
}

/// Ends all access tokens of several sessions: of those that the same transaction has ended, by the ids that came
/// back from there. No time tells which these are: two readings of a clock differ.
pub async fn append_all(tx: &mut Tx, sessions: &[Uuid], span: Span) -> Result<(), StoreError> {
    if sessions.is_empty() {
        return Ok(());
    }
    control_postgres(tx, APPEND_LOCK).await?;
    let (now, expires_at) = (span.now.micros(), span.expires_at.micros());
    match tx {
        Tx::Sqlite(connection) => {
            let hex: Vec<String> = sessions.iter().map(|id| id.as_simple().to_string()).collect();
            let ids = serde_json::Value::from(hex).to_string();
            let query = sqlx::query(APPEND_ALL_SQLITE).bind(ids).bind(now).bind(expires_at);
            query.execute(&mut *connection).await.map(drop)
        }
        Tx::Postgres(connection) => {
            let query = sqlx::query(APPEND_ALL_POSTGRES).bind(sessions).bind(now).bind(expires_at);
            query.execute(&mut **connection).await.map(drop)
        }
    }?;
    Ok(control_postgres(tx, NOTIFY).await?)
}

/// Ends the access tokens that the live sessions of `user` have got so far; the sessions live on, and their
/// next tokens say what is true then, from another place in the status lists.
pub async fn append_user(tx: &mut Tx, user: UserId, span: Span) -> Result<(), StoreError> {
    append_of(tx, APPEND_LIVE, user, span).await?;
    status_indexes::renew_all(tx, user).await
}

/// The same, after the chain of session `but` has moved on in the same transaction: the newest tokens of that one are
/// still to be made.
pub async fn append_user_but_newest(
    tx: &mut Tx,
    user: UserId,
    but: Option<SessionId>,
    span: Span,
) -> Result<(), StoreError> {
    control_postgres(tx, APPEND_LOCK).await?;
    affected!(
        tx,
        sqlx::query(APPEND_LIVE_BUT)
            .bind(user.uuid())
            .bind(span.now.micros())
            .bind(span.expires_at.micros())
            .bind(but.map(SessionId::uuid))
    )?;
    control_postgres(tx, NOTIFY).await?;
    status_indexes::renew_all(tx, user).await
}

/// Ends the access tokens exchanged for API tokens of `user` before [`crate::api_tokens::renew_all`] in the same
/// transaction, and what nodes remember of those. The API tokens live on.
pub async fn append_api_tokens(tx: &mut Tx, user: UserId, span: Span) -> Result<(), StoreError> {
    append_of(tx, APPEND_TOKENS, user, span).await
}

async fn append_one(tx: &mut Tx, session: Uuid, upto: Option<i64>, span: Span) -> Result<(), StoreError> {
    control_postgres(tx, APPEND_LOCK).await?;
    affected!(
        tx,
        sqlx::query(APPEND).bind(session).bind(upto).bind(span.now.micros()).bind(span.expires_at.micros())
    )?;
    Ok(control_postgres(tx, NOTIFY).await?)
}

async fn append_of(tx: &mut Tx, statement: &'static str, user: UserId, span: Span) -> Result<(), StoreError> {
    control_postgres(tx, APPEND_LOCK).await?;
    affected!(
        tx,
        sqlx::query(statement).bind(user.uuid()).bind(span.now.micros()).bind(span.expires_at.micros())
    )?;
    Ok(control_postgres(tx, NOTIFY).await?)
}

/// Deletes entries whose tokens have all expired, the last one aside.
pub async fn purge(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(now.micros()))?)
}

impl Store {
    /// Entries after number `after` or made since `since`, in the order of their numbers, without those that have
    /// expired. The last entry of all is always among them, even an expired one.
    pub async fn revocations(
        &self,
        after: i64,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Numbered>, StoreError> {
        let rows: Vec<RevocationRow> = on!(&self.db, db => sqlx::query_as(AFTER)
            .bind(after)
            .bind(since.micros())
            .bind(now.micros())
            .fetch_all(db))?;
        let entry = |row: RevocationRow| Numbered {
            number: row.seq,
            revocation: Revocation {
                session: row.session_id,
                upto: row.upto.map(|upto| upto as u32),
                expires_at: Timestamp::from_micros(row.expires_at),
            },
            status_index: row.status_index.and_then(StatusIndex::from_stored),
        };
        Ok(rows.into_iter().map(entry).collect())
    }
}
