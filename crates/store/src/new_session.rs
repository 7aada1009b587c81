//! A new session: guard, row, and what the cap displaces.

use portcullis_core::audit::Event;
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::refresh_token::SecretHash;
use portcullis_core::server_key::KeyId;
use portcullis_core::session::{Acting, ActingMode, Delivery, Grant, MAX_PER_USER};
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on_tx};
use crate::error::StoreError;
use crate::session_rows::{CreatedRow, GrantRow, grant_columns};
use crate::sessions::end_acting_from;
use crate::status_indexes;

/// From this many live sessions on they are counted one after the other.
const MANY: i64 = MAX_PER_USER / 2;

/// A session to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Id.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// The credential epoch that was read before the user was checked: if it has moved, no session is made.
    pub epoch: i64,
    /// SHA-256 of its secret.
    pub secret_hash: SecretHash,
    /// Server key of its first refresh token.
    pub key_id: KeyId,
    /// Now.
    pub now: Timestamp,
    /// Idle end.
    pub idle_ends_at: Timestamp,
    /// Absolute end.
    pub ends_at: Timestamp,
    /// `amr` values, separated by blanks.
    pub methods: String,
    /// How its tokens travel.
    pub delivery: Delivery,
    /// What the device calls itself.
    pub device: String,
    /// Where it is.
    pub address: String,
    /// Who really acts, if it is not the user.
    pub acting: Option<ActingFrom>,
    /// It gets a place in the status lists.
    pub status: bool,
}

/// Who really acts in a session, and from which session of their own.
#[derive(Clone, Copy, Debug)]
pub struct ActingFrom {
    /// Who, and how.
    pub acting: Acting,
    /// It must be live. What an administrator does ends with it; a bot goes on.
    pub session: SessionId,
}

impl ActingFrom {
    const fn is_bot(self) -> bool {
        matches!(self.acting.mode, ActingMode::Bot)
    }

    const fn asker(self) -> Asker {
        Asker { user: self.acting.actor, session: self.session }
    }
}

/// Who asks for something that outlives their request, and from which session of their own.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Who.
    pub user: UserId,
    /// It must be live.
    pub session: SessionId,
}

/// The guard of a new session. It takes the user's row until the commit, so that whoever moves the epoch comes
/// before this or after it, never in between, and two sign-ins of one user wait for each other here, before
/// either holds anything that the other wants. Disabling an owner moves the epochs of their bots. Nobody acts as
/// an administrator.
const TOUCH_USER: &str = "UPDATE users SET last_login_at = COALESCE($3, last_login_at) \
    WHERE id = $1 AND credential_epoch = $2 AND disabled_at IS NULL AND ($4 OR role <> 'admin') AND (owner_id IS NULL \
    OR EXISTS (SELECT 1 FROM users AS o WHERE o.id = users.owner_id AND o.disabled_at IS NULL))";
/// The guards of whoever acts as another, the owner of a bot or an administrator, and of the session they do it
/// from: the rows stay as they are, and stay locked until the commit.
const HOLD_ACTOR: &str = "UPDATE users SET version = version \
    WHERE id = $1 AND disabled_at IS NULL AND ($2 OR role = 'admin')";
const HOLD_SESSION: &str = "UPDATE sessions SET generation = generation WHERE id = $1 AND user_id = $2 \
    AND acting IS NULL AND ended_at IS NULL AND idle_ends_at > $3 AND ends_at > $3 RETURNING ends_at";
/// The row of a new session, made of its user's.
macro_rules! insert_from {
    ($users:literal) => {
        concat!(
            "INSERT INTO sessions (id, user_id, secret_hash, generation, key_id, rotated_at, idle_ends_at, \
             ends_at, window_at, window_count, role, account_id, account_role, must_change_password, \
             methods, authenticated_at, delivery, device, address, created_at, acting, actor_id, \
             actor_session_id, status_index, factors) SELECT $1, u.id, $3, 1, $4, $5, $6, $7, $5, 0, u.role, u.account_id, \
             u.account_role, u.must_change_password, $8, $5, $9, $10, $11, $5, $13, $14, $15, $16, u.factors FROM ",
            $users,
            " AS u RETURNING ",
            grant_columns!()
        )
    };
}
/// How many live sessions a user has, at most so many as are asked for. SQLite looks at a bare `LIMIT $12` while it
/// prepares the statement, and prepares it again each time it is bound; it does not look into a sum.
macro_rules! live {
    () => {
        "(SELECT COUNT(*) FROM (SELECT 1 FROM sessions AS s WHERE s.user_id = $2 AND s.ended_at IS NULL \
         AND s.idle_ends_at > $5 AND s.ends_at > $5 AND (s.acting IS NULL) = ($13 IS NULL) LIMIT ($12 + 0)) AS others)"
    };
}
const CREATE: &str =
    concat!(insert_from!("(SELECT * FROM users WHERE id = $2)"), ", ", live!(), " AS others");
/// The guard of a user who signs in for themselves and is far from having too many sessions.
macro_rules! touch_own {
    () => {
        concat!(
            "UPDATE users SET last_login_at = $5 WHERE id = $2 AND credential_epoch = $17 \
             AND disabled_at IS NULL AND owner_id IS NULL AND ",
            live!(),
            " < $12"
        )
    };
}
/// The audit event of a new session.
macro_rules! note {
    ($made:literal) => {
        concat!(
            "INSERT INTO audit_events (id, at, kind, actor_id, user_id, session_id, address, detail) \
             SELECT $18, $19, $20, $21, $22, $23, $24, $25",
            $made
        )
    };
}
/// Guard, session and audit event in one round trip. The count is as old as the statement, which may have waited for
/// others who sign in as the same user: that is what the distance is for.
const AT_ONCE_POSTGRES: &str = concat!(
    "WITH touched AS (",
    touch_own!(),
    " RETURNING *), made AS (",
    insert_from!("touched"),
    "), noted AS (",
    note!(" FROM made"),
    ") SELECT * FROM made"
);
/// The same for the thread that runs SQLite: each statement goes on only if the one before it changed a row.
const AT_ONCE_SQLITE: &str = concat!(
    "SAVEPOINT made; ",
    touch_own!(),
    "; ",
    insert_from!("(SELECT * FROM users WHERE id = $2 AND changes() = 1)"),
    "; ",
    note!(" WHERE changes() = 1"),
    "; RELEASE made"
);
/// After an error in the middle of it.
const UNDO_SQLITE: &str = "ROLLBACK TO made; RELEASE made";
/// Whoever acts as a user pushes none of the user's own sessions out.
const DISPLACE: &str = "UPDATE sessions SET ended_at = $2, end_cause = 'displaced' WHERE id IN \
    (SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND idle_ends_at > $2 AND ends_at > $2 \
     AND (acting IS NULL) = $4 ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $3) AND ended_at IS NULL RETURNING id";
/// What a new session's row is made of.
struct Row<'a> {
    new: &'a NewSession,
    /// Absolute end.
    ends_at: Timestamp,
    /// Live sessions are counted up to so many.
    most: i64,
    /// Place in the status lists.
    status_index: Option<i64>,
}

impl Row<'_> {
    /// The session with which this one ends.
    fn actor_session(&self) -> Option<Uuid> {
        self.new.acting.filter(|from| !from.is_bot()).map(|from| from.session.uuid())
    }
}

/// The values of a row, as `$1` to `$16`.
macro_rules! bound {
    ($query:expr, $row:expr) => {
        $query
            .bind($row.new.id.uuid())
            .bind($row.new.user.uuid())
            .bind(&$row.new.secret_hash.0[..])
            .bind(i64::from($row.new.key_id.0))
            .bind($row.new.now.micros())
            .bind($row.new.idle_ends_at.min($row.ends_at).micros())
            .bind($row.ends_at.micros())
            .bind(&$row.new.methods)
            .bind($row.new.delivery.as_str())
            .bind(&$row.new.device)
            .bind(&$row.new.address)
            .bind($row.most)
            .bind($row.new.acting.map(|from| from.acting.mode.as_str()))
            .bind($row.new.acting.map(|from| from.acting.actor.uuid()))
            .bind($row.actor_session())
            .bind($row.status_index)
    };
}

impl Store {
    /// Makes a session of a user who signs in for themselves, with its audit event, in one round trip. `None`: not
    /// so; [`create`] tells why, or makes it. Always `None` of a session with a place in the status lists, which is a
    /// number of its own.
    pub async fn create_at_once(&self, new: &NewSession, event: &Event) -> Result<Option<Grant>, StoreError> {
        if new.acting.is_some() || new.status {
            return Ok(None);
        }
        let (new, event) = (new.clone(), event.clone());
        let rows = self.write_one(move |tx| {
            let (new, event) = (new.clone(), event.clone());
            Box::pin(async move { at_once(tx, &new, &event).await })
        });
        rows.await?.pop().map(Grant::try_from).transpose()
    }
}

async fn at_once(tx: &mut Tx, new: &NewSession, event: &Event) -> Result<Vec<GrantRow>, StoreError> {
    let statement = if matches!(tx, Tx::Sqlite(_)) { AT_ONCE_SQLITE } else { AT_ONCE_POSTGRES };
    let row = Row { new, ends_at: new.ends_at, most: MANY, status_index: None };
    let detail = serde_json::Value::Object(event.detail.clone()).to_string();
    let made = on_tx!(tx, db => bound!(sqlx::query_as(statement), row)
        .bind(new.epoch)
        .bind(event.id.uuid())
        .bind(event.at.micros())
        .bind(event.kind.as_str())
        .bind(event.actor.map(UserId::uuid))
        .bind(event.user.map(UserId::uuid))
        .bind(event.session.map(SessionId::uuid))
        .bind(event.address.map(|address| address.to_string()))
        .bind(&detail)
        .fetch_all(db));
    if let (Err(_), Tx::Sqlite(connection)) = (&made, &mut *tx) {
        // Fails if the error has ended the whole transaction: then there is nothing to undo.
        let _ = sqlx::raw_sql(UNDO_SQLITE).execute(connection).await;
    }
    Ok(made?)
}

/// Makes a session, unless the user's epoch has moved, the user was disabled, or whoever acts may not (`None`). A
/// user with too many loses the oldest; their ids come back beside it, with those of sessions acted in from them,
/// for the revocation list.
pub async fn create(tx: &mut Tx, new: &NewSession) -> Result<Option<(Grant, Vec<Uuid>)>, StoreError> {
    let Some(ends_at) = hold(tx, new).await? else { return Ok(None) };
    let status_index =
        if new.status { Some(status_indexes::allocate(tx, new.id.uuid()).await?) } else { None };
    let row = Row { new, ends_at, most: MAX_PER_USER, status_index };
    let created: CreatedRow = on_tx!(tx, db => bound!(sqlx::query_as(CREATE), row).fetch_one(db))?;
    let grant = Grant::try_from(created.grant)?;
    // Counted before or after the new one was in, as the database likes: one too few never.
    let displaced = if created.others < MAX_PER_USER { Vec::new() } else { displace(tx, new).await? };
    Ok(Some((grant, displaced)))
}

async fn displace(tx: &mut Tx, new: &NewSession) -> Result<Vec<Uuid>, StoreError> {
    let displaced: Vec<Uuid> = on_tx!(tx, db => sqlx::query_scalar(DISPLACE)
        .bind(new.user.uuid())
        .bind(new.now.micros())
        .bind(MAX_PER_USER)
        .bind(new.acting.is_none())
        .fetch_all(db))?;
    let mut ended = displaced.clone();
    for session in displaced {
        ended.extend(end_acting_from(tx, SessionId::from_uuid(session), new.now).await?);
    }
    Ok(ended)
}

/// Takes the rows that a new session stands on, if they are as they were when it was allowed: when it ends at the
/// latest. The actor first, then their session, then the user, as everybody takes them.
async fn hold(tx: &mut Tx, new: &NewSession) -> Result<Option<Timestamp>, StoreError> {
    let mut ends_at = new.ends_at;
    if let Some(from) = new.acting {
        let Some(held) = hold_asker(tx, from.asker(), !from.is_bot(), new.now).await? else {
            return Ok(None);
        };
        if !from.is_bot() {
            ends_at = ends_at.min(held);
        }
    }
    // An administrator's acting is no sign-in of the user.
    let own = new.acting.is_none_or(ActingFrom::is_bot);
    let signed_in_at = own.then_some(new.now.micros());
    let touched = affected!(
        tx,
        sqlx::query(TOUCH_USER).bind(new.user.uuid()).bind(new.epoch).bind(signed_in_at).bind(own)
    )?;
    Ok((touched > 0).then_some(ends_at))
}

/// When the session ends from which somebody asks; `None`: it has ended, or they may not: they are disabled, or no
/// administrator where one is needed.
pub async fn hold_asker(
    tx: &mut Tx,
    asker: Asker,
    admin: bool,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let user = asker.user.uuid();
    if affected!(tx, sqlx::query(HOLD_ACTOR).bind(user).bind(!admin))? == 0 {
        return Ok(None);
    }
    let ends_at: Option<i64> = on_tx!(tx, db => sqlx::query_scalar(HOLD_SESSION)
        .bind(asker.session.uuid())
        .bind(user)
        .bind(now.micros())
        .fetch_optional(db))?;
    Ok(ends_at.map(Timestamp::from_micros))
}
