//! Sessions: made, rotated, listed, ended. One row each; nothing grows with use.

use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::refresh_token::SecretHash;
use portcullis_core::server_key::KeyId;
use portcullis_core::session::{EndCause, Grant};
use portcullis_core::status_list::StatusIndex;
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::StoreError;
use crate::factors::StepUp;
pub use crate::new_session::{ActingFrom, Asker, NewSession, create, hold_asker};
use crate::rotate::{Rotate, carrier, carrier_code};
pub use crate::session_rows::Judged;
use crate::session_rows::{GrantRow, JudgedRow, grant_columns};
use crate::status_indexes;

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Id.
    pub id: SessionId,
    /// What the device calls itself.
    pub device: String,
    /// Address of the last rotation.
    pub address: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last rotation.
    pub last_used_at: Timestamp,
    /// An administrator acts in it.
    pub acting: bool,
    /// How its user has shown who they are, as `amr` has it.
    pub methods: Vec<String>,
}

const JUDGED: &str = concat!(
    "SELECT secret_hash, key_id, rotated_at, idle_ends_at, window_at, window_count, ended_at, end_cause, device, \
     address, ",
    grant_columns!(),
    " FROM sessions WHERE id = $1"
);
const LIVE: &str = "SELECT id, device, address, created_at, rotated_at AS last_used_at, \
    (acting IS NOT NULL AND acting <> 'bot') AS acting, methods FROM sessions \
    WHERE user_id = $1 AND ended_at IS NULL AND idle_ends_at > $2 AND ends_at > $2 AND id < $3 \
    ORDER BY id DESC LIMIT $4";
const ROTATE_AHEAD: &str = concat!(
    "UPDATE sessions SET generation = $2 + 1, key_id = $4, rotated_at = $5, idle_ends_at = $6, address = $7, \
     device = $8 WHERE id = $1 AND generation < $2 AND secret_hash = $3 AND ",
    carrier!(),
    " = $9 \
     AND ended_at IS NULL AND idle_ends_at > $5 AND ends_at > $5 RETURNING ",
    grant_columns!()
);
const END_ONE: &str = "UPDATE sessions SET ended_at = $2, end_cause = $3 WHERE id = $1 AND ended_at IS NULL \
    RETURNING user_id, actor_id";
const END_OWN: &str = "UPDATE sessions SET ended_at = $2, end_cause = $3 WHERE id = $1 AND user_id = $4 \
    AND ended_at IS NULL RETURNING user_id, actor_id";
const END_BY_SECRET: &str = "UPDATE sessions SET ended_at = $2, end_cause = $3 WHERE id = $1 \
    AND secret_hash = $4 AND ended_at IS NULL RETURNING user_id, actor_id";
/// Whoever acts as another holds their own row until the commit: a session that they have just made is seen by
/// the statement after this one, never by one that began before.
const HOLD_USER: &str = "UPDATE users SET version = version WHERE id = $1";
const END_ALL_BUT: &str = "UPDATE sessions SET ended_at = $2, end_cause = $3 \
    WHERE (user_id = $1 OR actor_id = $1) AND id <> $4 AND ended_at IS NULL RETURNING id";
const END_ACTING_FROM: &str = "UPDATE sessions SET ended_at = $2, end_cause = 'acting_ended' \
    WHERE actor_session_id = $1 AND ended_at IS NULL RETURNING id";
const END_ACTING: &str = "UPDATE sessions SET ended_at = $2, end_cause = 'acting_ended' \
    WHERE (actor_id = $1 OR user_id = $1) AND acting <> 'bot' AND ended_at IS NULL RETURNING id";
const END_SINCE: &str = "UPDATE sessions SET ended_at = $2, end_cause = $3 \
    WHERE user_id = $1 AND id >= $4 AND acting IS NULL AND ended_at IS NULL RETURNING id";
const END_ACTING_FROM_ENDED: &str = "UPDATE sessions SET ended_at = $2, end_cause = 'acting_ended' \
    WHERE actor_session_id IN (SELECT id FROM sessions WHERE user_id = $1 AND id >= $3 AND acting IS NULL) \
    AND ended_at IS NULL RETURNING id";
const CALL_ENDED: &str = "UPDATE sessions SET end_cause = $2 \
    WHERE user_id = $1 AND id >= $3 AND acting IS NULL AND ended_at IS NOT NULL";
/// A password proves less than the second factor that the session has shown: with one, it does not make it fresh.
const RENEW: &str = concat!(
    "UPDATE sessions SET secret_hash = $3, generation = generation + 1, key_id = $4, rotated_at = $5, \
     idle_ends_at = $6, must_change_password = FALSE, \
     authenticated_at = CASE WHEN factors = 0 THEN $5 ELSE authenticated_at END \
     WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND idle_ends_at > $5 AND ends_at > $5 RETURNING ",
    grant_columns!()
);
/// Whoever must change their password must still do so.
const STEP_UP: &str = concat!(
    "UPDATE sessions SET secret_hash = $3, generation = generation + 1, key_id = $4, rotated_at = $5, \
     idle_ends_at = $6, authenticated_at = $5, methods = $7 \
     WHERE id = $1 AND user_id = $2 AND acting IS NULL AND ended_at IS NULL AND idle_ends_at > $5 AND ends_at > $5 \
     RETURNING ",
    grant_columns!()
);
const STATUS_INDEX: &str = "SELECT status_index FROM sessions WHERE id = $1";
const COPY_USER: &str = "UPDATE sessions SET role = u.role, \
    must_change_password = u.must_change_password, factors = u.factors FROM users AS u \
    WHERE sessions.user_id = $1 AND u.id = $1 AND sessions.ended_at IS NULL";
const SLICE_END: &str = "SELECT id FROM sessions WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2";
const PURGE: &str = "DELETE FROM sessions WHERE id > $1 AND id <= $2 \
    AND (ended_at <= $3 OR idle_ends_at <= $3 OR ends_at <= $3)";
const COUNT_BY_KEY: &str = "SELECT key_id, COUNT(*) AS count FROM sessions WHERE ended_at IS NULL \
    AND idle_ends_at > $1 AND ends_at > $1 GROUP BY key_id";

row! {
    struct ViewRow { id: Uuid, device: String, address: String, created_at: i64, last_used_at: i64, acting: bool, methods: String }
}

row! {
    struct EndedRow { user_id: Uuid, actor_id: Option<Uuid> }
}

row! {
    struct CountRow { key_id: i64, count: i64 }
}

/// Which of a user's own sessions to list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Only those made before this one.
    pub before: Option<SessionId>,
    /// At most so many.
    pub limit: i64,
}

impl Store {
    /// Rotates, if the row's guard lets it; `None`: it does not, see [`Self::judged`] for why.
    pub async fn rotate(&self, command: Rotate) -> Result<Option<Grant>, StoreError> {
        self.writer.rotate(command).await
    }

    /// The session as it is at this moment, to judge a refresh token by; `None`: there is no such session.
    pub async fn judged(&self, session: SessionId) -> Result<Option<Judged>, StoreError> {
        let row: Option<JudgedRow> =
            on!(&self.db, db => sqlx::query_as(JUDGED).bind(session.uuid()).fetch_optional(db))?;
        row.map(Judged::try_from).transpose()
    }

    /// Live sessions of a user, newest first.
    pub async fn live_sessions(
        &self,
        user: UserId,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionView>, StoreError> {
        let before = page.before.map_or(Uuid::max(), SessionId::uuid);
        let rows: Vec<ViewRow> = on!(&self.db, db => sqlx::query_as(LIVE)
            .bind(user.uuid())
            .bind(now.micros())
            .bind(before)
            .bind(page.limit)
            .fetch_all(db))?;
        let view = |row: ViewRow| SessionView {
            id: SessionId::from_uuid(row.id),
            device: row.device,
            address: row.address,
            created_at: Timestamp::from_micros(row.created_at),
            last_used_at: Timestamp::from_micros(row.last_used_at),
            acting: row.acting,
            methods: row.methods.split_ascii_whitespace().map(str::to_owned).collect(),
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// Live sessions by the server key of their current refresh token.
    pub async fn sessions_by_key(&self, now: Timestamp) -> Result<Vec<(KeyId, i64)>, StoreError> {
        let rows: Vec<CountRow> =
            on!(&self.db, db => sqlx::query_as(COUNT_BY_KEY).bind(now.micros()).fetch_all(db))?;
        Ok(rows.into_iter().map(|row| (KeyId(row.key_id as u32), row.count)).collect())
    }
}

/// Rotates from a generation ahead of the row.
pub async fn rotate_ahead(tx: &mut Tx, command: &Rotate) -> Result<Option<Grant>, StoreError> {
    let row: Option<GrantRow> = on_tx!(tx, db => sqlx::query_as(ROTATE_AHEAD)
        .bind(command.session)
        .bind(command.generation)
        .bind(&command.secret_hash[..])
        .bind(command.key_id)
        .bind(command.now)
        .bind(command.idle_ends_at)
        .bind(&command.address)
        .bind(&command.device)
        .bind(carrier_code(command.carrier))
        .fetch_optional(db))?;
    row.map(Grant::try_from).transpose()
}

/// Who may end a session, and how it is named.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Whoever it belongs to.
    Any(SessionId),
    /// Only if it belongs to this user.
    Own(SessionId, UserId),
    /// Only with its secret.
    BySecret(SessionId, SecretHash),
}

/// Whose session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its user.
    pub user: UserId,
    /// Who really acted in it, if it was not the user.
    pub actor: Option<UserId>,
}

/// Ends a session; `None`: it had ended, is another's or does not exist.
pub async fn end(
    tx: &mut Tx,
    which: End,
    now: Timestamp,
    cause: EndCause,
) -> Result<Option<Ended>, StoreError> {
    let (now, cause) = (now.micros(), cause.as_str());
    let row: Option<EndedRow> = match which {
        End::Any(id) => on_tx!(tx, db => sqlx::query_as(END_ONE)
            .bind(id.uuid()).bind(now).bind(cause).fetch_optional(db))?,
        End::Own(id, user) => on_tx!(tx, db => sqlx::query_as(END_OWN)
            .bind(id.uuid()).bind(now).bind(cause).bind(user.uuid()).fetch_optional(db))?,
        End::BySecret(id, hash) => on_tx!(tx, db => sqlx::query_as(END_BY_SECRET)
            .bind(id.uuid()).bind(now).bind(cause).bind(hash.0.to_vec()).fetch_optional(db))?,
    };
    Ok(row.map(|row| Ended {
        user: UserId::from_uuid(row.user_id),
        actor: row.actor_id.map(UserId::from_uuid),
    }))
}

/// Ends the sessions in which somebody acts from `session`, which has ended; their ids come back.
pub async fn end_acting_from(
    tx: &mut Tx,
    session: SessionId,
    now: Timestamp,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(on_tx!(tx, db => sqlx::query_scalar(END_ACTING_FROM)
        .bind(session.uuid())
        .bind(now.micros())
        .fetch_all(db))?)
}

/// Ends the sessions in which `user` acts as another, bots of theirs aside, or another as them; their ids come
/// back.
pub async fn end_acting(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Vec<Uuid>, StoreError> {
    Ok(on_tx!(tx, db => sqlx::query_scalar(END_ACTING)
        .bind(user.uuid())
        .bind(now.micros())
        .fetch_all(db))?)
}

/// Ends all sessions of a user, and those in which they act as another, but one (or none, with `None`); their ids
/// come back.
pub async fn end_all(
    tx: &mut Tx,
    user: UserId,
    but: Option<SessionId>,
    now: Timestamp,
    cause: EndCause,
) -> Result<Vec<Uuid>, StoreError> {
    affected!(tx, sqlx::query(HOLD_USER).bind(user.uuid()))?;
    let but = but.map_or(Uuid::nil(), SessionId::uuid);
    Ok(on_tx!(tx, db => sqlx::query_scalar(END_ALL_BUT)
        .bind(user.uuid())
        .bind(now.micros())
        .bind(cause.as_str())
        .bind(but)
        .fetch_all(db))?)
}

/// Ends the sessions of a user that began with `first` or after it, and those in which they act from these; their ids come
/// back. Those that had ended by themselves are remembered as ended by `cause`, too. Devices are not asked after: they call
/// themselves what they like.
pub async fn end_since(
    tx: &mut Tx,
    user: UserId,
    first: SessionId,
    now: Timestamp,
    cause: EndCause,
) -> Result<Vec<Uuid>, StoreError> {
    affected!(tx, sqlx::query(HOLD_USER).bind(user.uuid()))?;
    let mut ended: Vec<Uuid> = on_tx!(tx, db => sqlx::query_scalar(END_SINCE)
        .bind(user.uuid())
        .bind(now.micros())
        .bind(cause.as_str())
        .bind(first.uuid())
        .fetch_all(db))?;
    let acting: Vec<Uuid> = on_tx!(tx, db => sqlx::query_scalar(END_ACTING_FROM_ENDED)
        .bind(user.uuid())
        .bind(now.micros())
        .bind(first.uuid())
        .fetch_all(db))?;
    affected!(tx, sqlx::query(CALL_ENDED).bind(user.uuid()).bind(cause.as_str()).bind(first.uuid()))?;
    ended.extend(acting);
    Ok(ended)
}

/// A session whose chain starts again under a new secret.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// The new secret's hash.
    pub secret_hash: SecretHash,
    /// Server key of the next refresh token.
    pub key_id: KeyId,
    /// Now.
    pub now: Timestamp,
    /// New idle end.
    pub idle_ends_at: Timestamp,
}

/// Gives a live session a new secret: every refresh token under the old one is refused from now on.
pub async fn renew(tx: &mut Tx, renewal: &Renewal) -> Result<Option<Grant>, StoreError> {
    let row: Option<GrantRow> = on_tx!(tx, db => sqlx::query_as(RENEW)
        .bind(renewal.session.uuid())
        .bind(renewal.user.uuid())
        .bind(&renewal.secret_hash.0[..])
        .bind(i64::from(renewal.key_id.0))
        .bind(renewal.now.micros())
        .bind(renewal.idle_ends_at.micros())
        .fetch_optional(db))?;
    row.map(Grant::try_from).transpose()
}

/// Gives a live session of the user's own a new secret, and notes that they have just shown who they are.
pub async fn step_up(tx: &mut Tx, step_up: &StepUp) -> Result<Option<Grant>, StoreError> {
    let StepUp { renewal, methods } = step_up;
    let row: Option<GrantRow> = on_tx!(tx, db => sqlx::query_as(STEP_UP)
        .bind(renewal.session.uuid())
        .bind(renewal.user.uuid())
        .bind(&renewal.secret_hash.0[..])
        .bind(i64::from(renewal.key_id.0))
        .bind(renewal.now.micros())
        .bind(renewal.idle_ends_at.micros())
        .bind(methods.join(" "))
        .fetch_optional(db))?;
    row.map(Grant::try_from).transpose()
}

/// The place of a session in the status lists, as it is in this transaction.
pub(crate) async fn status_index(tx: &mut Tx, session: SessionId) -> Result<Option<StatusIndex>, StoreError> {
    let index: Option<i64> =
        on_tx!(tx, db => sqlx::query_scalar(STATUS_INDEX).bind(session.uuid()).fetch_one(db))?;
    Ok(index.and_then(StatusIndex::from_stored))
}

/// Copies role, factors and must-change from the user onto its live sessions, after the user's row changed in
/// the same transaction.
pub async fn copy_user(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(COPY_USER).bind(user.uuid()))?;
    Ok(())
}

/// One step of a walk over all sessions, in slices, so that no step is long and no index has to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Where the walk stands: after this session.
    pub after: Uuid,
    /// How many sessions to look at.
    pub length: i64,
}

/// Deletes the sessions of one slice that ended or ran out before `before`: how many, and where to go on (`None`:
/// this was the last slice).
pub async fn purge(tx: &mut Tx, slice: Slice, before: Timestamp) -> Result<(u64, Option<Uuid>), StoreError> {
    let end: Option<Uuid> = on_tx!(tx, db => sqlx::query_scalar(SLICE_END)
        .bind(slice.after)
        .bind(slice.length - 1)
        .fetch_optional(db))?;
    let last = end.unwrap_or(Uuid::max());
    let gone = affected!(tx, sqlx::query(PURGE).bind(slice.after).bind(last).bind(before.micros()))?;
    status_indexes::purge(tx, slice.after, last).await?;
    Ok((gone, end))
}
