//! API tokens. Only their SHA-256 is kept.

use portcullis_core::ids::{ApiTokenId, SessionId, UserId};
use portcullis_core::scope::Scopes;
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::time::Timestamp;
use portcullis_core::user::User;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, on_tx, row};
use crate::error::StoreError;
use crate::users::{UserRow, user_columns};

macro_rules! columns {
    () => {
        "id, user_id, key_prefix, name, description, scopes, generation, created_at, expires_at, last_used_at"
    };
}

/// The guard of a new token: the user's row stays as it is and is held until the commit, so that tokens of one
/// user are counted one after the other, and a change of what proves the user comes before or after. The session
/// that asks for it must be live: the epoch is read later than the access token was made.
const HOLD_USER: &str = "UPDATE users SET version = version \
    WHERE id = $1 AND credential_epoch = $2 AND disabled_at IS NULL AND owner_id IS NULL \
    AND ($3 IS NULL OR EXISTS (SELECT 1 FROM sessions AS s WHERE s.id = $3 AND s.user_id = $1 \
    AND s.acting IS NULL AND s.ended_at IS NULL))";
const INSERT: &str = "INSERT INTO api_tokens (id, user_id, token_hash, key_prefix, name, description, scopes, \
    generation, created_at, expires_at) SELECT $1, $2, $3, $4, $5, $6, $7, 1, $8, $9 \
    WHERE (SELECT COUNT(*) FROM api_tokens WHERE user_id = $2 AND revoked_at IS NULL AND expires_at > $8) < $10";
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM api_tokens WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND id < $3 \
     ORDER BY id DESC LIMIT $4"
);
const ONE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM api_tokens WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3"
);
/// The inner names are none of the user's columns, which are the same here as everywhere.
const PRESENTED: &str = concat!(
    "SELECT token_id, scopes, generation, expires_at, last_used_at, last_address, ",
    user_columns!(),
    " FROM (SELECT id AS token_id, user_id, scopes, generation, expires_at, last_used_at, last_address \
     FROM api_tokens WHERE token_hash = $1 AND revoked_at IS NULL AND expires_at > $2) AS t \
     JOIN users ON users.id = t.user_id WHERE disabled_at IS NULL"
);
/// Each column by itself: of two who change different ones, neither undoes what the other did.
const UPDATE: &str = concat!(
    "UPDATE api_tokens SET name = COALESCE($3, name), description = CASE WHEN $4 THEN $5 ELSE description END, \
     scopes = COALESCE($6, scopes), generation = generation + CASE WHEN $6 IS NULL THEN 0 ELSE 1 END \
     WHERE id = $1 AND user_id = $2 AND ($6 IS NULL OR generation = $7) AND revoked_at IS NULL \
     AND expires_at > $8 RETURNING ",
    columns!()
);
const REVOKE: &str =
    "UPDATE api_tokens SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL";
const REVOKE_ANY: &str = "UPDATE api_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL \
    RETURNING user_id";
const REVOKE_ALL: &str = "UPDATE api_tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL \
    AND expires_at > $2 RETURNING id";
const RENEW_ALL: &str = "UPDATE api_tokens SET generation = generation + 1 WHERE user_id = $1 \
    AND revoked_at IS NULL";
const PURGE: &str = "DELETE FROM api_tokens WHERE expires_at <= $1 OR revoked_at <= $1";
const BY_DIGEST: &str = "SELECT id, user_id FROM api_tokens WHERE token_hash = $1 AND revoked_at IS NULL \
    AND expires_at > $2";
const EVER: &str = concat!("SELECT ", columns!(), " FROM api_tokens WHERE token_hash = $1");

row! {
    struct TokenRow {
        id: Uuid, user_id: Uuid, key_prefix: String, name: String, description: Option<String>,
        scopes: Option<String>, generation: i64, created_at: i64, expires_at: i64, last_used_at: Option<i64>,
    }
}

row! {
    struct UseRow {
        token_id: Uuid, scopes: Option<String>, generation: i64, expires_at: i64, last_used_at: Option<i64>,
        last_address: Option<String>,
    }
}

row! {
    struct OwnedRow { id: Uuid, user_id: Uuid }
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// Id.
    pub id: ApiTokenId,
    /// Whose.
    pub user: UserId,
    /// The credential epoch that was read before the user was checked.
    pub epoch: i64,
    /// The session that asks for it; `None`: somebody who knows the password, or an operator.
    pub session: Option<SessionId>,
    /// Its digest.
    pub digest: SecretDigest,
    /// Its first characters, to tell it from others.
    pub key_prefix: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it may do; `None`: whatever the user may.
    pub scopes: Option<Scopes>,
    /// Now.
    pub now: Timestamp,
    /// From then on it is expired.
    pub expires_at: Timestamp,
    /// Most live tokens of one user.
    pub most: i64,
}

/// What became of a [`NewApiToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Made.
    Done,
    /// The user has as many as they may.
    TooMany,
    /// The epoch has moved, the session has ended, or the user was disabled.
    Moved,
}

/// A token as its owner sees it.
#[derive(Clone, Debug)]
pub struct ApiTokenView {
    /// Id.
    pub id: ApiTokenId,
    /// Whose.
    pub user: UserId,
    /// Its first characters.
    pub key_prefix: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it may do.
    pub scopes: Option<Scopes>,
    /// Goes up when its scopes or its user's role change.
    pub generation: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// From then on it is expired.
    pub expires_at: Timestamp,
    /// Last use, to within minutes.
    pub last_used_at: Option<Timestamp>,
}

impl From<TokenRow> for ApiTokenView {
    fn from(row: TokenRow) -> Self {
        Self {
            id: ApiTokenId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            key_prefix: row.key_prefix,
            name: row.name,
            description: row.description,
            scopes: row.scopes.as_deref().map(Scopes::from_stored),
            generation: row.generation as u32,
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
        }
    }
}

/// A token that somebody presents, live, with its user, who is not disabled.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Which.
    pub id: ApiTokenId,
    /// What it may do.
    pub scopes: Option<Scopes>,
    /// See [`ApiTokenView::generation`].
    pub generation: u32,
    /// From then on it is expired.
    pub expires_at: Timestamp,
    /// Last use.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_address: Option<String>,
    /// Its user.
    pub user: User,
}

impl<'r, R: sqlx::Row> sqlx::FromRow<'r, R> for Presented
where
    UserRow: sqlx::FromRow<'r, R>,
    UseRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let used = UseRow::from_row(row)?;
        Ok(Self {
            id: ApiTokenId::from_uuid(used.token_id),
            scopes: used.scopes.as_deref().map(Scopes::from_stored),
            generation: used.generation as u32,
            expires_at: Timestamp::from_micros(used.expires_at),
            last_used_at: used.last_used_at.map(Timestamp::from_micros),
            last_address: used.last_address,
            user: UserRow::from_row(row)?.into(),
        })
    }
}

/// Which of a user's tokens to list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Only those made before this one.
    pub before: Option<ApiTokenId>,
    /// At most so many.
    pub limit: i64,
}

impl Store {
    /// Who presents a token with this digest; `None`: unknown, expired, revoked, or of a disabled user.
    pub async fn presented_token(
        &self,
        digest: SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Presented>, StoreError> {
        on!(&self.db, db => sqlx::query_as(PRESENTED)
            .bind(&digest.0[..])
            .bind(now.micros())
            .fetch_optional(db))
    }

    /// The live tokens of a user, newest first.
    pub async fn api_tokens(
        &self,
        user: UserId,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<ApiTokenView>, StoreError> {
        let before = page.before.map_or(Uuid::max(), ApiTokenId::uuid);
        let rows: Vec<TokenRow> = on!(&self.db, db => sqlx::query_as(LIST)
            .bind(user.uuid())
            .bind(now.micros())
            .bind(before)
            .bind(page.limit)
            .fetch_all(db))?;
        Ok(rows.into_iter().map(ApiTokenView::from).collect())
    }

    /// A live token of a user.
    pub async fn api_token(
        &self,
        id: ApiTokenId,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<ApiTokenView>, StoreError> {
        let row: Option<TokenRow> = on!(&self.db, db => sqlx::query_as(ONE)
            .bind(id.uuid())
            .bind(user.uuid())
            .bind(now.micros())
            .fetch_optional(db))?;
        Ok(row.map(ApiTokenView::from))
    }

    /// The live token with this digest, and whose it is.
    pub async fn api_token_by_digest(
        &self,
        digest: SecretDigest,
        now: Timestamp,
    ) -> Result<Option<(ApiTokenId, UserId)>, StoreError> {
        let row: Option<OwnedRow> = on!(&self.db, db => sqlx::query_as(BY_DIGEST)
            .bind(&digest.0[..])
            .bind(now.micros())
            .fetch_optional(db))?;
        Ok(row.map(|row| (ApiTokenId::from_uuid(row.id), UserId::from_uuid(row.user_id))))
    }
}

impl Store {
    /// The token with this digest, live or not.
    pub async fn api_token_ever(&self, digest: SecretDigest) -> Result<Option<ApiTokenView>, StoreError> {
        let row: Option<TokenRow> =
            on!(&self.db, db => sqlx::query_as(EVER).bind(&digest.0[..]).fetch_optional(db))?;
        Ok(row.map(ApiTokenView::from))
    }
}

/// Makes a token, if there is room for one more and nothing has changed about the user.
pub async fn insert(tx: &mut Tx, new: &NewApiToken) -> Result<Made, StoreError> {
    let session = new.session.map(SessionId::uuid);
    if affected!(tx, sqlx::query(HOLD_USER).bind(new.user.uuid()).bind(new.epoch).bind(session))? == 0 {
        return Ok(Made::Moved);
    }
    let made = affected!(
        tx,
        sqlx::query(INSERT)
            .bind(new.id.uuid())
            .bind(new.user.uuid())
            .bind(&new.digest.0[..])
            .bind(&new.key_prefix)
            .bind(&new.name)
            .bind(&new.description)
            .bind(new.scopes.as_ref().map(ToString::to_string))
            .bind(new.now.micros())
            .bind(new.expires_at.micros())
            .bind(new.most)
    )?;
    Ok(if made > 0 { Made::Done } else { Made::TooMany })
}

/// What of a token changes; `None` stays as it is.
#[derive(Clone, Debug)]
pub struct Update {
    /// Which.
    pub id: ApiTokenId,
    /// Whose.
    pub user: UserId,
    /// As it shall be.
    pub name: Option<String>,
    /// As it shall be; `Some(None)`: there is none any more.
    pub description: Option<Option<String>>,
    /// Fewer than before: what was made of the token so far ends.
    pub scopes: Option<Scopes>,
    /// The generation it had when its scopes were read.
    pub generation: u32,
    /// Now.
    pub now: Timestamp,
}

/// Changes a live token; `None`: there is none, or its scopes have changed since they were read.
pub async fn update(tx: &mut Tx, update: &Update) -> Result<Option<ApiTokenView>, StoreError> {
    let row: Option<TokenRow> = on_tx!(tx, db => sqlx::query_as(UPDATE)
        .bind(update.id.uuid())
        .bind(update.user.uuid())
        .bind(&update.name)
        .bind(update.description.is_some())
        .bind(update.description.as_ref().and_then(Option::as_deref))
        .bind(update.scopes.as_ref().map(ToString::to_string))
        .bind(i64::from(update.generation))
        .bind(update.now.micros())
        .fetch_optional(db))?;
    Ok(row.map(ApiTokenView::from))
}

/// Revokes one of a user's tokens; `false`: there is none that is not revoked.
pub async fn revoke(tx: &mut Tx, id: ApiTokenId, user: UserId, now: Timestamp) -> Result<bool, StoreError> {
    let done = affected!(tx, sqlx::query(REVOKE).bind(id.uuid()).bind(user.uuid()).bind(now.micros()))?;
    Ok(done > 0)
}

/// Revokes a token whoever it belongs to, and tells who that is.
pub async fn revoke_any(tx: &mut Tx, id: ApiTokenId, now: Timestamp) -> Result<Option<UserId>, StoreError> {
    let user: Option<Uuid> = on_tx!(tx, db => sqlx::query_scalar(REVOKE_ANY)
        .bind(id.uuid())
        .bind(now.micros())
        .fetch_optional(db))?;
    Ok(user.map(UserId::from_uuid))
}

/// Revokes all live tokens of a user; their ids come back.
pub async fn revoke_all(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Vec<Uuid>, StoreError> {
    Ok(on_tx!(tx, db => sqlx::query_scalar(REVOKE_ALL)
        .bind(user.uuid())
        .bind(now.micros())
        .fetch_all(db))?)
}

/// Gives every token of a user a new generation, before [`crate::revocations::append_api_tokens`] ends the last one
/// in the same transaction: from here on nobody else changes it.
pub async fn renew_all(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(RENEW_ALL).bind(user.uuid()))?;
    Ok(())
}

/// Deletes what expired or was revoked before `before`.
pub async fn purge(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(before.micros()))?)
}
