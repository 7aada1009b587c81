//! Passkeys, and the ceremonies in which they are registered and used. A ceremony is used up by deleting it, so that of
//! two who end it at once one does, on whatever node.

use portcullis_core::factor::{Factor, Factors};
use portcullis_core::ids::{PasskeyId, SessionId, UserId};
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::time::Timestamp;
use portcullis_core::user::User;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::StoreError;
use crate::new_session::{Asker, hold_asker};
use crate::users::{UserRow, user_columns};

macro_rules! columns {
    () => {
        "id, name, credential_id, credential, sign_count, backed_up, created_at, last_used_at"
    };
}

const LIST: &str = concat!("SELECT ", columns!(), " FROM passkeys WHERE user_id = $1 ORDER BY id");
/// The inner names are none of the user's columns, which are the same here as everywhere.
const PRESENTED: &str = concat!(
    "SELECT passkey_id, credential, ",
    user_columns!(),
    " FROM (SELECT id AS passkey_id, user_id, credential FROM passkeys WHERE credential_id = $1) AS p \
     JOIN users ON users.id = p.user_id"
);
/// The owner's row is held: passkeys of one user are counted one after the other.
const INSERT: &str = "INSERT INTO passkeys (id, user_id, credential_id, credential, name, sign_count, backed_up, \
    created_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE (SELECT COUNT(*) FROM passkeys WHERE user_id = $2) < $9 \
    ON CONFLICT (credential_id) DO NOTHING";
const IS_KNOWN: &str = "SELECT COUNT(*) FROM passkeys WHERE credential_id = $1";
/// A counter that does not go up is that of a copy. Authenticators that count nothing always say 0.
const USE: &str = "UPDATE passkeys SET credential = $2, sign_count = $3, backed_up = $4, last_used_at = $5 \
    WHERE id = $1 AND (sign_count < $3 OR (sign_count = 0 AND $3 = 0))";
const RENAME: &str =
    concat!("UPDATE passkeys SET name = $3 WHERE id = $1 AND user_id = $2 RETURNING ", columns!());
const DELETE: &str = "DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING name";
const DELETE_ALL: &str = "DELETE FROM passkeys WHERE user_id = $1";
/// Ids sort by time.
const DELETE_YOUNGER: &str = "DELETE FROM passkeys WHERE user_id = $1 AND id > $2";
const NONE_LEFT: &str = "UPDATE users SET factors = factors - $2 WHERE id = $1 AND (factors & $2) <> 0 \
    AND NOT EXISTS (SELECT 1 FROM passkeys WHERE user_id = $1)";
const HAS_ANY: &str = "SELECT COUNT(*) FROM passkeys WHERE user_id = $1";
const BEGIN: &str = "INSERT INTO passkey_ceremonies (digest, kind, user_id, session_id, state, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const SPEND: &str = "DELETE FROM passkey_ceremonies WHERE digest = $1 AND kind = $2 AND expires_at > $3 \
    AND (user_id IS NULL OR user_id = $4) AND (session_id IS NULL OR session_id = $5) RETURNING user_id, state";
const PURGE: &str = "DELETE FROM passkey_ceremonies WHERE expires_at <= $1";

row! {
    struct PasskeyRow {
        id: Uuid, name: String, credential_id: Vec<u8>, credential: String, sign_count: i64, backed_up: bool,
        created_at: i64, last_used_at: Option<i64>,
    }
}

row! {
    struct PresentedRow { passkey_id: Uuid, credential: String }
}

row! {
    struct SpentRow { user_id: Option<Uuid>, state: String }
}

/// A passkey as its owner sees it.
#[derive(Clone, Debug)]
pub struct PasskeyView {
    /// Id.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: String,
    /// What its authenticator calls it.
    pub credential_id: Vec<u8>,
    /// The public key and what belongs to it, as JSON.
    pub credential: String,
    /// How often it was used, as far as its authenticator counts.
    pub sign_count: i64,
    /// It is kept elsewhere, too: in its owner's password manager, say.
    pub backed_up: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last use.
    pub last_used_at: Option<Timestamp>,
}

impl From<PasskeyRow> for PasskeyView {
    fn from(row: PasskeyRow) -> Self {
        Self {
            id: PasskeyId::from_uuid(row.id),
            name: row.name,
            credential_id: row.credential_id,
            credential: row.credential,
            sign_count: row.sign_count,
            backed_up: row.backed_up,
            created_at: Timestamp::from_micros(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
        }
    }
}

/// A passkey that somebody presents, with its user, who may be disabled.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Which.
    pub id: PasskeyId,
    /// See [`PasskeyView::credential`].
    pub credential: String,
    /// Whose.
    pub user: User,
}

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for Presented
where
    UserRow: sqlx::FromRow<'r, R>,
    PresentedRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let presented = PresentedRow::from_row(row)?;
        Ok(Self {
            id: PasskeyId::from_uuid(presented.passkey_id),
            credential: presented.credential,
            user: UserRow::from_row(row)?.into(),
        })
    }
}

/// A passkey to be kept.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    /// Id.
    pub id: PasskeyId,
    /// Whose, and the session in which they ask: both are held.
    pub owner: Asker,
    /// See [`PasskeyView::credential_id`].
    pub credential_id: Vec<u8>,
    /// See [`PasskeyView::credential`].
    pub credential: String,
    /// What its owner calls it.
    pub name: String,
    /// See [`PasskeyView::sign_count`].
    pub sign_count: i64,
    /// See [`PasskeyView::backed_up`].
    pub backed_up: bool,
    /// Now.
    pub now: Timestamp,
    /// Most passkeys of one user.
    pub most: i64,
}

/// What became of a [`NewPasskey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Kept.
    Done,
    /// The user has as many as they may.
    TooMany,
    /// Somebody has it already, maybe the user.
    Taken,
    /// The session has ended, or the user was disabled.
    Moved,
}

/// What a use of a passkey leaves behind.
#[derive(Clone, Debug)]
pub struct Use {
    /// Which.
    pub id: PasskeyId,
    /// As it is now.
    pub credential: String,
    /// As it is now.
    pub sign_count: i64,
    /// As it is now.
    pub backed_up: bool,
    /// Now.
    pub now: Timestamp,
}

/// What became of a passkey that was to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Gone, with its name; whether the user has others.
    Done {
        /// What it was called.
        name: String,
        /// There are others.
        others: bool,
    },
    /// There is no such passkey of the user's.
    NotFound,
    /// The session has ended, or the user was disabled.
    Moved,
}

/// What a ceremony is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CeremonyKind {
    /// A new passkey.
    Register,
    /// Showing one.
    Authenticate,
}

impl CeremonyKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Authenticate => "authenticate",
        }
    }
}

/// A ceremony that begins.
#[derive(Clone, Debug)]
pub struct NewCeremony {
    /// Of the secret that ends it.
    pub digest: SecretDigest,
    /// What it is for.
    pub kind: CeremonyKind,
    /// Whose passkey it must be; `None`: anybody's.
    pub user: Option<UserId>,
    /// The session in which it must end; `None`: in any, or in none.
    pub session: Option<SessionId>,
    /// What the answer is held against, as JSON.
    pub state: String,
    /// Good until.
    pub expires_at: Timestamp,
}

/// Who ends a ceremony.
#[derive(Clone, Copy, Debug)]
pub struct Spend {
    /// Of the secret that was presented.
    pub digest: SecretDigest,
    /// What it must be for.
    pub kind: CeremonyKind,
    /// The user, where that is known.
    pub user: Option<UserId>,
    /// The session that asks, if one does.
    pub session: Option<SessionId>,
    /// Now.
    pub now: Timestamp,
}

/// A ceremony that has been used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whose passkey it must be; `None`: anybody's.
    pub user: Option<UserId>,
    /// What the answer is held against, as JSON.
    pub state: String,
}

impl Store {
    /// The passkeys of a user, oldest first. There are few.
    pub async fn passkeys(&self, user: UserId) -> Result<Vec<PasskeyView>, StoreError> {
        let rows: Vec<PasskeyRow> =
            on!(&self.db, db => sqlx::query_as(LIST).bind(user.uuid()).fetch_all(db))?;
        Ok(rows.into_iter().map(PasskeyView::from).collect())
    }

    /// The passkey that its authenticator calls so, and whose it is.
    pub async fn presented_passkey(&self, credential_id: &[u8]) -> Result<Option<Presented>, StoreError> {
        on!(&self.db, db => sqlx::query_as(PRESENTED).bind(credential_id).fetch_optional(db))
    }
}

/// Keeps a passkey, if there is room for one more and nobody has it.
pub async fn insert(tx: &mut Tx, new: &NewPasskey) -> Result<Made, StoreError> {
    if hold_asker(tx, new.owner, false, new.now).await?.is_none() {
        return Ok(Made::Moved);
    }
    let made = affected!(
        tx,
        sqlx::query(INSERT)
            .bind(new.id.uuid())
            .bind(new.owner.user.uuid())
            .bind(&new.credential_id)
            .bind(&new.credential)
            .bind(&new.name)
            .bind(new.sign_count)
            .bind(new.backed_up)
            .bind(new.now.micros())
            .bind(new.most)
    )?;
    if made > 0 {
        return Ok(Made::Done);
    }
    let known: i64 = on_tx!(tx, db => sqlx::query_scalar(IS_KNOWN).bind(&new.credential_id).fetch_one(db))?;
    Ok(if known > 0 { Made::Taken } else { Made::TooMany })
}

/// Notes a use; `false`: its counter has not gone up, or it is gone.
pub async fn note_use(tx: &mut Tx, used: &Use) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(USE)
            .bind(used.id.uuid())
            .bind(&used.credential)
            .bind(used.sign_count)
            .bind(used.backed_up)
            .bind(used.now.micros())
    )?;
    Ok(done > 0)
}

/// Names a passkey anew; `None`: the user has no such passkey.
pub async fn rename(
    tx: &mut Tx,
    id: PasskeyId,
    user: UserId,
    name: &str,
) -> Result<Option<PasskeyView>, StoreError> {
    let row: Option<PasskeyRow> = on_tx!(tx, db => sqlx::query_as(RENAME)
        .bind(id.uuid())
        .bind(user.uuid())
        .bind(name)
        .fetch_optional(db))?;
    Ok(row.map(PasskeyView::from))
}

/// Takes a passkey away. The user's row is held until the commit: that there is another way in is for the caller to
/// see to.
pub async fn remove(tx: &mut Tx, id: PasskeyId, owner: Asker, now: Timestamp) -> Result<Removed, StoreError> {
    if hold_asker(tx, owner, false, now).await?.is_none() {
        return Ok(Removed::Moved);
    }
    let user = owner.user.uuid();
    let name: Option<String> =
        on_tx!(tx, db => sqlx::query_scalar(DELETE).bind(id.uuid()).bind(user).fetch_optional(db))?;
    let Some(name) = name else { return Ok(Removed::NotFound) };
    let left: i64 = on_tx!(tx, db => sqlx::query_scalar(HAS_ANY).bind(user).fetch_one(db))?;
    Ok(Removed::Done { name, others: left > 0 })
}

/// Takes all passkeys of a user away, who is to show others.
pub async fn remove_all(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(DELETE_ALL).bind(user.uuid()))?;
    Ok(())
}

/// Takes the passkeys of a user away that were registered after `since`, which is an id of that moment: whoever came in
/// then does not come back by them. The epoch has moved in the same transaction, and no session is left.
pub async fn remove_younger(tx: &mut Tx, user: UserId, since: Uuid) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(DELETE_YOUNGER).bind(user.uuid()).bind(since))?;
    let passkey = Factors::NONE.with(Factor::Passkey).bits();
    affected!(tx, sqlx::query(NONE_LEFT).bind(user.uuid()).bind(passkey))?;
    Ok(())
}

/// Begins a ceremony.
pub async fn begin(tx: &mut Tx, new: &NewCeremony) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(BEGIN)
            .bind(&new.digest.0[..])
            .bind(new.kind.as_str())
            .bind(new.user.map(UserId::uuid))
            .bind(new.session.map(SessionId::uuid))
            .bind(&new.state)
            .bind(new.expires_at.micros())
    )?;
    Ok(())
}

/// Uses a ceremony up; `None`: there is none for whoever asks, it has been used, or it has run out.
pub async fn spend(tx: &mut Tx, spend: &Spend) -> Result<Option<Spent>, StoreError> {
    let row: Option<SpentRow> = on_tx!(tx, db => sqlx::query_as(SPEND)
        .bind(&spend.digest.0[..])
        .bind(spend.kind.as_str())
        .bind(spend.now.micros())
        .bind(spend.user.map(UserId::uuid))
        .bind(spend.session.map(SessionId::uuid))
        .fetch_optional(db))?;
    Ok(row.map(|row| Spent { user: row.user_id.map(UserId::from_uuid), state: row.state }))
}

/// Deletes what has run out; how many.
pub async fn purge(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(now.micros()))?)
}
