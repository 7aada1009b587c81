//! A new session: guard, row, and what the cap displaces.

use portcullis_core::audit::Event;
use portcullis_core::ids::{SessionId, UserId};
use portcullis_core::refresh_token::SecretHash;
use portcullis_core::server_key::KeyId;
use portcullis_core::session::{Acting, Delivery, Grant, MAX_PER_USER};
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on_tx};
use crate::error::StoreError;
use crate::session_rows::{CreatedRow, GrantRow, grant_columns};

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
    pub acting: Option<Acting>,
    /// The session from which they do: this one ends with it.
    pub actor_session: Option<SessionId>,
}

/// The guard of a new session. It takes the user's row until the commit, so that whoever moves the epoch comes
/// before this or after it, never in between, and two sign-ins of one user wait for each other here, before
/// either holds anything that the other wants. Disabling an owner moves the epochs of their bots. Nobody acts as
/// an administrator.
const TOUCH_USER: &str = "UPDATE users SET last_login_at = COALESCE($3, last_login_at) \
    WHERE id = $1 AND credential_epoch = $2 AND disabled_at IS NULL AND ($4 OR role <> 'admin') AND (owner_id IS NULL \
    OR EXISTS (SELECT 1 FROM users AS o WHERE o.id = users.owner_id AND o.disabled_at IS NULL))";
/// The guard of whoever acts from a session: the row stays as it is, and stays locked until the commit.
const HOLD_ADMIN: &str = "UPDATE users SET version = version \
    WHERE id = $1 AND role = 'admin' AND disabled_at IS NULL";
const HOLD_SESSION: &str = "UPDATE sessions SET generation = generation WHERE id = $1 AND user_id = $2 \
    AND acting IS NULL AND ended_at IS NULL AND idle_ends_at > $3 AND ends_at > $3";
/// The row of a new session, made of its user's.
macro_rules! insert_from {
    ($users:literal) => {
        concat!(
            "INSERT INTO sessions (id, user_id, secret_hash, generation, key_id, rotated_at, idle_ends_at, \
             ends_at, window_at, window_count, role, account_id, account_role, must_change_password, \
             user_version, methods, authenticated_at, delivery, device, address, created_at, acting, actor_id, \
             actor_session_id) SELECT $1, u.id, $3, 1, $4, $5, $6, $7, $5, 0, u.role, u.account_id, \
             u.account_role, u.must_change_password, u.version, $8, $5, $9, $10, $11, $5, $13, $14, $15 FROM ",
            $users,
            " AS u RETURNING ",
            grant_columns!()
        )
    };
}
/// How many live sessions a user has, at most so many as are asked for.
macro_rules! live {
    () => {
        "(SELECT COUNT(*) FROM (SELECT 1 FROM sessions AS s WHERE s.user_id = $2 AND s.ended_at IS NULL \
         AND s.idle_ends_at > $5 AND s.ends_at > $5 LIMIT $12) AS others)"
    };
}
const CREATE: &str =
    concat!(insert_from!("(SELECT * FROM users WHERE id = $2)"), ", ", live!(), " AS others");
/// PostgreSQL only: guard, session and audit event in one round trip, for a user who signs in for themselves and
/// is far from having too many sessions. The count is as old as the statement, which may have waited for others
/// who sign in as the same user: that is what the distance is for.
const CREATE_AT_ONCE: &str = concat!(
    "WITH touched AS (UPDATE users SET last_login_at = $5 WHERE id = $2 AND credential_epoch = $16 \
     AND disabled_at IS NULL AND owner_id IS NULL AND ",
    live!(),
    " < $12 RETURNING *), made AS (",
    insert_from!("touched"),
    "), noted AS (INSERT INTO audit_events (id, at, kind, actor_id, user_id, session_id, address, detail) \
     SELECT $17, $18, $19, $20, $21, $22, $23, $24 FROM made) SELECT * FROM made"
);
const DISPLACE: &str = "UPDATE sessions SET ended_at = $2, end_cause = 'displaced' WHERE id IN \
    (SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND idle_ends_at > $2 AND ends_at > $2 \
     ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $3) AND ended_at IS NULL RETURNING id";
/// The values of a new session, as `$1` to `$15`.
macro_rules! bound {
    ($query:expr, $new:expr, $most:expr) => {
        $query
            .bind($new.id.uuid())
            .bind($new.user.uuid())
            .bind(&$new.secret_hash.0[..])
            .bind(i64::from($new.key_id.0))
            .bind($new.now.micros())
            .bind($new.idle_ends_at.micros())
            .bind($new.ends_at.micros())
            .bind(&$new.methods)
            .bind($new.delivery.as_str())
            .bind(&$new.device)
            .bind(&$new.address)
            .bind($most)
            .bind($new.acting.map(|acting| acting.mode.as_str()))
            .bind($new.acting.map(|acting| acting.actor.uuid()))
            .bind($new.actor_session.map(SessionId::uuid))
    };
}

impl Store {
    /// Makes a session of a user who signs in for themselves, with its audit event, in one round trip. `None`: not
    /// so; [`create`] tells why, or makes it. Always `None` on SQLite, where round trips cost nothing.
    pub async fn create_at_once(&self, new: &NewSession, event: &Event) -> Result<Option<Grant>, StoreError> {
        if self.engine() == "sqlite" || new.acting.is_some() {
            return Ok(None);
        }
        let (new, event) = (new.clone(), event.clone());
        let row: Option<GrantRow> = self
            .write_one(move |tx| {
                let (new, event) = (new.clone(), event.clone());
                Box::pin(async move {
                    let detail = serde_json::Value::Object(event.detail).to_string();
                    Ok(on_tx!(tx, db => bound!(sqlx::query_as(CREATE_AT_ONCE), new, MANY)
                        .bind(new.epoch)
                        .bind(event.id.uuid())
                        .bind(event.at.micros())
                        .bind(event.kind.as_str())
                        .bind(event.actor.map(UserId::uuid))
                        .bind(event.user.map(UserId::uuid))
                        .bind(event.session.map(SessionId::uuid))
                        .bind(event.address.map(|address| address.to_string()))
                        .bind(detail)
                        .fetch_optional(db))?)
                })
            })
            .await?;
        row.map(Grant::try_from).transpose()
    }
}

/// Makes a session, unless the user's epoch has moved or the user was disabled (`None`). A user with too many
/// loses the oldest; their ids come back beside it, for the revocation list.
pub async fn create(tx: &mut Tx, new: &NewSession) -> Result<Option<(Grant, Vec<Uuid>)>, StoreError> {
    if !hold(tx, new).await? {
        return Ok(None);
    }
    let created: CreatedRow =
        on_tx!(tx, db => bound!(sqlx::query_as(CREATE), new, MAX_PER_USER).fetch_one(db))?;
    let grant = Grant::try_from(created.grant)?;
    // Counted before or after the new one was in, as the database likes: one too few never.
    if created.others < MAX_PER_USER {
        return Ok(Some((grant, Vec::new())));
    }
    let displaced: Vec<Uuid> = on_tx!(tx, db => sqlx::query_scalar(DISPLACE)
        .bind(new.user.uuid())
        .bind(new.now.micros())
        .bind(MAX_PER_USER)
        .fetch_all(db))?;
    Ok(Some((grant, displaced)))
}

/// Takes the rows that a new session stands on, if they are as they were when it was allowed.
async fn hold(tx: &mut Tx, new: &NewSession) -> Result<bool, StoreError> {
    if let (Some(acting), Some(session)) = (new.acting, new.actor_session) {
        let admin = affected!(tx, sqlx::query(HOLD_ADMIN).bind(acting.actor.uuid()))?;
        let held = affected!(
            tx,
            sqlx::query(HOLD_SESSION).bind(session.uuid()).bind(acting.actor.uuid()).bind(new.now.micros())
        )?;
        if admin == 0 || held == 0 {
            return Ok(false);
        }
    }
    // Somebody else's acting is no sign-in of the user.
    let own = new.actor_session.is_none();
    let signed_in_at = own.then_some(new.now.micros());
    let touched = affected!(
        tx,
        sqlx::query(TOUCH_USER).bind(new.user.uuid()).bind(new.epoch).bind(signed_in_at).bind(own)
    )?;
    Ok(touched > 0)
}
