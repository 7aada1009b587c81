//! TOTP apps of users. The secret is sealed; a code is good once, which the guard of [`take`] decides.

use portcullis_core::factor::{Factor, Factors};
use portcullis_core::ids::{FactorId, UserId};
use portcullis_core::server_key::{KeyId, Sealed};
use portcullis_core::time::Timestamp;
use uuid::Uuid;

use crate::Store;
use crate::db::{Tx, affected, on, row};
use crate::error::StoreError;

/// What is being set up takes the place of what was.
const PUT: &str = "INSERT INTO totp_factors (id, user_id, sealed_secret, seal_key_id, created_at, last_step) \
    VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT (user_id) WHERE confirmed_at IS NULL DO UPDATE SET \
    id = excluded.id, sealed_secret = excluded.sealed_secret, seal_key_id = excluded.seal_key_id, \
    created_at = excluded.created_at";
const OF_USER: &str = "SELECT id, user_id, sealed_secret, seal_key_id, created_at, confirmed_at, last_step, last_used_at \
    FROM totp_factors WHERE user_id = $1";
const IN_USE: &str = "SELECT id, user_id, sealed_secret, seal_key_id, created_at, confirmed_at, last_step, last_used_at \
    FROM totp_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL";
const FORGET_OLD: &str = "DELETE FROM totp_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL";
const CONFIRM: &str = "UPDATE totp_factors SET confirmed_at = $3, last_step = $4, last_used_at = $3 \
    WHERE id = $1 AND user_id = $2 AND confirmed_at IS NULL";
const TAKE: &str = "UPDATE totp_factors SET last_step = $3, last_used_at = $4 \
    WHERE id = $1 AND user_id = $2 AND confirmed_at IS NOT NULL AND last_step < $3";
const REMOVE: &str = "DELETE FROM totp_factors WHERE id = $1 AND user_id = $2 AND confirmed_at IS NOT NULL";
const REMOVE_ALL: &str = "DELETE FROM totp_factors WHERE user_id = $1";
const DELETE_YOUNGER: &str = "DELETE FROM totp_factors WHERE user_id = $1 AND id > $2";
const NONE_LEFT: &str = "UPDATE users SET factors = factors - $2 WHERE id = $1 AND (factors & $2) <> 0 \
    AND NOT EXISTS (SELECT 1 FROM totp_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL)";
const PURGE: &str = "DELETE FROM totp_factors WHERE confirmed_at IS NULL AND created_at <= $1";
const UNDER_OLDER: &str = "SELECT id, user_id, sealed_secret, seal_key_id, created_at, confirmed_at, last_step, \
    last_used_at FROM totp_factors WHERE seal_key_id <> $1 ORDER BY id LIMIT $2";
const RESEAL: &str =
    "UPDATE totp_factors SET sealed_secret = $3, seal_key_id = $4 WHERE id = $1 AND seal_key_id = $2";
const COUNT_BY_KEY: &str =
    "SELECT seal_key_id AS key_id, COUNT(*) AS count FROM totp_factors GROUP BY seal_key_id";

row! {
    struct TotpRow {
        id: Uuid, user_id: Uuid, sealed_secret: Vec<u8>, seal_key_id: i64, created_at: i64,
        confirmed_at: Option<i64>, last_step: i64, last_used_at: Option<i64>,
    }
}

row! {
    struct CountRow { key_id: i64, count: i64 }
}

/// An app that makes codes for a user.
#[derive(Clone, Debug)]
pub struct Totp {
    /// Id.
    pub id: FactorId,
    /// Whose.
    pub user: UserId,
    /// What the app and we share, sealed.
    pub sealed: Sealed,
    /// When it was set up.
    pub created_at: Timestamp,
    /// When its first code was shown; `None`: not yet, so that it counts for nothing.
    pub confirmed_at: Option<Timestamp>,
    /// The step of the last code that was taken.
    pub last_step: i64,
    /// When that was.
    pub last_used_at: Option<Timestamp>,
}

impl From<TotpRow> for Totp {
    fn from(row: TotpRow) -> Self {
        Self {
            id: FactorId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            sealed: Sealed { key_id: KeyId(row.seal_key_id as u32), bytes: row.sealed_secret },
            created_at: Timestamp::from_micros(row.created_at),
            confirmed_at: row.confirmed_at.map(Timestamp::from_micros),
            last_step: row.last_step,
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
        }
    }
}

/// A code that was right, to be taken: of which app, and its step.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Which app.
    pub id: FactorId,
    /// Whose.
    pub user: UserId,
    /// The step.
    pub step: i64,
}

impl Store {
    /// What a user has: the app in use, and the one that is being set up.
    pub async fn totp(&self, user: UserId) -> Result<Vec<Totp>, StoreError> {
        let rows: Vec<TotpRow> =
            on!(&self.db, db => sqlx::query_as(OF_USER).bind(user.uuid()).fetch_all(db))?;
        Ok(rows.into_iter().map(Totp::from).collect())
    }

    /// The app in use.
    pub async fn totp_in_use(&self, user: UserId) -> Result<Option<Totp>, StoreError> {
        let row: Option<TotpRow> =
            on!(&self.db, db => sqlx::query_as(IN_USE).bind(user.uuid()).fetch_optional(db))?;
        Ok(row.map(Totp::from))
    }

    /// Some of the secrets that are sealed under another server key than `current`.
    pub async fn totp_under_older(&self, current: KeyId, limit: i64) -> Result<Vec<Totp>, StoreError> {
        let rows: Vec<TotpRow> = on!(&self.db, db => sqlx::query_as(UNDER_OLDER)
            .bind(i64::from(current.0))
            .bind(limit)
            .fetch_all(db))?;
        Ok(rows.into_iter().map(Totp::from).collect())
    }

    /// How many secrets are sealed under which server key.
    pub async fn totp_by_key(&self) -> Result<Vec<(KeyId, i64)>, StoreError> {
        let rows: Vec<CountRow> = on!(&self.db, db => sqlx::query_as(COUNT_BY_KEY).fetch_all(db))?;
        Ok(rows.into_iter().map(|row| (KeyId(row.key_id as u32), row.count)).collect())
    }
}

/// Begins to set up an app. Until [`confirm`] it counts for nothing, and the one in use goes on.
pub async fn put(tx: &mut Tx, new: &Totp) -> Result<(), StoreError> {
    affected!(
        tx,
        sqlx::query(PUT)
            .bind(new.id.uuid())
            .bind(new.user.uuid())
            .bind(&new.sealed.bytes)
            .bind(i64::from(new.sealed.key_id.0))
            .bind(new.created_at.micros())
    )?;
    Ok(())
}

/// Puts an app to use whose code was right, in the place of the one before; `false`: it is not being set up any more.
pub async fn confirm(tx: &mut Tx, code: Code, now: Timestamp) -> Result<bool, StoreError> {
    affected!(tx, sqlx::query(FORGET_OLD).bind(code.user.uuid()))?;
    let done = affected!(
        tx,
        sqlx::query(CONFIRM).bind(code.id.uuid()).bind(code.user.uuid()).bind(now.micros()).bind(code.step)
    )?;
    Ok(done > 0)
}

/// Takes a code; `false`: it, or a later one, was taken already, or the app is gone.
pub async fn take(tx: &mut Tx, code: Code, now: Timestamp) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(TAKE).bind(code.id.uuid()).bind(code.user.uuid()).bind(code.step).bind(now.micros())
    )?;
    Ok(done > 0)
}

/// Removes the app in use; `false`: there is no such app.
pub async fn remove(tx: &mut Tx, id: FactorId, user: UserId) -> Result<bool, StoreError> {
    Ok(affected!(tx, sqlx::query(REMOVE).bind(id.uuid()).bind(user.uuid()))? > 0)
}

/// Takes an app of a user away that was begun after `since`, which is an id of that moment.
pub async fn remove_younger(tx: &mut Tx, user: UserId, since: Uuid) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(DELETE_YOUNGER).bind(user.uuid()).bind(since))?;
    let totp = Factors::NONE.with(Factor::Totp).bits();
    affected!(tx, sqlx::query(NONE_LEFT).bind(user.uuid()).bind(totp))?;
    Ok(())
}

/// Removes all apps of a user.
pub async fn remove_all(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    affected!(tx, sqlx::query(REMOVE_ALL).bind(user.uuid()))?;
    Ok(())
}

/// Forgets what was begun before `before` and never confirmed; how many.
pub async fn purge(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    Ok(affected!(tx, sqlx::query(PURGE).bind(before.micros()))?)
}

/// Replaces a secret that was sealed under `before`.
pub async fn reseal(tx: &mut Tx, id: FactorId, before: KeyId, sealed: &Sealed) -> Result<bool, StoreError> {
    let done = affected!(
        tx,
        sqlx::query(RESEAL)
            .bind(id.uuid())
            .bind(i64::from(before.0))
            .bind(&sealed.bytes)
            .bind(i64::from(sealed.key_id.0))
    )?;
    Ok(done > 0)
}
